"""What an error says in OpenAI's terms and those of the servers that speak its dialect.

    {"error": {"code": ..., "type": ..., "message": ...}}      OpenAI, Azure, most others
    {"error": "words"}                                         small servers
    {"object": "error", "code": 400, "message": ...}           vLLM, SGLang
    {"detail": ...}                                            FastAPI
    {"status": "failed", "error": {"code": "server_error"}}    Responses
    {"choices": [{"finish_reason": "error", "error": {...}}]}  OpenRouter

Owns two readings: the words of an error's body (`read_error`), and the status that a body which
came with a 2xx stands for (`status_within`): aggregators answer 200 before they know. Does not own
what a status means to a line (`dispatch.retry`).
"""

import re
from typing import Any, Final, cast

import msgspec

_MOST_CODE: Final = 64
_MOST_MESSAGE: Final = 1_000

# The status of an error that names none, and of an answer without any answer in it.
_UNSAID: Final = 500
NO_ANSWER: Final = 502

# Any of these is something to deliver: such a body is a result, whatever else it holds.
_RESULTS: Final = ("choices", "data", "output", "results", "embeddings", "usage")

_BY_WORD: Final = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "invalid_authentication": 401,
    "account_deactivated": 401,
    "unauthenticated": 401,
    "unauthorized": 401,
    "payment_required": 402,
    "insufficient_credits": 402,
    "insufficient_balance": 402,
    "insufficient_funds": 402,
    "billing_not_active": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "permission_denied_error": 403,
    "insufficient_permissions": 403,
    "forbidden": 403,
    "model_not_found": 404,
    "not_found": 404,
    "not_found_error": 404,
    "timeout": 408,
    "request_timeout": 408,
    "deadline_exceeded": 408,
    "vector_store_timeout": 408,
    "request_too_large": 413,
    "rate_limit": 429,
    "rate_limited": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached": 429,
    "too_many_requests": 429,
    "requests": 429,
    "tokens": 429,
    "resource_exhausted": 429,
    "insufficient_quota": 429,
    "quota_exceeded": 429,
    "billing_hard_limit_reached": 429,
    "throttling": 429,
    "throttled": 429,
    "slow_down": 429,
    "bad_request": 400,
    "bad_request_error": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "moderation_blocked": 400,
    "context_length_exceeded": 400,
    "unprocessable_entity": 422,
    "validation_error": 422,
    "not_implemented": 501,
    "bad_gateway": 502,
    "provider_error": 502,
    "unavailable": 503,
    "service_unavailable": 503,
    "model_overloaded": 503,
    "engine_overloaded": 503,
    "overloaded": 503,
    "overloaded_error": 529,
    "gateway_timeout": 504,
}
# How codes begin that say what is wrong with the request: asked again, it is refused again.
_REFUSING: Final = (
    "invalid_",
    "unsupported_",
    "missing_",
    "unknown_parameter",
    "image_",
    "empty_",
    "failed_to_download_image",
    "string_above_",
    "array_above_",
    "integer_above_",
    "integer_below_",
    "context_length",
    "context_window",
    "max_tokens",
    "prompt_too_long",
)

