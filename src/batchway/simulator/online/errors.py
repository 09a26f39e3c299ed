"""Error answers in OpenAI's words, and Azure's where a path is Azure's.

Owns statuses and texts. Sources: live answers quoted in public issue trackers (openai-python,
openai-node, litellm), and https://platform.openai.com/docs/guides/error-codes.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

_INVALID: Final = "invalid_request_error"
_SERVER: Final = "server_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error answer: a status and the four members of OpenAI's error envelope."""

    status: int
    message: str
    type: str | None = _INVALID
    param: str | None = None
    code: str | None = None

    def body(self) -> bytes:
        """The envelope as JSON."""
        return msgspec.json.encode(
            {
                "error": {
                    "message": self.message,
                    "type": self.type,
                    "param": self.param,
                    "code": self.code,
                }
            }
        )


NOT_JSON: Final = Refusal(
    status=400,
    message="We could not parse the JSON body of your request. (HINT: This likely means you aren't "
    "using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent "
    "was not valid JSON.)",
)
MODEL_MISSING: Final = Refusal(status=400, message="you must provide a model parameter")
STREAMING: Final = Refusal(
    status=400,
    message="Streaming is not supported by this server.",
    param="stream",
    code="streaming_unsupported",
)
KEY_MISSING: Final = Refusal(status=401, message="Missing bearer or basic authentication in header")
KEY_WRONG: Final = Refusal(
    status=401,
    message="Incorrect API key provided. You can find your API key at "
    "https://platform.openai.com/account/api-keys.",
    code="invalid_api_key",
)
BODY_TOO_LARGE: Final = Refusal(status=413, message="Request body is too large.")
MALFORMED: Final = Refusal(status=400, message="The request is not valid HTTP/1.1.")
AZURE_NOT_FOUND: Final = b'{"error":{"code":"404","message":"Resource not found"}}'


def no_such_url(method: str, path: str) -> Refusal:
    """404 for a path that does not exist."""
    return Refusal(status=404, message=f"Invalid URL ({method} {path})")


def wrong_method(method: str, path: str) -> Refusal:
    """405 for a path that exists."""
    return Refusal(
        status=405,
        message=f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different "
        "HTTP method?)",
        code="method_not_supported",
    )


def no_such_model(model: str) -> Refusal:
    """404 for a model that is not among the configured ones."""
    return Refusal(
        status=404,
        message=f"The model `{model}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def missing(param: str) -> Refusal:
    """400 for a parameter that is not there."""
    return Refusal(
        status=400,
        message=f"Missing required parameter: '{param}'.",
        param=param,
        code="missing_required_parameter",
    )


def wrong_type(param: str, expected: str, got: str) -> Refusal:
    """400 for a parameter of another type."""
    return Refusal(
        status=400,
        message=f"Invalid type for '{param}': expected {expected}, but got {got} instead.",
        param=param,
        code="invalid_type",
    )


def empty_array(param: str) -> Refusal:
    """400 for a list without items."""
    return Refusal(
        status=400,
        message=f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got "
        "an empty array instead.",
        param=param,
        code="empty_array",
    )


def too_small(param: str, got: int) -> Refusal:
    """400 for a number below one."""
    return Refusal(
        status=400,
        message=f"Invalid '{param}': integer below minimum value. Expected a value >= 1, but got "
        f"{got} instead.",
        param=param,
        code="integer_below_min_value",
    )


def too_big(param: str, got: int, maximum: int) -> Refusal:
    """400 for a number above what the parameter allows."""
    return Refusal(
        status=400,
        message=f"Invalid '{param}': integer above maximum value. Expected a value <= {maximum}, "
        f"but got {got} instead.",
        param=param,
        code="integer_above_max_value",
    )


def by_chance(status: int, *, prompt_tokens: int) -> Refusal:
    """The error of a status that a dial or a marker asked for."""
    match status:
        case 400:
            return Refusal(
                status=400,
                message="This model's maximum context length is 128000 tokens. However, your "
                f"messages resulted in {128000 + prompt_tokens} tokens. Please reduce the length "
                "of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        case 401:
            return KEY_WRONG
        case 403:
            return Refusal(
                status=403,
                message="Country, region, or territory not supported",
                type="request_forbidden",
                code="unsupported_country_region_territory",
            )
        case 404:
            return no_such_model("simulated")
        case 408:
            return Refusal(status=408, message="Request timed out.", type="timeout")
        case 409:
            return Refusal(status=409, message="The resource is locked, try again.")
        case 429:
            return Refusal(
                status=429,
                message="Rate limit reached. Please try again later.",
                type="requests",
                code="rate_limit_exceeded",
            )
        case 500:
            return Refusal(
                status=500,
                message="The server had an error while processing your request. Sorry about that!",
                type=_SERVER,
            )
        case 503:
            return Refusal(
                status=503,
                message="The engine is currently overloaded, please try again later",
                type=_SERVER,
                code="service_unavailable",
            )
        case _ if status < 500:
            return Refusal(status=status, message=f"The request was refused with {status}.")
        case _:
            return Refusal(status=status, message=f"The server failed with {status}.", type=_SERVER)
