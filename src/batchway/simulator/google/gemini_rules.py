"""What Gemini refuses of a request whose names and types are right.

Owns the rules and their words, as far as they were seen; each is a 400 INVALID_ARGUMENT.
Sources: https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerationConfig,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/function-calling, and the
messages in public issue threads.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from batchway.simulator.google.refusals import Refused

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")
# Lowest and highest (excluded) value; Google says the bounds so.
_RANGES: Final = {
    "temperature": (0.0, 2.0001),
    "topP": (0.0, 1.0001),
    "presencePenalty": (-2.0, 2.0),
    "frequencyPenalty": (-2.0, 2.0),
    "candidateCount": (1, 9),
    "maxOutputTokens": (1, 65_537),
    "logprobs": (0, 21),
    "seed": (-(2**31), 2**31),
}


def check(body: Mapping[str, Any], *, model: str) -> None:
    """Raises `Refused` for the first rule that a request in camelCase breaks."""
    contents = body.get("contents") or []
    if not contents:
        raise _refused(
            "Unable to submit request because at least one contents field is required. Learn more: "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini"
        )
    for content in contents:
        _content(content)
    system = body.get("systemInstruction")
    if system is not None and not system.get("parts"):
        raise _refused("Unable to submit request because it must have a system instruction.")
    _turns(contents)
    if signs(model):
        _signatures(contents)
    _labels(body.get("labels") or {})
    _config(body.get("generationConfig") or {}, model)
    _tools(body)


def _content(content: Mapping[str, Any]) -> None:
    if content.get("role", "user") not in ("user", "model", "function"):
        raise _refused("Please use a valid role: user, model.")
    parts = content.get("parts") or []
    if not parts:
        raise _refused(
            "Unable to submit request because it must include at least one parts field, which "
            "describes the prompt input."
        )
    for part in parts:
        data = [
            name
            for name in part
            if name not in ("thought", "thoughtSignature", "videoMetadata", "mediaResolution")
        ]
        if len(data) != 1:
            raise _refused("Request contains an invalid argument: a part has one kind of data.")
        if part.get("text") == "":
            raise _refused("Unable to submit request because it has an empty text parameter.")
        for name in ("inlineData", "fileData"):
            if name in part and not part[name].get("mimeType"):
                raise _refused(
                    "Unable to submit request because it has a mimeType parameter with value , "
                    "which is not supported. Update the mimeType and try again."
                )


def _turns(contents: Sequence[Mapping[str, Any]]) -> None:
    open_calls = 0
    for index, content in enumerate(contents):
        calls = sum("functionCall" in part for part in content["parts"])
        responses = sum("functionResponse" in part for part in content["parts"])
        if responses != open_calls:
            raise _refused(
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn."
            )
        if calls and (index == 0 or contents[index - 1].get("role") == "model"):
            raise _refused(
                "Please ensure that function call turn comes immediately after a user turn or "
                "after a function response turn."
            )
        open_calls = calls
    if contents[-1].get("role", "user") == "model" and open_calls:
        raise _refused("Please ensure that a function call turn is followed by its responses.")


def signs(model: str) -> bool:
    """Whether a model signs its calls: Gemini from 3 on."""
    return re.match(r"gemini-([3-9]|[1-9]\d)", model) is not None


def _signatures(contents: Sequence[Mapping[str, Any]]) -> None:
    """The first call of each step of the present turn is signed.

    Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures; the words
    are those of GewoonJaap/gemini-cli-openai#156.
    """
    asked = [
        index
        for index, content in enumerate(contents)
        if content.get("role", "user") == "user"
        and not any("functionResponse" in part for part in content["parts"])
    ]
    for index, content in enumerate(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls and index > max(asked, default=0) and not calls[0].get("thoughtSignature"):
            raise _refused(
                "Unable to submit request because function call "
                f"`{calls[0]['functionCall'].get('name', '')}` in the {index + 1}. content block "
                "is missing a `thought_signature`."
            )


def _labels(labels: Mapping[str, str]) -> None:
    if len(labels) > 64:
        raise _refused("The number of labels is more than 64.")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise _refused(
                "Invalid label: keys and values have at most 63 lower-case letters, digits, "
                "underscores and dashes."
            )


def _config(config: Mapping[str, Any], model: str) -> None:
    for name, (low, high) in _RANGES.items():
        value = config.get(name)
        if value is not None and not low <= value < high:
            words = re.sub("([A-Z])", lambda hit: "_" + hit[1].lower(), name)
            raise _refused(
                f"Unable to submit request because it has a {words} value of {value} but the "
                f"supported range is from {low} (inclusive) to {high} (exclusive). Update the "
                "value and try again."
            )
    if len(config.get("stopSequences") or []) > 5:
        raise _refused("Unable to submit request because it has more than 5 stop_sequences.")
    if "" in (config.get("stopSequences") or []):
        # That it is refused is certain of no page; nothing could be found of it in an answer.
        raise _refused("Request contains an invalid argument: a stop_sequence is empty.")
    if config.get("logprobs") is not None and not config.get("responseLogprobs"):
        raise _refused("logprobs can only be set if response_logprobs is true.")
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if config.get(name)]
    kind = config.get("responseMimeType")
    if len(schemas) > 1:
        raise _refused("Only one of response_schema and response_json_schema can be set.")
    if schemas and kind not in ("application/json", "text/x.enum"):
        raise _refused(
            "Unable to submit request because responseSchema is only supported with "
            "responseMimeType application/json or text/x.enum."
        )
    if kind not in (None, "", "text/plain", "application/json", "text/x.enum"):
        raise _refused(f"Unsupported response_mime_type: {kind}.")
    if config.get("responseSchema"):
        _schema(config["responseSchema"], None, "response_schema")
    thinking = config.get("thinkingConfig") or {}
    if thinking.get("thinkingLevel") and thinking.get("thinkingBudget") is not None:
        raise _refused("You can only set only one of thinking budget and thinking level.")
    if thinking.get("thinkingLevel") and re.match("gemini-(1|2)", model):
        raise _refused("Thinking level is not supported for this model.")
    if thinking.get("thinkingBudget") == 0 and re.match("gemini-(2.5-pro|3)", model):
        raise _refused(
            "Unable to submit request because thinking_budget is out of range; supported values "
            "are integers from 128 to 32768."
        )


def _tools(body: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for tool in body.get("tools") or []:
        for function in tool.get("functionDeclarations") or []:
            name = function.get("name", "")
            if not _NAME.fullmatch(name):
                raise _refused(
                    "Invalid function name. Must start with a letter or an underscore. Must be "
                    "alphameric (a-z, A-Z, 0-9), underscores (_), dots (.) or dashes (-), with a "
                    "maximum length of 64."
                )
            if name in names:
                raise _refused(f"Duplicate function declaration found: {name}")
            names.add(name)
            if function.get("parameters") and function.get("parametersJsonSchema"):
                raise _refused("Only one of parameters and parameters_json_schema can be set.")
            parameters = function.get("parameters")
            if parameters is not None:
                if parameters.get("type") != "OBJECT":
                    raise _refused(
                        f"Unable to submit request because `{name}` functionDeclaration "
                        "`parameters` schema should be of type OBJECT."
                    )
                _schema(parameters, name, "parameters")
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = config.get("allowedFunctionNames") or []
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        raise _refused("Allowed function names are only supported with mode ANY or VALIDATED.")
    if config.get("mode") == "ANY" and not names:
        raise _refused("Function calling mode ANY needs function declarations.")
    for name in allowed:
        if name not in names:
            raise _refused(f"Allowed function {name} is not among the function declarations.")


def _schema(schema: Mapping[str, Any], function: str | None, place: str) -> None:
    """What the API checks of its own `Schema`: it is not checked of JSON Schema.

    The words are those of public issues: googleapis/python-genai#625 and #1807,
    google/adk-python#3281. Response schemas are told without their place.
    """
    subject = "one or more response schemas"
    if function is not None:
        subject = f"`{function}` functionDeclaration `{place}` schema"
    if schema.get("anyOf") and len(schema) > 1:
        raise _refused(
            f"Unable to submit request because {subject} specified other fields alongside any_of. "
            "When using any_of, it must be the only field set."
        )
    kind = schema.get("type")
    if kind is None and not schema.get("anyOf") and not schema.get("ref"):
        raise _refused(
            f"Unable to submit request because {subject} didn't specify the schema type field."
        )
    if kind == "ARRAY" and not schema.get("items"):
        raise _refused(f"Unable to submit request because {subject}: items: missing field.")
    properties: Mapping[str, Any] = schema.get("properties") or {}
    for name in schema.get("required") or []:
        if name not in properties:
            raise _refused(
                f"Unable to submit request because {subject}: required: property {name} is not "
                "defined."
            )
    for name, inner in properties.items():
        _schema(inner, function, f"{place}.{name}")
    if schema.get("items"):
        _schema(schema["items"], function, f"{place}.items")
    for inner in schema.get("anyOf") or []:
        _schema(inner, function, f"{place}.any_of")


def _refused(message: str) -> Refused:
    return Refused(400, message)