# Codes and types of an account that is to be paid for first, or was closed.
NO_CREDIT: Final = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_limit_reached",
        "insufficient_credits",
        "insufficient_balance",
        "insufficient_funds",
        "payment_required",
        "credit_balance_too_low",
        "exceeded_current_quota_error",
        "arrearage",
        "access_terminated",
    }
)
# All by which providers say that an account, not a request, is the matter.
_OF_THE_ACCOUNT: Final = NO_CREDIT | {
    "account_deactivated",
    "account_suspended",
    "organization_deactivated",
    "organization_restricted",
    "invalid_api_key",
    "invalid_authentication",
    "invalid_organization",
    "authentication_error",
    "incorrect_api_key",
    "api_key_expired",
    "unauthenticated",
    "unauthorized",
    "subscription_not_found",
}
# Of an account too, where a refusal has no code of its own.
_OF_THE_ACCOUNT_IN_WORDS: Final = re.compile(
    r"exceeded your current quota|credit balance is too low|insufficient (?:credit|balance|fund)"
    r"|billing (?:hard )?limit|(?:not |in)active subscription|incorrect api key|invalid api key"
    r"|account (?:is|has been) (?:deactivated|suspended|disabled)",
    re.IGNORECASE,
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD: Final = re.compile(r"[^a-z0-9]+")


class Said(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An error's own words; `code` and `kind` (its `type`) are empty where it has none."""

    code: str = ""
    kind: str = ""
    message: str = ""

    @property
    def no_credit(self) -> bool:
        """Whether its code or type says that the account has to be paid for first."""
        return _word(self.code) in NO_CREDIT or _word(self.kind) in NO_CREDIT

    @property
    def of_account(self) -> bool:
        """Whether it says that the account has no credit, no valid key, or was closed."""
        if _word(self.code) in _OF_THE_ACCOUNT or _word(self.kind) in _OF_THE_ACCOUNT:
            return True
        return _OF_THE_ACCOUNT_IN_WORDS.search(self.message) is not None


_NOTHING: Final = Said()


def read_error(body: bytes) -> Said:
    """The words of an error in any of the shapes; empty for none. Never raises."""
    fields = _fields(body)
    if fields is None:
        return _NOTHING
    return _said(_error_of(fields) or fields)


def status_within(body: bytes) -> int | None:
    """The status of the error that the body of a 2xx is; `None` when it is a result, or no JSON.

    An answer whose `choices` are empty is no answer either (`NO_ANSWER`).
    """
    fields = _fields(body)
    if fields is None:
        return None
    error = _error_of(fields)
    if error is not None:
        return _status_of(error, _UNSAID)
    if fields.get("object") == "response" and fields.get("status") == "failed":
        return _UNSAID
    if "choices" in fields:
        choices = fields["choices"]
        if not choices:
            return NO_ANSWER
        if isinstance(choices, list):
            return _status_of_choices(cast("list[object]", choices))
    return None


def as_status(value: object) -> int | None:
    """An HTTP status as a number, or as one in text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 100 <= value <= 599 else None


def _status_of_choices(choices: list[object]) -> int | None:
    """The status of an answer of which every choice broke off; a whole one is a result."""
    statuses: list[int] = []
    for choice in choices:
        if not isinstance(choice, dict):
            return None
        fields = cast("dict[str, object]", choice)
        error = fields.get("error")
        if not error and fields.get("finish_reason") != "error":
            return None
        statuses.append(_status_of(error, NO_ANSWER))
    return statuses[0]


def _error_of(fields: dict[str, object]) -> object | None:
    """What of an object is its error."""
    if error := fields.get("error"):
        return error
    if fields.get("object") == "error":
        return fields
    if any(fields.get(name) is not None for name in _RESULTS):
        return None
    if detail := fields.get("detail"):
        return {"code": 422} if isinstance(detail, list) else detail
    if isinstance(fields.get("message"), str) and _explicit(fields.get("code")) is not None:
        return fields
    return None


def _status_of(error: object, unsaid: int) -> int:
    if isinstance(error, list) and error:
        error = cast("list[object]", error)[0]
    if isinstance(error, str):
        return _by_word(error) or unsaid
    if not isinstance(error, dict):
        return unsaid
    fields = cast("dict[str, object]", error)
    names = ("code", "status", "status_code", "http_status", "type")
    for name in names:
        status = _explicit(fields.get(name))
        if status is not None:
            return status
    for name in names:
        value = fields.get(name)
        status = _by_word(value) if isinstance(value, str) else None
        if status is not None:
            return status
    return unsaid


def _explicit(value: object) -> int | None:
    status = as_status(value)
    return status if status is not None and status >= 400 else None


def _by_word(text: str) -> int | None:
    word = _word(text)
    found = _BY_WORD.get(word)
    if found is None and word.startswith(_REFUSING):
        return 400
    return found


def _word(text: str) -> str:
    """`RateLimitError`, `rate-limit-error` and `Rate limit error` as `rate_limit_error`."""
    return _NO_WORD.sub("_", _CAMEL.sub("_", text[:_MOST_CODE]).lower()).strip("_")


def _said(error: object) -> Said:
    if isinstance(error, list) and error:
        error = cast("list[object]", error)[0]
    if isinstance(error, str):
        return Said(message=error[:_MOST_MESSAGE])
    if not isinstance(error, dict):
        return _NOTHING
    fields = cast("dict[str, object]", error)
    message = fields.get("message")
    return Said(
        code=_text(fields.get("code")),
        kind=_text(fields.get("type")),
        message=message[:_MOST_MESSAGE] if isinstance(message, str) else "",
    )


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 64:
        return str(value)
    if not isinstance(value, str):
        return ""
    # Quoted in sentences and logs: a code, not a text.
    return value[:_MOST_CODE] if value.isascii() and value.isprintable() else ""


def _fields(body: bytes) -> dict[str, object] | None:
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return cast("dict[str, object]", found) if isinstance(found, dict) else None
