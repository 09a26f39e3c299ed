"""Which dialect speaks for a model: the catalog's word, as an object.

Lines of responses are said through the dialect of chat, whatever that is.
"""

from batchway.catalog.google_models import GoogleDialect
from batchway.dialects.anthropic.dialect import AnthropicDialect
from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.dialects.gemini.embeddings import GeminiEmbeddingsDialect
from batchway.dialects.gemini.text_embeddings import TextEmbeddingsDialect
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.domain.endpoint import Endpoint
from batchway.ports import Dialect
from batchway.providers.google.chosen_files import ChosenFilesDialect
from batchway.providers.google.models import Model

_VERSION = "vertex-2023-10-16"


def dialect_of(model: Model, endpoint: str, *, batch: bool) -> Dialect | None:
    """What lines of an endpoint become, online or in a job; `None` where they cannot be sent so."""
    spoken = model.family.jobs if batch else model.family.online
    if spoken is None or endpoint not in model.family.endpoints:
        return None
    if endpoint == Endpoint.RESPONSES:
        chat = _dialect(spoken, model, Endpoint.CHAT_COMPLETIONS, batch=batch)
        named = model.in_bodies if spoken is GoogleDialect.OPENAI else model.name
        return ResponsesDialect(inner=chat, model=named)
    return _dialect(spoken, model, endpoint, batch=batch)


def _dialect(spoken: GoogleDialect, model: Model, endpoint: str, *, batch: bool) -> Dialect:
    match spoken:
        case GoogleDialect.GEMINI:
            return GeminiDialect(model=model.name, batch=batch, readable=model.place.readable)
        case GoogleDialect.GEMINI_EMBEDDING:
            return GeminiEmbeddingsDialect(model=model.name, batch=batch)
        case GoogleDialect.TEXT_EMBEDDING:
            return TextEmbeddingsDialect(model=model.name, batch=batch)
        case GoogleDialect.ANTHROPIC:
            return AnthropicDialect(model=model.name, version=_VERSION)
        case GoogleDialect.OPENAI:
            dialect = OpenAIDialect(endpoint=endpoint, model=model.in_bodies)
            if endpoint != Endpoint.CHAT_COMPLETIONS:
                return dialect
            return ChosenFilesDialect(dialect, readable=model.place.readable)
