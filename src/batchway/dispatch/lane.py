"""The lines of one endpoint at one target: may they be sent, and what is to blame when they fail?

                     nothing but failures                    well again by its health
    every line well ----------------------> down, denied  <---------------------------+
          ^                                      |                                     |
          |  an answer                           | it is well, and gives the same      | it is ill
          +--------------------------------------+ 500 to different lines for long     |
          |                                      v                                     |
          +-------------------------------- the verdict: believed, delivered ----------+

A failure is a line's own fault only by proof: another line, sent after this one had failed, was
answered. Where only a few lines are left and no other can be the proof, the target's health is:
`Look`. What is about the account, or about every line, is waited for.

Owns that judgement and one log line for each change of state. Does not own pauses and probes
(`circuit`), what is done to a line (`retry`), order and slots (`gate`), or the look itself
(`health`). Times are in monotonic seconds.
"""

import math
from collections.abc import Hashable
from typing import Final

from batchway.dispatch.circuit import MOST_PAUSE, Circuit
from batchway.dispatch.fault import DENIALS, SIGNS_OF_LIFE, Fault, Setback
from batchway.dispatch.lane_log import LaneLog
from batchway.dispatch.looks import Look, Looks
from batchway.dispatch.record import Record
from batchway.dispatch.same_answer import SameAnswer

# So many lines, left alone, may all be bad by themselves; more of them are an outage.
FEW: Final = 5
# Of lines that were answered: so many more can be bad by chance, after `_LONG_LOOK`.
_FEW_OF_MANY: Final = 20

# For how long a target must have been well by its health before the lines are what is wrong.
_SHORT_LOOK: Final = 10.0
_LONG_LOOK: Final = 15 * 60.0
# Health is often told by a proxy; what serves the model may still be away behind it.
_UNAVAILABLE_LOOK: Final = 5 * 60.0
# Where every look is answered with a plain 500, as some servers answer what they do not know.
_FAINT_LOOK: Final = 30.0

# Others were answered so often between its denials: once may be the last answer before a key ends.
_PROOFS: Final = 2
# One of the last few lines draws the same denial so often, for so long, while the credentials are
# good, before it is believed to be its own: soon if others were answered meanwhile, later if none
# were. A model that is gone is rarer than a permission that is.
_OWN_DENIALS: Final = 3
_OWN_AFTER_PROOF: Final = 2.0
_OWN_MISSING: Final = 20.0
_OWN_FORBIDDEN: Final = 60.0
_ADMITTED_LATELY: Final = 30.0

# One of the last few lines is refused as coming too fast so often, for longer than the minute that
# rates are counted in, although others were answered since it first was: it is its own. More of
# them, but few of all, after `_LONG_LOOK`. Aggregators say so of a model that chokes on one prompt.
_OWN_REFUSALS: Final = 4
_OWN_REFUSED: Final = 90.0

# The longest pause between two probes, by what the health says of an outage.
_PAUSE_WHEN_WELL: Final = 10.0
_PAUSE_UNKNOWN: Final = 15.0
_PAUSE_FOR_PROOF: Final = 2.0

_NOTHING_SENT: Final = frozenset({Fault.UNREACHABLE, Fault.NO_DESCRIPTORS})
_OUTAGES: Final = frozenset(Fault) - DENIALS - SIGNS_OF_LIFE - {Fault.THROTTLED, Fault.UNSENDABLE}


