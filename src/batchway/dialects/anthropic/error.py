"""What an error of Anthropic's says.

    {"type": "error", "error": {"type": ..., "message": ...}, "request_id": ...}

Owns which words tell of the account, its credit or the model. What a platform before the model says
in its own way, the platform's account reads (`providers.google.account`). Sources:
https://platform.claude.com/docs/en/api/errors, `anthropic.types.shared` (SDK 2.14).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from batchway.dialects.answers.errors import error_body
from batchway.dialects.tolerant_json import json_in, object_or_none
from batchway.ports.dialect import Refused

_UNSAID: Final = 500
_NO_ANSWER: Final = 502
_MOST_MESSAGE: Final = 1_000
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_STATUSES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_NO_CREDIT: Final = frozenset(
    {
        "billing_error",
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "linked_organization_spend_limit_reached",
    }
)
_OF_ACCOUNT: Final = _NO_CREDIT | {"authentication_error", "organization_on_hold"}
_DENIED: Final = "permission_error"
# "Your credit balance is too low to access the Anthropic API", with a 400.
_CREDIT: Final = re.compile(r"credit balance is too low|specified API usage limits", re.IGNORECASE)
_NO_MODEL: Final = re.compile(r"model: ")  # the whole message but for the name


def refused(status: int, body: bytes) -> Refused:
    """What an error says, also where it is no JSON. A 2xx stands for the status it names."""
    outer, error = _error_in(json_in(body))
    kind = _word(error.get("type"))
    code = _word((object_or_none(error.get("details")) or {}).get("error_code")) or kind
    message = error.get("message", error.get("Message"))  # Bedrock has either
    message = message[:_MOST_MESSAGE] if isinstance(message, str) else ""
    if 200 <= status < 300:
        status = _STATUSES.get(kind, _UNSAID)
    client = 400 <= status < 500
    no_credit = (
        code in _NO_CREDIT
        or status == 402
        or (client and status != 429 and _CREDIT.search(message) is not None)
    )
    of_model = client and kind == "not_found_error" and _NO_MODEL.match(message) is not None
    return Refused(
        status=status,
        code=code,
        kind=kind,
        message=message,
        of_account=(
            no_credit
            or code in _OF_ACCOUNT
            or kind in _OF_ACCOUNT
            or status in (401, 403)
            or kind == _DENIED
        ),
        body=error_body(status, _with_request(message, outer), code=code),
        no_credit=no_credit,
        of_model=of_model,
    )


def no_answer() -> Refused:
    """A 2xx that is neither a message nor an error."""
    message = "The provider's answer holds no message."
    return Refused(
        status=_NO_ANSWER,
        code="",
        kind="",
        message=message,
        of_account=False,
        body=error_body(_NO_ANSWER, message),
    )


def is_error(value: dict[str, Any]) -> bool:
    """Whether a 2xx is an error for all its status."""
    return value.get("type") == "error" or isinstance(value.get("error"), dict)


def _error_in(value: object) -> tuple[dict[str, Any], dict[str, Any]]:
    outer = object_or_none(value) or {}
    error = outer.get("error")
    if isinstance(error, str):
        return outer, {"message": error}
    return outer, object_or_none(error) or outer


def _with_request(message: str, outer: dict[str, Any]) -> str:
    """The message with the id that Anthropic's support asks for."""
    request = _word(outer.get("request_id"))
    return f"{message} (request {request})" if request and message else message


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
