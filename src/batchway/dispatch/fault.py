"""What an exchange without a result was: its class, and what of it may be told.

    fault         what it is                                          whose it may be
    REJECTED      304, any 4xx not below, 501, 505                    the line's
    ACCOUNT       401, 402, 407, a redirect; any 4xx whose words      the account's
                  say: no credit, no valid key, closed
    DENIED        403, 404, 405, 410                                  the account's; the line's only
                                                                      if others are answered
    THROTTLED     429                                                 nobody's
    UNAVAILABLE   502, 503, 504, 52x                                  the target's
    BROKEN        408, 409, every other 5xx                           the target's or the line's
    GARBAGE       2xx whose body is not JSON                          the target's or the line's
    TIMEOUT       sent, no answer in time                             the target's or the line's
    INTERRUPTED   the connection broke                                the target's or the line's
    UNREACHABLE   nothing was sent                                    the target's
    NO_DESCRIPTORS  nothing could be sent: our own lack               ours
    TOO_LARGE     the answer passed the limit                         the line's
    STREAMED      2xx, an event stream that nobody asked for          the target's, for ever
    UNSENDABLE    no request can be made of the line, or no faithful  the line's
                  one in the target's dialect

A 2xx whose body is an error counts as that error: the dialect says which (`ports.Refused`).

Owns the classes. Does not own what follows from one (`retry`), nor who is to blame (`lane`).
"""

import re
from enum import Enum
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from batchway.domain.http_status import REDIRECTS
from batchway.ports import Answer, Failure, Notes, Refused

_MOST_TEXT: Final = 300


class Fault(Enum):
    """Why an exchange brought no result."""

    REJECTED = "rejected"
    ACCOUNT = "account"
    DENIED = "denied"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"
    GARBAGE = "garbage"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    UNREACHABLE = "unreachable"
    NO_DESCRIPTORS = "no_descriptors"
    TOO_LARGE = "too_large"
    STREAMED = "streamed"
    UNSENDABLE = "unsendable"


DENIALS: Final = frozenset({Fault.ACCOUNT, Fault.DENIED})

# Somebody is at home: nothing of these says that a target is down.
SIGNS_OF_LIFE: Final = frozenset({Fault.REJECTED, Fault.TOO_LARGE, Fault.STREAMED})

# A line may cause these by itself, again and again.
LINE_MAY_BE_THE_CAUSE: Final = frozenset(
    {Fault.DENIED, Fault.BROKEN, Fault.GARBAGE, Fault.TIMEOUT, Fault.INTERRUPTED}
)

_STATUS: Final = {
    **dict.fromkeys(REDIRECTS, Fault.ACCOUNT),
    401: Fault.ACCOUNT,
    402: Fault.ACCOUNT,
    403: Fault.DENIED,
    404: Fault.DENIED,
    405: Fault.DENIED,
    407: Fault.ACCOUNT,
    408: Fault.BROKEN,
    409: Fault.BROKEN,
    410: Fault.DENIED,
    429: Fault.THROTTLED,
    501: Fault.REJECTED,
    502: Fault.UNAVAILABLE,
    503: Fault.UNAVAILABLE,
    504: Fault.UNAVAILABLE,
    505: Fault.REJECTED,
    # Cloudflare's and its like: the origin behind it is away.
    **dict.fromkeys(range(520, 531), Fault.UNAVAILABLE),
}
_FAILURE: Final = {
    Failure.UNREACHABLE: Fault.UNREACHABLE,
    Failure.NO_DESCRIPTORS: Fault.NO_DESCRIPTORS,
    Failure.TIMEOUT: Fault.TIMEOUT,
    Failure.INTERRUPTED: Fault.INTERRUPTED,
    Failure.TOO_LARGE: Fault.TOO_LARGE,
}

# What differs from one line to the next in the same refusal: ids, numbers, what was quoted.
_OF_ONE_LINE: Final = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\b[0-9a-fA-F-]{8,}\b|\w*\d\w*")
_SPACE: Final = re.compile(r"\s+")


class Setback(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange without a result.

    `status` is that of the answer, `code` the provider's own word for it, ready to be quoted.
    `text` is what the same mistake would say of any line; empty where nothing follows from it.
    `advice` is what can be done about it, a clause, where the account knows better than the status.
    """

    fault: Fault
    status: int | None = None
    code: str = ""
    text: str = ""
    advice: str = ""

    @property
    def told(self) -> str:
        """Status and code, as a sentence quotes them; empty for an exchange without an answer."""
        return " ".join(str(part) for part in (self.status, self.code) if part)


def fault_of(drawn: int | Failure) -> Fault:
    """The fault that a status (one whose answer is no result) or a failure stands for."""
    if isinstance(drawn, Failure):
        return _FAILURE[drawn]
    fault = _STATUS.get(drawn)
    if fault is not None:
        return fault
    if 200 <= drawn < 300:
        return Fault.GARBAGE
    return Fault.BROKEN if drawn >= 500 else Fault.REJECTED


class Heard(msgspec.Struct, frozen=True, gc=False):
    """An HTTP answer that is no result: an error as the dialect reads it, or `None` for no JSON."""

    answer: Answer
    refused: Refused | None
    notes: Notes


def setback_of(drawn: Heard | Failure) -> Setback:
    """What an answer that is no result, or a failure, was."""
    if isinstance(drawn, Failure):
        return Setback(fault=fault_of(drawn))
    answer, refused = drawn.answer, drawn.refused
    if refused is None:
        kind = (answer.header("content-type") or "").lower()
        streamed = kind.startswith("text/event-stream")
        return Setback(fault=Fault.STREAMED if streamed else Fault.GARBAGE, status=answer.status)
    status = refused.status
    fault = fault_of(status)
    if status in REDIRECTS:
        return Setback(fault=fault, status=status, code=_destination(answer.header("location")))
    if 400 <= status < 500 and refused.of_account:
        fault = Fault.ACCOUNT
    text = _common(refused, answer.body) if fault is Fault.BROKEN and status >= 500 else ""
    return Setback(fault=fault, status=status, code=refused.short, text=text, advice=refused.advice)


def _destination(location: str | None) -> str:
    """Where a redirect leads, without what may be a secret in the address."""
    if not location:
        return "nowhere"
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    place = urlunsplit((parts.scheme, host, parts.path, "", "")) if host else parts.path
    return place[:_MOST_TEXT]


def _common(refused: Refused, body: bytes) -> str:
    """What an answer has in common with the same answer to another line."""
    text = refused.message or body[: 4 * _MOST_TEXT].decode("utf-8", "replace")
    text = _SPACE.sub(" ", _OF_ONE_LINE.sub("#", text)).strip()
    return f"{refused.status} {refused.code} {refused.kind} {text[:_MOST_TEXT]}"
