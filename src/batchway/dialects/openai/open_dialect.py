"""`ports.Dialect` of open models on Bedrock: OpenAI's chat bodies without the model's name.

    encode    the body's members, each with its own bytes, but for those that the models do not know
    decode    the answer with the model's name; thoughts before the words as `reasoning_content`

OpenAI's gpt-oss, Qwen, DeepSeek from V3 on, MiniMax, Kimi, GLM, Gemma, Nemotron, and Mistral's
newer ones: https://docs.aws.amazon.com/bedrock/latest/userguide/model-cards.html. No value of a
body or an answer is encoded again unless it changes. Source:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html (without `model`
and `stream`; thoughts in `<reasoning>` before the words). Kimi K2's stand in `<think>`, as seen in
https://github.com/JetBrains/koog/pull/1436.
"""

from typing import Final

import msgspec

from batchway.dialects.answers.chat import Extension
from batchway.dialects.bedrock.error import refused
from batchway.dialects.bedrock.invoked import Asked, Invoked, id_of
from batchway.dialects.bedrock.limits import most_tokens
from batchway.dialects.openai.answer import ErrorWithin, read_result
from batchway.dialects.openai.open_messages import messages_for
from batchway.dialects.openai.open_models import traits_of
from batchway.dialects.openai.open_parameters import CHAT
from batchway.dialects.openai.open_schemas import bind_answer, choose_tools
from batchway.dialects.requests.chat import ChatRequest
from batchway.dialects.requests.parameters import Handling
from batchway.dialects.tolerant_json import UNREADABLE, mended, read_by
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Refused, Result

Members = dict[str, msgspec.Raw]

_members: Final = msgspec.json.Decoder(Members).decode
_choices: Final = msgspec.json.Decoder(list[Members]).decode
_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode

_NULL: Final = b"null"
_CUT: Final = b'"length"'
_TAGS: Final = (("<reasoning>", "</reasoning>"), ("<think>", "</think>"))
# However its brackets are escaped in JSON; whether a text begins so is seen when it is read.
_BRACKETS: Final = (b"<", b"\\u003c", b"\\u003C")
_NAMES: Final = (b"reasoning", b"think")
_MARKS: Final = tuple(each + name for each in _BRACKETS for name in _NAMES)
_LEVELS: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_LIMITS: Final = ("max_tokens", "max_completion_tokens")
_LEFT_OUT: Final = frozenset(
    {
        *(row.name for row in CHAT.rows if row.handling is not Handling.MAPPED),
        *_LIMITS,
        "model",
    }
)


class OpenModelDialect(Invoked):
    """Chat lines for one open model on Bedrock."""

    __slots__ = ("_traits",)

    def __init__(self, *, model: str) -> None:
        super().__init__(model=model, table=CHAT)
        self._traits = traits_of(model)

    def _written(self, request: ChatRequest, body: bytes, ignored: dict[str, None]) -> bytes:
        traits = self._traits
        members = _members(body)
        fields = {
            name: value
            for name, value in members.items()
            if name not in _LEFT_OUT and bytes(value) != _NULL
        }
        fields["messages"] = messages_for(request.messages, members["messages"], traits, ignored)
        most = most_tokens(request)
        if most is not None:
            fields[traits.most] = msgspec.Raw(b"%d" % most)
        if request.reasoning_effort is not None:
            effort = _effort(request.reasoning_effort, known=traits.efforts)
            fields["reasoning_effort"] = msgspec.Raw(_encode(effort))
        bind_answer(request, fields)
        choose_tools(request, fields)
        return _encode(fields)

    def _read(self, body: bytes, asked: Asked) -> Result | Refused | None:
        read = read_result(body) or read_result(mended(body))
        if isinstance(read, ErrorWithin):
            return refused(read.status, body)
        if read is None:
            return None
        members = read_by(_members, read.body) or {}
        choices = members.get("choices")
        if choices is None or bytes(choices)[:1] != b"[":
            return None
        try:
            if _may_hold_thoughts(read.body):
                members["choices"] = _thoughts_apart(choices)
        except UNREADABLE:
            return None
        members["model"] = msgspec.Raw(_encode(asked.model))
        if "id" not in members:
            members["id"] = msgspec.Raw(_encode(f"chatcmpl-{id_of(body)}"))
        members.setdefault("object", msgspec.Raw(b'"chat.completion"'))
        members.setdefault("created", msgspec.Raw(b"%d" % asked.at))
        if asked.warnings:
            members["batchway"] = msgspec.Raw(_encode(Extension(asked.warnings)))
        return Result(_encode(members), read.usage)


def _may_hold_thoughts(body: bytes) -> bool:
    reasoning, think = _NAMES
    # Most bodies hold neither name, and looking for all six marks took half the time of an answer.
    return (reasoning in body or think in body) and any(mark in body for mark in _MARKS)


def _effort(given: str, *, known: bool) -> str:
    param = "reasoning_effort"
    if not known:
        raise Unsayable(param, "How this model thinks cannot be chosen here.")
    if given == "none":
        raise Unsayable(param, "This model's thinking cannot be turned off.")
    if given not in _LEVELS:
        raise Unsayable(param, f"OpenAI's API takes none or one of {', '.join(_LEVELS)} here.")
    return _LEVELS[given]


def _thoughts_apart(choices: msgspec.Raw) -> msgspec.Raw:
    """Choices whose thoughts stand before their words, with each at its place."""
    apart: list[Members] = _choices(choices)
    for choice in apart:
        message = choice.get("message")
        if message is None or bytes(message)[:1] != b"{":
            continue
        members = _members(message)
        content = members.get("content")
        if content is None or bytes(content)[:1] != b'"':
            continue
        cut = bytes(choice.get("finish_reason", b"")) == _CUT
        divided = _divided(_text(content), cut=cut)
        if divided is None:
            continue
        thought, words = divided
        called = bytes(members.get("tool_calls", b"[]")) not in (b"[]", _NULL)
        members["content"] = msgspec.Raw(_encode(words if words or not called else None))
        members["reasoning_content"] = msgspec.Raw(_encode(thought))
        choice["message"] = msgspec.Raw(_encode(members))
    return msgspec.Raw(_encode(apart))


def _divided(text: str, *, cut: bool) -> tuple[str, str] | None:
    """Thoughts and words, `None` where a text begins with no thoughts.

    One that was cut before its thoughts ended has no words; where they never end, they are none.
    """
    for begin, end in _TAGS:
        if text.startswith(begin):
            thought, ended, words = text[len(begin) :].partition(end)
            return (thought.strip("\n"), words.lstrip("\n")) if ended or cut else None
    return None
