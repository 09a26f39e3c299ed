"""Which dialect speaks for a model: the catalog's word, as an object.

Lines of responses are said through the dialect of chat, whatever that is. No body names its model:
the address does, or the job.
"""

from typing import Final

from batchway.catalog.bedrock_models import BedrockDialect
from batchway.dialects.anthropic.dialect import AnthropicDialect
from batchway.dialects.converse.dialect import ConverseDialect, NovaDialect
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.domain.endpoint import Endpoint
from batchway.ports import Dialect
from batchway.providers.aws.models import Model

_VERSION: Final = "bedrock-2023-05-31"


def dialect_of(model: Model, endpoint: str, *, batch: bool) -> Dialect | None:
    """What lines of an endpoint become, online or in a job; `None` where they cannot be sent so."""
    spoken = model.family.jobs if batch else model.family.online
    if spoken is None or endpoint not in model.family.endpoints:
        return None
    dialect = _dialect(spoken, model, batch=batch)
    if endpoint == Endpoint.RESPONSES and dialect is not None:
        return ResponsesDialect(inner=dialect, model=model.base)
    return dialect


def _dialect(spoken: BedrockDialect, model: Model, *, batch: bool) -> Dialect | None:
    readable = model.place.readable
    match spoken:
        case BedrockDialect.CONVERSE:
            return ConverseDialect(model=model.base, batch=batch, readable=readable)
        case BedrockDialect.ANTHROPIC:
            return AnthropicDialect(model=model.base, version=_VERSION)
        case BedrockDialect.NOVA:
            return NovaDialect(model=model.base, readable=readable)
        case _:
            return None
