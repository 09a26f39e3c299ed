"""The endpoints that batches run, and what Batchway must know of a body of each.

The only module that spells them. A member is its path, with `/v1`, and goes wherever text does;
`path` is what stands below a base address that holds the version already. Owns data only: the rest
of a body is the provider's to judge. Source: platform.openai.com/docs/api-reference/batch/create
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_VERSION: Final = "/v1"


class Endpoint(StrEnum):
    """An endpoint, in the order of OpenAI's own error message."""

    CHAT_COMPLETIONS = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"
    RESPONSES = "/v1/responses"
    MODERATIONS = "/v1/moderations"

    @property
    def path(self) -> str:
        """The endpoint without its version, such as `/chat/completions`: Azure's spelling."""
        return self.removeprefix(_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRule:
    """What a body holds: the field that must be there, and the model of one that names none."""

    required: str | None = None
    default_model: str | None = None


BODY_RULES: Final[Mapping[Endpoint, BodyRule]] = MappingProxyType(
    {
        Endpoint.CHAT_COMPLETIONS: BodyRule(required="messages"),
        Endpoint.COMPLETIONS: BodyRule(required="prompt"),
        Endpoint.EMBEDDINGS: BodyRule(required="input"),
        # `input` may be replaced by a stored prompt or a conversation.
        Endpoint.RESPONSES: BodyRule(),
        Endpoint.MODERATIONS: BodyRule(required="input", default_model="omni-moderation-latest"),
    }
)
_SPELLED: Final[Mapping[str, Endpoint]] = MappingProxyType(
    {spelled: endpoint for endpoint in Endpoint for spelled in (endpoint.value, endpoint.path)}
)


def endpoint_of(text: str) -> Endpoint | None:
    """The endpoint that a text names, with or without `/v1`; `None` where it names none."""
    return _SPELLED.get(text)
