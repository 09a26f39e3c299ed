"""What an error of Google's APIs says: `google.rpc.Status` as JSON.

    {"error": {"code": 429, "message": ..., "status": "RESOURCE_EXHAUSTED", "details": [...]}}
    [{"error": {...}}]                       the same from methods that stream, and some that do not

`details` may hold a `google.rpc.ErrorInfo`, whose `reason` is the most exact word there is. Owns
which words tell of the account, its billing or the model. Source of the form and of the reasons:
https://cloud.google.com/apis/design/errors and google/api/error_reason.proto.
"""

import re
from typing import Final, cast

from batchway.dialects.answers.errors import error_body
from batchway.dialects.tolerant_json import json_in, object_or_none
from batchway.ports.dialect import Refused

_NO_ANSWER: Final = 502
_MOST_MESSAGE: Final = 1_000
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

# Of `google.api.ErrorReason`: what is wrong with the project, its billing, or who is calling.
_NO_CREDIT: Final = frozenset({"BILLING_DISABLED", "SPENDING_CAP_EXCEEDED"})
_OF_ACCOUNT: Final = _NO_CREDIT | {
    "ACCESS_TOKEN_EXPIRED",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED",
    "ACCOUNT_STATE_INVALID",
    "API_KEY_INVALID",
    "API_KEY_SERVICE_BLOCKED",
    "CONSUMER_INVALID",
    "CONSUMER_SUSPENDED",
    "CREDENTIALS_MISSING",
    "SERVICE_DISABLED",
    "SERVICE_NOT_VISIBLE",
    "USER_PROJECT_DENIED",
}
_BILLING: Final = re.compile(r"billing (?:is |to be |account)|requires billing", re.IGNORECASE)
# "Publisher Model `projects/...` was not found or your project does not have access to it", "... is
# not servable in region ...", "Project ... is not allowed to use Publisher Model ...".
_MODEL: Final = re.compile(r"publisher ?model", re.IGNORECASE)
# A file that a line names, which the account may not read: the next line may name another.
_FILE: Final = re.compile(r"storage\.objects|gs://", re.IGNORECASE)


def refused(status: int, body: bytes) -> Refused:
    """What an error says, also where it is no JSON. A 2xx stands for the code within it, or 502."""
    error = _error_in(json_in(body))
    word, reason = _word(error.get("status")), _reason(error.get("details"))
    message = _text(error.get("message"))[:_MOST_MESSAGE]
    if 200 <= status < 300:
        code = error.get("code")
        status = code if isinstance(code, int) and 400 <= code <= 599 else _NO_ANSWER
    denied = status == 403 or word == "PERMISSION_DENIED"
    no_credit = reason in _NO_CREDIT or (denied and _BILLING.search(message) is not None)
    of_model = 400 <= status < 500 and not no_credit and _MODEL.search(message) is not None
    of_line = of_model or _FILE.search(message) is not None
    return Refused(
        status=status,
        code=reason or word,
        kind=word,
        message=message,
        of_account=(
            reason in _OF_ACCOUNT
            or status == 401
            or word == "UNAUTHENTICATED"
            or no_credit
            or (denied and not of_line)
        ),
        body=error_body(status, message, code=reason or word),
        no_credit=no_credit,
        of_model=of_model,
    )


def no_answer(message: str, *, code: str = "") -> Refused:
    """A 2xx that is neither an answer nor an error; `message` says what is missing in it.

    `code` is the provider's word for why, where it has one.
    """
    return Refused(
        status=_NO_ANSWER,
        code=_word(code),
        kind="",
        message=message,
        of_account=False,
        body=error_body(_NO_ANSWER, message, code=_word(code)),
    )


def _error_in(value: object) -> dict[str, object]:
    if isinstance(value, list) and value:
        value = cast("list[object]", value)[0]
    fields = object_or_none(value) or {}
    error = fields.get("error")
    if isinstance(error, str):
        return {"message": error}
    return object_or_none(error) or fields


def _reason(details: object) -> str:
    for detail in cast("list[object]", details) if isinstance(details, list) else ():
        reason = _word((object_or_none(detail) or {}).get("reason"))
        if reason:
            return reason
    return ""


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
