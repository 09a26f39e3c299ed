"""What the errors of OpenAI's batch API and of its imitators are about, by their codes and words.

    no room         the same job is taken at a later time
      a limit         of what may be enqueued: a smaller job may be taken at once
      no credit       the account is to be paid for first
    a file unseen   the input was uploaded a moment ago, and is not shown everywhere yet

Used for a refused creation, for a job that failed after it was accepted, and for rows of results;
makes the verdicts by which the story of a job acts (`judged`, `failure_of`), so that it need not
know these words. Pure. What is searched is a stranger's text: bounded, and no pattern reads it more
than once or so.
"""

import re
from collections.abc import Sequence
from typing import Final

from batchway.dialects.openai.error import NO_CREDIT
from batchway.domain.batch import BatchError
from batchway.domain.remote import Cause, EnqueuedLimit, Failed, RemoteError, Trouble

_MOST_TEXT: Final = 1_000

# Troubles in which nothing was done, as far as the provider's answer goes.
_NOTHING_DONE: Final = frozenset({Trouble.BUSY, Trouble.REFUSED, Trouble.DENIED, Trouble.NOT_FOUND})

_LIMIT_CODES: Final = frozenset(
    {
        "token_limit_exceeded",
        "request_limit_exceeded",
        "enqueued_token_limit_exceeded",
        "enqueuedtokensexceeded",
        "enqueued_tokens_exceeded",
        "enqueuedtokenlimitexceeded",
        "tokenlimitexceeded",
        "requestlimitexceeded",
    }
)
_NO_ROOM_CODES: Final = frozenset(
    {
        *NO_CREDIT,
        *_LIMIT_CODES,
        "batch_limit_exceeded",
        "rate_limit_exceeded",
        "quota_exceeded",
        "too_many_requests",
        "too_many_batches",
    }
)
_ENQUEUED: Final = re.compile(r"enqueued (?:token|request)s?\b", re.IGNORECASE)
_BEYOND: Final = re.compile(r"limit|surpassed|exceed", re.IGNORECASE)
_NO_ROOM: Final = re.compile(
    r"(?:number of|too many) enqueued"
    r"|rate limit"
    r"|quota (?:has been |was |is )?(?:exceeded|reached)"
    r"|too many (?:batches|batch jobs|active|running|concurrent)"
    r"|try again once\b"
    r"|(?:limit|quota|capacity|busy|overload)\b.{0,200}try again",
    re.IGNORECASE | re.DOTALL,
)
# "Limit: 90,000 enqueued tokens", "the configured limit of 30K", "limit (90000)".
_NUMBER: Final = re.compile(
    r"\b(?:limit|maximum|max)\b\s{0,3}(?:of|is|was|at|=|:|\()?\s{0,3}"
    r"([0-9][0-9,_. ]{0,20}[0-9]|[0-9])\s?([KMB])?\b",
    re.IGNORECASE,
)
_SCALE: Final = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_FILE_UNSEEN: Final = re.compile(
    r"(?:cannot|can't|can not|could not|couldn't|unable to) (?:find|locate)\b.{0,60}\bfile\b"
    r"|\bno such file\b"
    r"|\bno file (?:was )?found\b"
    r"|\bfile\b.{0,120}(?:not found|not exist|doesn't exist|not be found|cannot be found)"
    r"|\bfile[-_][\w-]{4,80}\b.{0,60}(?:not found|does not exist|doesn't exist)",
    re.IGNORECASE | re.DOTALL,
)


def judged(error: RemoteError) -> RemoteError:
    """The error of a call, with what its words say beyond its status."""
    credit = means_no_credit(error.code, error.status)
    no_room = error.trouble in _NOTHING_DONE and means_no_room(error.code, error.message)
    if not credit and not no_room:
        return error
    return RemoteError(
        Trouble.NO_ROOM if no_room else error.trouble,
        error.message,
        code=error.code,
        param=error.param,
        line=error.line,
        status=error.status,
        retry_after=error.retry_after,
        limit=enqueued_limit(error.code, error.message) if no_room else None,
        credit=credit,
    )


def failure_of(errors: Sequence[BatchError]) -> Failed:
    """Why a job failed, by all that its provider gave."""
    for error in errors:
        if means_no_room(error.code, error.message):
            return Failed(
                cause=Cause.NO_ROOM,
                error=error,
                limit=enqueued_limit(error.code, error.message),
                credit=means_no_credit(error.code),
            )
    for error in errors:
        if means_file_unseen(error.message):
            return Failed(cause=Cause.UNSEEN, error=error)
    return Failed(cause=Cause.REFUSED, error=errors[0] if errors else None)


def means_no_room(code: str | None, message: str) -> bool:
    """Whether a provider's error says that it would take the same job at a later time."""
    if (code or "").lower() in _NO_ROOM_CODES:
        return True
    said = message[:_MOST_TEXT]
    return _is_enqueued(said) or _NO_ROOM.search(said) is not None


def means_no_credit(code: str | None, status: int | None = None) -> bool:
    """Whether the account is out of credit, or at a limit that it has set itself."""
    return status == 402 or (code or "").lower() in NO_CREDIT


def enqueued_limit(code: str | None, message: str) -> EnqueuedLimit | None:
    """The limit of what may be enqueued that a job went over; `None` for any other error."""
    if means_no_credit(code):
        return None
    said = message[:_MOST_TEXT]
    if (code or "").lower() not in _LIMIT_CODES and not _is_enqueued(said):
        return None
    found = _NUMBER.search(said)
    number = None if found is None else _value(found[1], found[2])
    if not number:
        return EnqueuedLimit()
    if re.search(r"\brequests?\b", said, re.IGNORECASE) and "token" not in said.lower():
        return EnqueuedLimit(requests=number)
    return EnqueuedLimit(tokens=number)


def means_file_unseen(message: str) -> bool:
    """Whether the input's file is said not to exist."""
    return _FILE_UNSEEN.search(message[:_MOST_TEXT]) is not None


def _is_enqueued(said: str) -> bool:
    enqueued = _ENQUEUED.search(said)
    return enqueued is not None and _BEYOND.search(said, enqueued.end()) is not None


def _value(digits: str, scale: str | None) -> int | None:
    scaled = (scale or "").lower()
    if scaled and re.fullmatch(r"[0-9]{1,6}\.[0-9]{1,3}", digits):
        return int(float(digits) * _SCALE[scaled])
    plain = re.sub(r"[,_. ]", "", digits)
    return int(plain) * _SCALE[scaled] if len(plain) <= 15 else None
