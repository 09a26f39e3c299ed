"""`ports.Dialect` of Anthropic's Messages API, for OpenAI's chat lines.

    encode    instructions, turns, tools and parameters, each read by the module of its name
    decode    a message (`answer`), or an error (`error`)

Owns the context of a line: whether it has `functions`, and
the names of what was left out. The same for a platform's batches and its online calls.
"""

from typing import Any, Final

import msgspec

from batchway.dialects.answers.chat import Warned
from batchway.dialects.anthropic.answer import read_answer, result_of
from batchway.dialects.anthropic.error import is_error, no_answer, refused
from batchway.dialects.anthropic.messages import conversation
from batchway.dialects.anthropic.parameters import CHAT
from batchway.dialects.anthropic.tools import tooling
from batchway.dialects.claude.models import Traits, traits_of
from batchway.dialects.claude.writing import clash_of, writing
from batchway.dialects.one_body import OneBody
from batchway.dialects.requests.chat import read_chat
from batchway.dialects.requests.size import size_of
from batchway.dialects.tolerant_json import object_in
from batchway.ports.dialect import Encoded, Refused, Result, Size, Unfaithful

VERTEX: Final = "vertex-2023-10-16"
BEDROCK: Final = "bedrock-2023-05-31"
# From this version of the API on, no model takes `temperature` or `top_p`.
_WITHOUT_SAMPLING: Final = "2026-10-21"
_LEGACY: Final = b"f;"

_encode: Final = msgspec.json.Encoder().encode


class AnthropicDialect(OneBody):
    """Chat bodies for one model of Claude.

    `version` is the `anthropic_version` of a platform that has the model in its address, such as
    `vertex-2023-10-16` or `bedrock-2023-05-31`; `None` is Anthropic's own API, whose bodies name
    the model. `urls` is whether the platform fetches images from https addresses: neither Google
    Cloud nor Bedrock does.

    On Bedrock a body names the betas that it needs, which elsewhere are headers, or none at all:
    https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
    """

    __slots__ = ("_betas", "_head", "_model", "_traits", "_urls")

    def __init__(self, *, model: str, version: str | None = VERTEX, urls: bool = False) -> None:
        traits = traits_of(model)
        if version == _WITHOUT_SAMPLING:
            traits = msgspec.structs.replace(traits, samples=False)
        self._model = model
        self._traits: Traits = traits
        self._urls = urls
        self._head = {"anthropic_version": version} if version else {"model": model}
        self._betas = [traits.effort_beta] if version == BEDROCK and traits.effort_beta else []

    @property
    def faithful(self) -> bool:
        """It is not."""
        return False

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:  # noqa: ARG002 - the port's
        """See `ports.Dialect`."""
        request = read_chat(body)
        if isinstance(request, Unfaithful):
            return request
        ignored = CHAT.check(request)
        if isinstance(ignored, Unfaithful):
            return ignored
        talk = conversation(request.messages, urls=self._urls)
        if isinstance(talk, Unfaithful):
            return talk
        tools = tooling(request, self._traits, talk.called)
        if isinstance(tools, Unfaithful):
            return tools
        written = writing(request, self._traits)
        if isinstance(written, Unfaithful):
            return written
        clash = clash_of(
            written,
            self._traits,
            forced=tools.forced,
            unanswered=talk.unanswered,
            begun=talk.begun,
        )
        if clash is not None:
            return clash
        fields: dict[str, Any] = {**self._head, **written.fields}
        if self._betas and "effort" in fields.get("output_config", ()):
            fields["anthropic_beta"] = self._betas
        if talk.system:
            fields["system"] = talk.system
        fields["messages"] = talk.turns
        fields |= tools.fields
        if talk.ignored or tools.ignored:
            ignored = tuple(dict.fromkeys((*ignored, *talk.ignored, *tools.ignored)))
        context = ",".join(ignored).encode()
        if request.functions is not None:
            context = _LEGACY + context
        return Encoded((_encode(fields),), context, ignored)

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        if not 200 <= status < 300:
            return refused(status, body)
        answer = read_answer(body)
        if answer is None or answer.content is None:
            fields = object_in(body)
            if fields is None:
                return None
            return refused(status, body) if is_error(fields) else no_answer()
        legacy = context.startswith(_LEGACY)
        names = context[len(_LEGACY) :] if legacy else context
        warnings = [Warned(name, CHAT.note(name)) for name in names.decode().split(",") if name]
        return result_of(answer, model=self._model, legacy=legacy, at=at, warnings=warnings)

    def measure(self, body: bytes) -> Size:
        """See `ports.Dialect`."""
        return size_of(body)
