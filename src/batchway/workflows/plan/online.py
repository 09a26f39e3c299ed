"""Lines that no job takes and that run online instead, as ingest finds them: how many, and why.

    of a model      all of its lines: it has no jobs there
    of a line       it asks for what a job cannot do, or conflicts with every job there may be
    of a shard      fewer lines than a job takes

Owns counting and the words of the last. Does not own the choice (`scan`, `cutting`, `routing`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from batchway.domain.remote import NativeTraits
from batchway.domain.run_online import RunOnline, added
from batchway.domain.shard import Mode, Shard
from batchway.ports import Unfaithful


@dataclass(slots=True)
class _Reason:
    lines: int
    first: int  # numbers of lines, from 1
    place: str


class OnlineLines:
    """Counts them during one pass over a file."""

    def __init__(self) -> None:
        self._found: dict[str, _Reason] = {}
        self._told: tuple[RunOnline, ...] = ()

    def add(self, unsaid: Unfaithful | None, line: int) -> None:
        """A line, from 0: why a job cannot be asked for it; `None`: there is no lot for it."""
        if unsaid is not None:
            why, place = unsaid.why, unsaid.place
        else:
            why, place = "its JSON conflicts with the lines of every job that there may be.", "body"
        known = self._found.get(why)
        if known is None:
            self._found[why] = _Reason(lines=1, first=line + 1, place=place)
        else:
            known.lines += 1

    def add_model(self, why: str, *, lines: int) -> None:
        """Every line of a model."""
        self._told = added(self._told, RunOnline(lines=lines, reason=why))

    def add_too_few(self, shards: Iterable[Shard], *, provider: str, traits: NativeTraits) -> None:
        """Shards of a native plan that are too small for a job."""
        lines = sum(shard.lines for shard in shards if shard.mode is Mode.MANAGED)
        if lines:
            why = (
                f"The batch API of the provider '{provider}' takes no fewer than "
                f"{traits.min_lines} requests at once."
            )
            self.add_model(why, lines=lines)

    @property
    def told(self) -> tuple[RunOnline, ...]:
        """All of them, by reason; of a line's own reason the first line and place are named."""
        told = self._told
        for why, found in self._found.items():
            stop = "" if why.endswith((".", "!", "?")) else "."
            first = f"The first is line {found.first} ({found.place})."
            reason = f"No job takes them: {why}{stop} {first}"
            told = added(told, RunOnline(lines=found.lines, reason=reason))
        return told
