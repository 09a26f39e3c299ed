"""What a line that did not succeed at once has been through, and what it may end with.

Owns the shapes of an outcome and of an exchange that came to nothing, and the line's memory of
those: what each target gave it, and the best answer so far. Does not own decisions (`retry`) or
judgement (`lane`).
"""

from typing import Final, assert_never

import msgspec

from batchway.dialects.openai.answer import error_body
from batchway.dispatch.fault import Fault, Setback, setback_of
from batchway.dispatch.gate import Gate
from batchway.dispatch.limits import MOST_ANSWER_BYTES
from batchway.dispatch.record import Record
from batchway.domain.batch import Usage
from batchway.domain.batch_errors import LineText
from batchway.domain.retry_after import retry_after_of
from batchway.ports import Answer, Failure

_NO_USAGE: Final = Usage()


class Answered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The line drew an HTTP answer; `body` is JSON in one line, `request_id` the upstream's own."""

    status: int
    body: bytes
    request_id: str | None
    usage: Usage
    provider: str

    @property
    def ok(self) -> bool:
        """Whether the answer is a 2xx."""
        return 200 <= self.status < 300


class Unanswered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The line never drew an HTTP answer that could be its result: a row of `LineText`."""

    code: str
    message: str


Outcome = Answered | Unanswered


class Told:
    """An answer whose body is an error: as if it had come with that error's status."""

    __slots__ = ("_answer", "body", "status")

    def __init__(self, answer: Answer, status: int) -> None:
        self._answer = answer
        self.body = answer.body
        self.status = status

    def header(self, name: str) -> str | None:
        """A header of the answer."""
        return self._answer.header(name)


class Unsendable:
    """No request can be made of the line: as if an exchange had come to nothing."""

    __slots__ = ()


UNSENDABLE: Final = Unsendable()
Drawn = Answer | Failure | Unsendable


class Nothing(msgspec.Struct, gc=False):
    """An exchange that brought no result."""

    drawn: Drawn


class Course:
    """What a line that did not succeed at once has been through."""

    __slots__ = ("denied", "done_with", "last", "records", "text")

    def __init__(self, targets: int) -> None:
        self.records = [Record() for _ in range(targets)]
        self.done_with = 0  # a bit for each target
        self.denied = 0  # the same, of those that denied it since all of them had
        self.last: Answered | None = None  # the last HTTP answer other than a garbled 2xx
        self.text = Unanswered(code="", message="")

    def take_down(self, drawn: Drawn, *, gate: Gate, now: float) -> tuple[Setback, float | None]:
        """Note what was drawn; returns what it was and the wait that it asks for."""
        if isinstance(drawn, Unsendable):
            self.text = _unanswered(LineText.UNSENDABLE, provider=gate.provider)
            return Setback(fault=Fault.UNSENDABLE), None
        setback = setback_of(drawn)
        if isinstance(drawn, Failure):
            self.text = _text_of(drawn, gate)
            return setback, None
        status, fault = drawn.status, setback.fault
        if fault is Fault.GARBAGE or fault is Fault.STREAMED:
            text = LineText.NOT_JSON if fault is Fault.GARBAGE else LineText.STREAMED
            self.text = _unanswered(text, provider=gate.provider, status=status)
            return setback, None
        self.last = Answered(
            status=status,
            body=error_body(status, drawn.body),
            request_id=drawn.header("x-request-id"),
            usage=_NO_USAGE,
            provider=gate.provider,
        )
        retry_after = None
        if fault is Fault.THROTTLED or fault is Fault.UNAVAILABLE:
            retry_after = retry_after_of(drawn.header, now=now)
        return setback, retry_after


def _unanswered(text: LineText, **blanks: object) -> Unanswered:
    code, message = text.pair(**blanks)
    return Unanswered(code=code, message=message)


def _text_of(failure: Failure, gate: Gate) -> Unanswered:
    match failure:
        case Failure.UNREACHABLE:
            return _unanswered(LineText.UNREACHABLE, provider=gate.provider)
        case Failure.NO_DESCRIPTORS:
            return _unanswered(LineText.NO_DESCRIPTORS)
        case Failure.TIMEOUT:
            return _unanswered(LineText.TIMEOUT, seconds=f"{gate.limits.timeout:g}")
        case Failure.INTERRUPTED:
            return _unanswered(LineText.INTERRUPTED, provider=gate.provider)
        case Failure.TOO_LARGE:
            return _unanswered(LineText.TOO_LARGE, provider=gate.provider, limit=MOST_ANSWER_BYTES)
        case _:
            assert_never(failure)
