"""What Google's errors say.

    {"error": {"code": 429, "message": "...", "status": "RESOURCE_EXHAUSTED", "details": [...]}}

or a list of one of those, or text. Owns which of them tell of the account, of its bill, or of the
model. Never raises. Pure. Source: https://google.aip.dev/193
"""

from typing import Any, Final, cast

from batchway.dialects.answers.errors import error_body, type_of
from batchway.dialects.tolerant_json import json_in, object_or_none
from batchway.ports.dialect import Refused

_MOST_TEXT: Final = 1_000
_MOST_CODE: Final = 64

_OF_ACCOUNT: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
# Reasons of google.rpc.ErrorInfo: https://cloud.google.com/apis/design/errors, `ErrorReason`.
_REASONS_OF_ACCOUNT: Final = frozenset(
    [
        "SERVICE_DISABLED",
        "BILLING_DISABLED",
        "API_KEY_INVALID",
        "API_KEY_SERVICE_BLOCKED",
        "API_KEY_HTTP_REFERRER_BLOCKED",
        "API_KEY_IP_ADDRESS_BLOCKED",
        "CONSUMER_SUSPENDED",
        "CONSUMER_INVALID",
        "ACCESS_TOKEN_EXPIRED",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "ACCOUNT_STATE_INVALID",
        "IAM_PERMISSION_DENIED",
        "CREDENTIALS_MISSING",
        "USER_PROJECT_DENIED",
        "SECURITY_POLICY_VIOLATED",
        "ORG_RESTRICTION_VIOLATION",
    ]
)
# A line may name a file that this account may not read: that is about the line.
_OF_LINE: Final = ("storage.objects", "gs://", "storage.googleapis.com")
_MODEL: Final = ("publisher model", "publishermodel", "publishers/")


def read_error(status: int, body: bytes) -> Refused:
    """The refusal that an answer other than 2xx is."""
    error = _error_in(body)
    message = _text(error.get("message")) or _excerpt(body)
    word = _word(error.get("status"))
    reason = _reason(error.get("details"))
    lower = message.lower()
    no_credit = reason == "BILLING_DISABLED" or (word == "PERMISSION_DENIED" and "billing" in lower)
    of_account = (
        status in (401, 403) or word in _OF_ACCOUNT or reason in _REASONS_OF_ACCOUNT
    ) and not any(sign in lower for sign in _OF_LINE)
    of_model = status == 404 and any(sign in lower for sign in _MODEL)
    return refused(
        status,
        word or reason,
        message,
        of_account=of_account and not of_model,
        no_credit=no_credit,
        of_model=of_model,
    )


def refused(
    status: int,
    code: str,
    message: str,
    *,
    of_account: bool = False,
    no_credit: bool = False,
    of_model: bool = False,
) -> Refused:
    """A refusal in OpenAI's shape, of the provider's words."""
    code = code[:_MOST_CODE] if code.isascii() and code.isprintable() else ""
    return Refused(
        status=status,
        code=code,
        kind=type_of(status),
        message=message[:_MOST_TEXT],
        of_account=of_account,
        body=error_body(status, message, code=code),
        no_credit=no_credit,
        of_model=of_model,
    )


def status_within(body: bytes) -> int | None:
    """The status of the error that the body of a 2xx is; `None` if it is none."""
    error = _error_in(body)
    code = error.get("code")
    if not error:
        return None
    return code if isinstance(code, int) and 400 <= code <= 599 else 500


def _error_in(body: bytes) -> dict[str, Any]:
    value = json_in(body)
    if isinstance(value, list) and value:
        value = cast("list[object]", value)[0]
    fields = object_or_none(value) or {}
    return object_or_none(fields.get("error")) or {}


def _reason(details: object) -> str:
    """The reason of the first detail that has one."""
    for detail in cast("list[object]", details) if isinstance(details, list) else []:
        reason = (object_or_none(detail) or {}).get("reason")
        if reason:
            return _word(reason)
    return ""


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _excerpt(body: bytes) -> str:
    return body[:_MOST_TEXT].decode("utf-8", "ignore").strip()
