"""What a line that did not succeed at once has been through, and what it may end with.

Owns the shapes of an outcome and of an exchange that came to nothing, and the line's memory of
those: what each target gave it, and the best answer so far. Does not own decisions (`retry`) or
judgement (`lane`).
"""

from collections.abc import Sequence
from typing import Final, assert_never

import msgspec

from batchway.dispatch.fault import Fault, Heard, Setback, setback_of
from batchway.dispatch.gate import Gate
from batchway.dispatch.limits import MOST_ANSWER_BYTES
from batchway.dispatch.record import Record
from batchway.domain.batch import Usage
from batchway.domain.batch_errors import LineText
from batchway.ports import Failure, Result, Unfaithful

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


class Unsendable:
    """No request can be made of the line: as if an exchange had come to nothing."""

    __slots__ = ()


UNSENDABLE: Final = Unsendable()
Drawn = Heard | Failure | Unfaithful | Unsendable


class Nothing(msgspec.Struct, gc=False):
    """An exchange that brought no result.

    `answered` are the results of the line's bodies before the one that failed, earlier exchanges'
    at the same target included.
    """

    drawn: Drawn
    answered: Sequence[Result] = ()


class Course:
    """What a line that did not succeed at once has been through."""

    __slots__ = ("_answered", "_answered_at", "denied", "done_with", "last", "records", "text")

    def __init__(self, targets: int) -> None:
        self.records = [Record() for _ in range(targets)]
        self.done_with = 0  # a bit for each target
        self.denied = 0  # the same, of those that denied it since all of them had
        self.last: Answered | None = None  # the last HTTP answer other than a garbled 2xx
        self.text = Unanswered(code="", message="")
        self._answered: Sequence[Result] = ()
        self._answered_at = 0

    def answered_at(self, index: int) -> Sequence[Result]:
        """What bodies of the line were answered at a target since it last was at another."""
        return self._answered if index == self._answered_at else ()

    def take_down(
        self, nothing: Nothing, index: int, *, gate: Gate, now: float
    ) -> tuple[Setback, float | None]:
        """Note what a target gave; returns what it was and the wait that it asks for."""
        if len(nothing.answered) > len(self.answered_at(index)):
            # What fails now is another request than the one that failed before.
            self.records[index] = Record()
        self._answered, self._answered_at = nothing.answered, index
        drawn = nothing.drawn
        match drawn:
            case Unsendable():
                self.text = _unanswered(LineText.UNSENDABLE, provider=gate.provider)
                return Setback(fault=Fault.UNSENDABLE), None
            case Unfaithful():
                self.text = _unanswered(
                    LineText.UNFAITHFUL, provider=gate.provider, place=drawn.place, why=drawn.why
                )
                return Setback(fault=Fault.UNSENDABLE), None
            case Failure():
                self.text = _text_of(drawn, gate)
                return setback_of(drawn), None
            case Heard():
                return self._hear(drawn, gate, now)
            case _:
                assert_never(drawn)

    def _hear(self, heard: Heard, gate: Gate, now: float) -> tuple[Setback, float | None]:
        setback, answer, refused = setback_of(heard), heard.answer, heard.refused
        fault = setback.fault
        if refused is None:
            text = LineText.STREAMED if fault is Fault.STREAMED else LineText.NOT_JSON
            self.text = _unanswered(text, provider=gate.provider, status=answer.status)
            return setback, None
        self.last = Answered(
            status=refused.status,
            body=refused.body,
            request_id=heard.notes.request_id(answer),
            usage=_NO_USAGE,
            provider=gate.provider,
        )
        retry_after = None
        if fault is Fault.THROTTLED or fault is Fault.UNAVAILABLE:
            retry_after = heard.notes.retry_after(answer, now=now)
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
