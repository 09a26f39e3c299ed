"""Whether a body is one that OpenAI would accept, as far as the simulator reads it.

Owns the checks and their order. The words are in `errors`.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from batchway.simulator.online import errors
from batchway.simulator.online.endpoints import Endpoint
from batchway.simulator.online.errors import Refusal

_CONTENT: Final = {
    Endpoint.CHAT: "messages",
    Endpoint.COMPLETIONS: "prompt",
    Endpoint.EMBEDDINGS: "input",
    Endpoint.MODERATIONS: "input",
    Endpoint.RESPONSES: "input",
}
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a boolean"),
    (str, "a string"),
    (int, "an integer"),
    (float, "a decimal"),
    (list, "an array"),
    (dict, "an object"),
)
# What keeps one request from holding the event loop for seconds.
_MAXIMA: Final = {
    "max_tokens": None,
    "max_completion_tokens": None,
    "max_output_tokens": None,
    "n": 128,
    "dimensions": 4096,
}


def refuse(endpoint: Endpoint, body: object, *, model_in_path: bool) -> Refusal | None:
    """Say why a body is refused, or None when it is fit to be answered."""
    if not isinstance(body, dict):
        return errors.NOT_JSON
    fields = cast("dict[str, Any]", body)
    model = fields.get("model")
    if not model_in_path:
        if model is None and endpoint is not Endpoint.MODERATIONS:
            return errors.MODEL_MISSING
        if model is not None and not isinstance(model, str):
            return errors.wrong_type("model", "a string", _kind(model))
    if fields.get("stream"):
        return errors.STREAMING
    return _content(endpoint, fields) or _numbers(fields)


def _content(endpoint: Endpoint, fields: Mapping[str, Any]) -> Refusal | None:
    name = _CONTENT[endpoint]
    value = fields.get(name)
    if value is None:
        return errors.missing(name)
    if value == []:
        return errors.empty_array(name)
    if endpoint is Endpoint.CHAT:
        return _messages(value)
    if not isinstance(value, str | list):
        return errors.wrong_type(name, "one of a string or array", _kind(value))
    return None


def _messages(value: object) -> Refusal | None:
    if not isinstance(value, list):
        return errors.wrong_type("messages", "an array of objects", _kind(value))
    for index, message in enumerate(cast("list[object]", value)):
        if not isinstance(message, dict):
            return errors.wrong_type(f"messages[{index}]", "an object", _kind(message))
        if "role" not in message:
            return errors.missing(f"messages[{index}].role")
    return None


def _numbers(fields: Mapping[str, Any]) -> Refusal | None:
    for name, maximum in _MAXIMA.items():
        value = fields.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            return errors.wrong_type(name, "an integer", _kind(value))
        if value < 1:
            return errors.too_small(name, value)
        if maximum is not None and value > maximum:
            return errors.too_big(name, value, maximum)
    return None


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")
