"""Addresses of Vertex AI: where a model is called, and where jobs are.

    gemini             {api}/v1/{model}:generateContent
    gemini-embedding   {api}/v1/{model}:embedContent
    text-embedding     {api}/v1/{model}:predict
    anthropic          {api}/v1/{model}:rawPredict
    openai             {api}/v1/{project and region}/endpoints/openapi/chat/completions
                       {api}/v1/{project and region}/endpoints/openapi/embeddings
                       {api}/v1/{endpoint}/chat/completions             of an endpoint of one's own

Every part of a model's name was checked when it was read (`models`). Source:
docs.cloud.google.com/gemini-enterprise-agent-platform/reference/rest, and what google-genai,
anthropic and openai send (`tests/contract/test_google_wire.py`).
"""

from types import MappingProxyType
from typing import Final

from batchway.catalog.google_models import GoogleDialect
from batchway.domain.endpoint import Endpoint
from batchway.providers.google.models import Model
from batchway.providers.google.place import Place

_METHODS: Final = MappingProxyType(
    {
        GoogleDialect.GEMINI: "generateContent",
        GoogleDialect.GEMINI_EMBEDDING: "embedContent",
        GoogleDialect.TEXT_EMBEDDING: "predict",
        GoogleDialect.ANTHROPIC: "rawPredict",
    }
)


def online_address(model: Model, endpoint: str, dialect: GoogleDialect) -> str:
    """Where lines of an endpoint such as `/v1/chat/completions` are sent, in a dialect."""
    base = f"{model.place.api}/v1"
    if dialect is not GoogleDialect.OPENAI:
        return f"{base}/{model.path}:{_METHODS[dialect]}"
    path = (
        Endpoint.EMBEDDINGS.path
        if endpoint == Endpoint.EMBEDDINGS
        # Lines of responses are chat there.
        else (Endpoint.CHAT_COMPLETIONS.path)
    )
    if not model.publisher:
        return f"{base}/{model.path}{path}"
    return f"{base}/{model.place.parent}/endpoints/openapi{path}"


def jobs_address(place: Place) -> str:
    """Where jobs are created and listed."""
    return f"{place.api}/v1/{place.parent}/batchPredictionJobs"
