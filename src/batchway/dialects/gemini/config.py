"""How an answer is to be sampled, and its form: `generationConfig`.

Owns what OpenAI's sampling parameters, formats and efforts become, model by model (`models`). Pure.
Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from batchway.dialects.gemini.importer import Places, digest
from batchway.dialects.gemini.models import Traits
from batchway.dialects.gemini.translations import answer_of
from batchway.dialects.gemini.wire import GenerationConfig
from batchway.dialects.requests.chat import (
    ChatRequest,
    JsonObjectFormat,
    JsonSchema,
    JsonSchemaFormat,
)
from batchway.dialects.requests.schemas import bytes_of
from batchway.dialects.unsayable import Unsayable

_MOST_STOPS: Final = 5
_MOST_CANDIDATES: Final = 8
_MOST_LOGPROBS: Final = 20
# Vertex AI's seed is an int32; a seed means no more than that equal ones are equal.
_SEEDS: Final = 1 << 31
_MOST_TOKENS: Final = (1 << 31) - 1  # an int32 as well
_SCHEMA_PLACE: Final = "generationConfig.responseSchema"

_encode: Final = msgspec.json.Encoder().encode


def config_of(
    request: ChatRequest, *, traits: Traits, batch: bool, ignored: dict[str, None], places: Places
) -> GenerationConfig | None:
    """What a request asks of sampling and form; `None` if nothing. Adds to `ignored`, `places`.

    Raises:
        Unsayable: a parameter has a value that the model has no equivalent of.
    """
    config = GenerationConfig()
    _sample(request, config, traits, ignored)
    _limit(request, config)
    _logprobs(request, config)
    if request.reasoning_effort is not None:
        _think(request.reasoning_effort, config, traits)
    if isinstance(request.response_format, JsonObjectFormat | JsonSchemaFormat):
        if not traits.json_beside_functions and (request.tools or request.functions):
            raise Unsayable(
                "response_format", "This model gives no answers in JSON beside calls of functions."
            )
        config.response_mime_type = "application/json"
        if isinstance(request.response_format, JsonSchemaFormat):
            _format(request.response_format.json_schema, config, batch, ignored, places)
    return None if config == GenerationConfig() else config


def _sample(
    request: ChatRequest, config: GenerationConfig, traits: Traits, ignored: dict[str, None]
) -> None:
    if traits.samples:
        config.temperature = _within(request.temperature, 0, 2, "temperature")
        config.top_p = _within(request.top_p, 0, 1, "top_p")
    else:
        # 1 is OpenAI's default of both: who asks for it asks for nothing.
        if request.temperature not in (None, 1):
            ignored["temperature"] = None
        if request.top_p not in (None, 1):
            ignored["top_p"] = None
    if request.presence_penalty:
        config.presence_penalty = _within(request.presence_penalty, -2, 2, "presence_penalty")
    if request.frequency_penalty:
        config.frequency_penalty = _within(request.frequency_penalty, -2, 2, "frequency_penalty")
    if request.seed is not None:
        config.seed = request.seed % _SEEDS
        if config.seed != request.seed:
            ignored["seed"] = None
    n = request.n
    if n is not None and n != 1:
        if not traits.samples:
            raise Unsayable("n", "This model gives one answer to a request.")
        if not 1 <= n <= _MOST_CANDIDATES:
            raise Unsayable("n", f"Gemini gives 1 to {_MOST_CANDIDATES} answers to a request.")
        config.candidate_count = n


def _within(value: float | None, least: int, most: int, param: str) -> float | UnsetType:
    """The value, if it is one that Vertex AI takes."""
    if value is None:
        return UNSET
    if not least <= value <= most:
        raise Unsayable(param, f"Gemini takes {least} to {most} here.")
    return value


def _limit(request: ChatRequest, config: GenerationConfig) -> None:
    newer, older = request.max_completion_tokens, request.max_tokens
    if newer is not None and older is not None and newer != older:
        raise Unsayable("max_tokens", "It contradicts max_completion_tokens.")
    most = older if newer is None else newer
    if most is not None:
        if not 0 < most <= _MOST_TOKENS:
            param = "max_tokens" if newer is None else "max_completion_tokens"
            raise Unsayable(param, f"Gemini takes 1 to {_MOST_TOKENS} here.")
        config.max_output_tokens = most
    stops = [request.stop] if isinstance(request.stop, str) else request.stop
    if stops:
        if len(stops) > _MOST_STOPS:
            raise Unsayable("stop", f"Gemini takes up to {_MOST_STOPS} sequences.")
        if "" in stops:
            raise Unsayable("stop", "Gemini takes no empty sequence.")
        config.stop_sequences = stops


def _logprobs(request: ChatRequest, config: GenerationConfig) -> None:
    top = request.top_logprobs
    if not request.logprobs:
        if top:
            raise Unsayable("top_logprobs", "OpenAI's API takes it with logprobs only.")
        return
    config.response_logprobs = True
    if top:
        if not 0 < top <= _MOST_LOGPROBS:
            raise Unsayable("top_logprobs", f"Gemini gives 1 to {_MOST_LOGPROBS} of them.")
        config.logprobs = top


def _think(effort: str, config: GenerationConfig, traits: Traits) -> None:
    thinking = traits.efforts.get(effort)
    if thinking is not None:
        config.thinking_config = thinking
    elif not traits.efforts:
        if effort != "none":
            raise Unsayable("reasoning_effort", "This model does not think.")
    elif effort == "none":
        raise Unsayable("reasoning_effort", "This model cannot be told not to think.")
    else:
        raise Unsayable("reasoning_effort", "Gemini has no equivalent of this effort.")


def _format(
    wanted: JsonSchema,
    config: GenerationConfig,
    batch: bool,
    ignored: dict[str, None],
    places: Places,
) -> None:
    place = "response_format.json_schema.schema"
    text = bytes_of(wanted.schema)
    if not text:
        return
    translated = answer_of(text, batch)
    if translated.why:
        raise Unsayable(place, translated.why)
    if not translated.whole:
        ignored[place] = None
    # OpenAI's models read the format's name and description; here the schema's say the same.
    told: dict[str, str] = {}
    if "anyOf" not in translated.keys:
        if wanted.name and "title" not in translated.keys:
            told["title"] = wanted.name
        if wanted.description and "description" not in translated.keys:
            told["description"] = wanted.description
    if batch:
        places[_SCHEMA_PLACE] = digest([translated.digest, told])
    schema = Raw(_beside(translated.json, told))
    if translated.subset:
        config.response_schema = schema
    else:
        config.response_json_schema = schema


def _beside(schema: bytes, told: dict[str, str]) -> bytes:
    """The JSON of a schema, with more keys."""
    if not told:
        return schema
    more = _encode(told)
    return more if schema == b"{}" else schema[:-1] + b"," + more[1:]
