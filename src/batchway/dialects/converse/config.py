"""How an answer is to be sampled, and its form.

    max_completion_tokens, max_tokens   maxTokens
    temperature, top_p                  temperature, topP, up to 1
    stop                                stopSequences
    response_format: json_schema        outputConfig.textFormat, its schema as text
    reasoning_effort                    Nova 2: reasoningConfig; gpt-oss: reasoning_effort

For Claude it is what its own API takes (`dialects.claude.writing`), each at its place here: what
Converse has no field for goes to the model in `additionalModelRequestFields`. Sources:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from batchway.dialects.claude.models import Traits as ClaudeTraits
from batchway.dialects.claude.writing import Writing, writing
from batchway.dialects.converse.models import Reasoning, Traits
from batchway.dialects.converse.wire import (
    InferenceConfig,
    JsonSchema,
    OutputConfig,
    ReasoningConfig,
    Structure,
    TextFormat,
)
from batchway.dialects.grammars.translations import answer_of
from batchway.dialects.requests.chat import ChatRequest, JsonObjectFormat, JsonSchemaFormat
from batchway.dialects.requests.schemas import bytes_of
from batchway.dialects.unsayable import Unsayable
from batchway.ports.dialect import Unfaithful

_MOST_TOKENS: Final = (1 << 31) - 1
_MOST_STOPS: Final = 2_500
_EFFORT: Final = "reasoning_effort"
_LEVELS: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_SCHEMA: Final = "response_format.json_schema.schema"


class Config(msgspec.Struct, gc=False):
    """A request's parameters, each where the bodies have it.

    `reasoning` is Nova's, which the two APIs have at different places; `additional` are the fields
    that only the model knows; `writing` is what Claude's own API would be told.
    """

    inference: InferenceConfig
    output: OutputConfig | UnsetType = UNSET
    reasoning: ReasoningConfig | UnsetType = UNSET
    additional: dict[str, Any] | UnsetType = UNSET
    writing: Writing | None = None


def config_of(request: ChatRequest, traits: Traits) -> Config:
    """What a request asks of sampling and form.

    Raises:
        Unsayable: a parameter has a value that the model has no equivalent of.
    """
    if isinstance(request.response_format, JsonObjectFormat):
        raise Unsayable(
            "response_format", "There is no JSON mode here; give a schema, with type json_schema."
        )
    if traits.claude is not None:
        return _of_claude(request, traits.claude)
    config = Config(_inference(request, traits))
    if request.reasoning_effort is not None:
        _think(request.reasoning_effort, traits, config)
    if isinstance(request.response_format, JsonSchemaFormat) and not traits.schema_by_tool:
        if not traits.schemas:
            raise Unsayable("response_format", "This model cannot be bound to a JSON schema.")
        given = request.response_format.json_schema
        text = bytes_of(given.schema)
        if not text:
            raise Unsayable(_SCHEMA, "A schema is required.")
        translated = answer_of(text, True)
        if translated.why:
            raise Unsayable(_SCHEMA, translated.why)
        config.output = _output(translated.json, given.name, given.description)
    return config


def _inference(request: ChatRequest, traits: Traits) -> InferenceConfig:
    inference = InferenceConfig()
    newer, older = request.max_completion_tokens, request.max_tokens
    if newer is not None and older is not None and newer != older:
        raise Unsayable("max_tokens", "It contradicts max_completion_tokens.")
    most = older if newer is None else newer
    if most is not None:
        if not 0 < most <= _MOST_TOKENS:
            param = "max_tokens" if newer is None else "max_completion_tokens"
            raise Unsayable(param, f"Limits of 1 to {_MOST_TOKENS} are taken here.")
        inference.max_tokens = most
    inference.temperature = _share(request.temperature, "temperature")
    inference.top_p = _share(request.top_p, "top_p")
    stops = [request.stop] if isinstance(request.stop, str) else request.stop
    if stops:
        if not traits.stops:
            raise Unsayable("stop", "This model takes no sequences to stop at.")
        if len(stops) > _MOST_STOPS or not all(stops):
            raise Unsayable("stop", f"Up to {_MOST_STOPS} sequences are taken, none of them empty.")
        inference.stop_sequences = stops
    return inference


def _share(value: float | None, param: str) -> float | UnsetType:
    if value is None:
        return UNSET
    if not 0 <= value <= 1:
        raise Unsayable(param, "Values of 0 to 1 are taken here.")
    return value


def _think(effort: str, traits: Traits, config: Config) -> None:
    """Turn thinking on."""
    if effort != "none" and effort not in _LEVELS:
        raise Unsayable(_EFFORT, f"OpenAI's API takes none or one of {', '.join(_LEVELS)} here.")
    match traits.reasoning:
        case Reasoning.NEVER:
            if effort != "none":
                raise Unsayable(_EFFORT, "This model has no thinking.")
        case Reasoning.FIXED:
            raise Unsayable(_EFFORT, "How this model thinks cannot be chosen here.")
        case Reasoning.OPENAI:
            if effort == "none":
                raise Unsayable(_EFFORT, "This model's thinking cannot be turned off.")
            config.additional = {_EFFORT: _LEVELS[effort]}
        case Reasoning.NOVA:
            if effort != "none":
                config.reasoning = ReasoningConfig(_LEVELS[effort])
                if _LEVELS[effort] == "high":
                    _check_free(config.inference)


def _check_free(inference: InferenceConfig) -> None:
    """At its highest effort Nova refuses what would bound it."""
    for value, params in (
        (inference.temperature, "temperature"),
        (inference.top_p, "top_p"),
        (inference.max_tokens, "max_tokens"),
    ):
        if value is not UNSET:
            raise Unsayable(_EFFORT, f"At `high` this model takes no `{params}`.")


def _output(schema: bytes, name: str, description: str | None) -> OutputConfig:
    written = JsonSchema(schema.decode(), name or UNSET, description or UNSET)
    return OutputConfig(TextFormat(Structure(written)))


def _of_claude(request: ChatRequest, traits: ClaudeTraits) -> Config:
    """What Claude's own API would be told, each at its place in Converse."""
    written = writing(request, traits)
    if isinstance(written, Unfaithful):
        raise Unsayable(written.param, written.why)
    fields = written.fields
    config = Config(
        InferenceConfig(
            max_tokens=fields["max_tokens"],
            temperature=fields.get("temperature", UNSET),
            top_p=fields.get("top_p", UNSET),
            stop_sequences=fields.get("stop_sequences", UNSET),
        ),
        writing=written,
    )
    additional = {"thinking": fields["thinking"]} if "thinking" in fields else {}
    output = fields.get("output_config", {})
    if "format" in output:
        if "effort" in output:
            # The one goes to the model as `output_config`, and Bedrock writes the other there.
            raise Unsayable("response_format", "It does not go with `reasoning_effort` here.")
        config.output = _output(bytes(output["format"]["schema"]), _name(request), None)
    elif output:
        additional["output_config"] = output
    config.additional = additional or UNSET
    return config


def _name(request: ChatRequest) -> str:
    wanted = request.response_format
    return wanted.json_schema.name if isinstance(wanted, JsonSchemaFormat) else ""
