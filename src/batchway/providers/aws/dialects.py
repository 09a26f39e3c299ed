"""Which dialect speaks for a model: the catalog's word, as an object.

Lines of responses are said through the dialect of chat, whatever that is. No body names its model:
the address does, or the job.
"""

from batchway.catalog.bedrock_models import BedrockDialect
from batchway.dialects.anthropic.dialect import BEDROCK, AnthropicDialect
from batchway.dialects.cohere.dialect import CohereEmbeddingsDialect
from batchway.dialects.converse.dialect import ConverseDialect, NovaDialect
from batchway.dialects.deepseek.dialect import DeepSeekDialect
from batchway.dialects.llama.dialect import LlamaDialect
from batchway.dialects.mistral.chat_dialect import MistralChatDialect
from batchway.dialects.mistral.prompt_dialect import MistralPromptDialect
from batchway.dialects.nova_embeddings.dialect import NovaEmbeddingsDialect
from batchway.dialects.openai.open_dialect import OpenModelDialect
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.dialects.titan.dialect import TitanEmbeddingsDialect
from batchway.domain.endpoint import Endpoint
from batchway.ports import Dialect
from batchway.providers.aws.models import Model


def dialect_of(model: Model, endpoint: str, *, batch: bool) -> Dialect | None:
    """What lines of an endpoint become, online or in a job; `None` where they cannot be sent so."""
    spoken = model.family.jobs if batch else model.family.online
    if spoken is None or endpoint not in model.family.endpoints:
        return None
    dialect = _dialect(spoken, model, batch=batch)
    if endpoint == Endpoint.RESPONSES:
        return ResponsesDialect(inner=dialect, model=model.base)
    return dialect


def _dialect(spoken: BedrockDialect, model: Model, *, batch: bool) -> Dialect:
    readable = model.place.readable
    match spoken:
        case BedrockDialect.CONVERSE:
            return ConverseDialect(model=model.base, batch=batch, readable=readable)
        case BedrockDialect.ANTHROPIC:
            return AnthropicDialect(model=model.base, version=BEDROCK)
        case BedrockDialect.OPENAI:
            return OpenModelDialect(model=model.base)
        case BedrockDialect.NOVA:
            return NovaDialect(model=model.base, readable=readable)
        case BedrockDialect.LLAMA:
            return LlamaDialect(model=model.base)
        case BedrockDialect.MISTRAL:
            return MistralPromptDialect(model=model.base)
        case BedrockDialect.MISTRAL_CHAT:
            return MistralChatDialect(model=model.base)
        case BedrockDialect.DEEPSEEK:
            return DeepSeekDialect(model=model.base)
        case BedrockDialect.TITAN_EMBEDDING:
            return TitanEmbeddingsDialect(model=model.base)
        case BedrockDialect.COHERE_EMBEDDING:
            return CohereEmbeddingsDialect(model=model.base)
        case BedrockDialect.NOVA_EMBEDDING:
            return NovaEmbeddingsDialect(model=model.base)
