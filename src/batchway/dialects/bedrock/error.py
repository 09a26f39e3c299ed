"""What an error of bedrock-runtime's says: `{"message": ...}`, or `{"Message": ...}`.

Models of OpenAI's form may say it in OpenAI's, `{"error": {"message": ...}}`.

Which exception it is stands in a header, and what it tells of the account is the account's to read
(`providers.aws`). Source:
https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
"""

import re
from typing import Final

from batchway.dialects.answers.errors import error_body
from batchway.dialects.tolerant_json import object_in, object_or_none
from batchway.ports.dialect import Refused

_NO_ANSWER: Final = 502
_MOST_MESSAGE: Final = 1_000
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def refused(status: int, body: bytes) -> Refused:
    """An error of a status that is no 2xx, also where its body is no JSON."""
    fields = object_in(body) or {}
    fields = object_or_none(fields.get("error")) or fields
    message = fields.get("message", fields.get("Message"))
    return _error(
        status,
        message[:_MOST_MESSAGE] if isinstance(message, str) else "",
        of_account=status in (401, 403),
    )


def no_answer(message: str, *, code: str = "") -> Refused:
    """A 2xx that answers nothing."""
    return _error(_NO_ANSWER, message, code=code if _WORD.fullmatch(code) else "")


def _error(status: int, message: str, *, code: str = "", of_account: bool = False) -> Refused:
    return Refused(
        status=status,
        code=code,
        kind="",
        message=message,
        of_account=of_account,
        body=error_body(status, message, code=code),
    )