class Lane:
    """One endpoint of one target. `few` hold-ups are those of lines in `held`, none of it fresh."""

    __slots__ = (
        "_batches",
        "_denying",
        "_log",
        "_looks",
        "_pardoned",
        "_same_answer",
        "answered",
        "calm",
        "circuit",
        "fresh",
        "good_sent",
        "held",
        "kind",
        "probes",
    )

    def __init__(self, *, provider: str, model: str, kind: str, trips_after: int) -> None:
        self.kind = kind
        self.circuit = Circuit(trips_after=trips_after)
        self.calm = True  # nothing has gone wrong since the last answer
        self.answered = 0
        self.good_sent = -math.inf  # when the latest request that was answered had been sent
        self.held = 0  # lines that wait, back off, or are sent again
        self.fresh = 0  # those of them that were never sent
        self.probes = 0
        self._batches: dict[str, int] = {}
        self._same_answer = SameAnswer()
        self._denying = False  # the latest failure was a denial that may be about a line
        self._pardoned = False
        self._looks = Looks()
        self._log = LaneLog(provider=provider, model=model, kind=kind)

    # ------------------------------------------------------------------ what happened

    def succeeded(self, started: float, now: float) -> None:
        """A result came, of a request that was sent at `started`."""
        self.answered += 1
        self.good_sent = max(self.good_sent, started)
        if self.calm:
            return
        down_since = self.circuit.down_since
        if down_since is not None and self.circuit.denied and started <= down_since:
            return
        self._well_again(now)

    def failed(
        self,
        setback: Setback,
        *,
        line: Hashable,
        first: bool,
        alone: bool,
        probe: bool,
        own: bool,
        pause: float | None,
        now: float,
    ) -> bool:
        """An exchange brought no result; whether lines that have another target must leave.

        `first` is whether it is the line's first here, `alone` whether no other is on its way,
        `probe` whether it was one, `own` whether a denial is proven to be the line's own; `pause`
        is a long one that the provider asks for.
        """
        if own:
            # A denial that is the line's own: the account is well.
            if not self.calm:
                self._well_again(now)
        elif setback.fault in SIGNS_OF_LIFE:
            self._answered(probe=probe, now=now)
        elif setback.fault is Fault.UNSENDABLE:
            self.circuit.dropped(probe=probe)  # nothing was sent: no news of the target
        else:
            shuts = self._count_failure(
                setback, line=line, first=first, alone=alone, probe=probe, now=now
            )
            if pause is not None:
                self._log.paused(setback, pause, now)
            return shuts
        return False

    def _answered(self, *, probe: bool, now: float) -> None:
        """An answer that is about a line alone is one all the same."""
        if self.circuit.denied:
            # It proves no key: the next line may be the probe at once.
            self.circuit.dropped(probe=probe)
        elif not self.calm:
            self._well_again(now)

    def _count_failure(
        self,
        setback: Setback,
        *,
        line: Hashable,
        first: bool,
        alone: bool,
        probe: bool,
        now: float,
    ) -> bool:
        """A failure of the target, the account or a line; whether the circuit (re)opened."""
        self.calm = False
        self._denying = setback.fault is Fault.DENIED
        if self.gives(setback):
            return False
        self._same_answer.add(setback, line, now)
        counts = (first or (alone and setback.fault is Fault.DENIED)) and not (
            self._pardoned and not first
        )
        if self._pardoned and not first and setback.fault is Fault.UNAVAILABLE:
            return False
        was_down = self.circuit.down_since is not None
        shut = self.circuit.failed(setback, counts=counts, probe=probe, now=now)
        if shut and not was_down:
            self._went_down(setback, now)
            shut = self.circuit.down_since is not None
        if shut:
            self._limit_pauses(now)
            self._tell(now)
        return shut

    def looked(self, look: Look, now: float) -> None:
        """The target's health was looked at."""
        looks, circuit = self._looks, self.circuit
        if look.admitted:
            looks.admitted_at = now
        if look.well is None or circuit.down_since is None or circuit.fault not in _OUTAGES:
            self._limit_pauses(now)
            return
        if looks.recovers(look, now):
            circuit.try_now(now)
        self._limit_pauses(now)
        if look.well:
            self._consider(now)
        elif looks.faint_since is not None and now - looks.faint_since >= _FAINT_LOOK:
            self._consider_faint(now)

    # ------------------------------------------------------------------ judgement

    def judge(self, record: Record, setback: Setback, *, sent: float, now: float) -> bool:
        """Note one more failure of a line; whether it is proven to be about that line.

        `sent` is when the request was that failed.
        """
        failed_at, record.failed_at = record.failed_at, now
        if setback.fault is Fault.THROTTLED:
            return self._refuses_one(record, now)
        if setback.fault is not Fault.DENIED:
            return self.good_sent > failed_at
        # Denials come at once, so what was sent later was also judged later.
        record.proofs += self.good_sent >= record.sent
        record.sent = sent
        record.denials += 1
        if record.denials == 1:
            record.denied_at = now
        if record.proofs >= _PROOFS:
            return True
        if record.proofs:
            enough = _OWN_AFTER_PROOF
        else:
            enough = _OWN_MISSING if setback.status == 404 else _OWN_FORBIDDEN
        return (
            record.denials >= _OWN_DENIALS
            and now - record.denied_at >= enough
            and self._is_left_over()
            and now - self._looks.admitted_at < _ADMITTED_LATELY
        )

    def _refuses_one(self, record: Record, now: float) -> bool:
        """Note that a line was refused as coming too fast; whether that is about the line."""
        record.refusals += 1
        if record.refusals == 1:
            record.refused_at = now
        if record.refusals < _OWN_REFUSALS or self.good_sent <= record.refused_at:
            return False
        refused_for = now - record.refused_at
        if self._is_left_over():
            return refused_for >= _OWN_REFUSED
        return self._is_few_of_many() and refused_for >= _LONG_LOOK

    @property
    def verdict(self) -> Setback | None:
        """The answer that the target gives to every request, once it is believed."""
        return self._same_answer.believed

    def gives(self, setback: Setback) -> bool:
        """Whether this answer is the verdict that the target is believed in."""
        return self.verdict is not None and setback.text == self.verdict.text

    @property
    def wants_look(self) -> bool:
        """Whether the target's health would tell anything now."""
        if self.held == 0:
            return False
        return self.circuit.fault in _OUTAGES or (self._denying and self._is_left_over())

    def _is_left_over(self) -> bool:
        """Whether only a few lines are left of those that this target has answered."""
        return self.answered > 0 and self.fresh == 0 and self.held <= FEW

    def _is_few_of_many(self) -> bool:
        """Whether those that are left are few of those that this target has answered."""
        return self.fresh == 0 and self.held * _FEW_OF_MANY <= self.answered

    # ------------------------------------------------------------------ batches held up

    def concerns(self, batch_id: str, change: int, *, fresh: bool = False) -> None:
        """Lines of a batch that started, or stopped, being held up here."""
        self.held += change
        if fresh:
            self.fresh += change
        batches = self._batches
        lines = batches.get(batch_id, 0) + change
        if lines:
            batches[batch_id] = lines
        else:
            del batches[batch_id]
            if self._pardoned and not self.held:
                self._pardoned = False

    def holds_up(self, batch_id: str) -> bool:
        """Whether lines of that batch are held up here."""
        return batch_id in self._batches

    # ------------------------------------------------------------------ inside

    def _well_again(self, now: float) -> None:
        self.calm = True
        self.circuit.alive()
        self._same_answer.forget()
        self._pardoned = False
        self._looks.begin()
        self._tell(now)

    def _went_down(self, setback: Setback, now: float) -> None:
        self._same_answer.believed = None
        self._pardoned = False
        self._looks.begin()
        if self._same_answer.remembers(setback, now):
            self._believe(setback, now)

    def _consider(self, now: float) -> None:
        """The target is well and its lines fail: are they, or is it, what is to be believed?"""
        last, since = self.circuit.last, self._looks.well_since
        if last is None or since is None:
            return
        well_for = now - since
        if well_for >= _SHORT_LOOK and self._same_answer.convinces(
            last, answered=self.answered > 0, now=now
        ):
            self._believe(last, now)
        elif last.fault not in _NOTHING_SENT and self.fresh == 0:
            if self._is_left_over():
                enough = _UNAVAILABLE_LOOK if last.fault is Fault.UNAVAILABLE else _SHORT_LOOK
            elif self._is_few_of_many():
                enough = _LONG_LOOK
            else:
                return
            if well_for >= enough:
                self._pardon(now)

    def _consider_faint(self, now: float) -> None:
        """Nothing but 500s: still a server, which gives a few lines left over one same answer."""
        last = self.circuit.last
        if (
            last is not None
            and last.fault is Fault.BROKEN
            and self._same_answer.matches(last)
            and self._is_left_over()
        ):
            self._pardon(now)

    def _pardon(self, now: float) -> None:
        """Let the lines that are left use up their attempts."""
        self._pardoned = True
        self.circuit.alive()
        self._tell(now)

    def _believe(self, setback: Setback, now: float) -> None:
        self._same_answer.believe(setback, now)
        self.circuit.alive()
        self._tell(now)

    def _limit_pauses(self, now: float) -> None:
        """How long a probe may be put off, by what is known."""
        circuit = self.circuit
        most = MOST_PAUSE
        if circuit.fault in _OUTAGES:
            if self._looks.well_since is not None:
                most = _PAUSE_WHEN_WELL
            elif not self._looks.ill:
                most = _PAUSE_UNKNOWN
        elif circuit.fault is Fault.THROTTLED and self._is_left_over():
            most = _PAUSE_WHEN_WELL
        elif circuit.fault is Fault.DENIED and self._is_left_over():
            most = _PAUSE_FOR_PROOF
        circuit.most_pause = most
        circuit.probe_at = min(circuit.probe_at, now + most)

    # ------------------------------------------------------------------ telling

    def _tell(self, now: float) -> None:
        if self.verdict is not None:
            self._log.verdict(self.verdict, now)
        elif self.circuit.last is None or self.circuit.down_since is None:
            self._log.well(now, failing=self._pardoned)
        else:
            self._log.down(self.circuit.last, self.circuit.down_since, now)
