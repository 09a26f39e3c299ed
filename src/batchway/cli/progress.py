"""How far a batch is, while it runs: a bar on a terminal, now and then a line elsewhere.

Owns the picture and the arithmetic of rate and time left. Does not own where the numbers come
from: `run` is called by the engine in this process, `watch` polls a server.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from batchway.cli.console import duration, note, printable
from batchway.cli.online_lines import online_told, online_told_of

if TYPE_CHECKING:
    from batchway.domain.batch import Batch

_MEMORY: Final = 15.0  # seconds over which the rate is measured
_QUIET: Final = 10.0  # seconds between lines where there is no terminal, at first
_LONGEST_QUIET: Final = 300.0

# Columns of a line that is drawn.
_GAP: Final = 2
_LEAST_BAR: Final = 10
_MOST_BAR: Final = 40
_LEAST_LABEL: Final = 12
_MOST_LABEL: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a batch; `waits` is why it does, in a sentence; `online` tells of lines that run
    online and not in a job.
    """

    status: str
    total: int
    completed: int
    failed: int
    tokens: int
    waits: str | None = None
    online: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """Lines that have a result."""
        return self.completed + self.failed

    @classmethod
    def of(cls, batch: "Batch") -> Self:
        """From a batch of this process."""
        return cls(
            status=str(batch.status),
            total=batch.counts.total,
            completed=batch.counts.completed,
            failed=batch.counts.failed,
            tokens=batch.usage.total_tokens,
            waits=batch.status_details,
            online=online_told(batch.run_online),
        )

    @classmethod
    def from_json(cls, batch: Mapping[str, Any]) -> Self:
        """From a server's answer."""
        counts = batch.get("request_counts") or {}
        usage = batch.get("usage") or {}
        return cls(
            status=printable(batch.get("status", "unknown")),
            total=counts.get("total", 0),
            completed=counts.get("completed", 0),
            failed=counts.get("failed", 0),
            tokens=usage.get("total_tokens", 0),
            waits=printable(batch["status_details"]) if batch.get("status_details") else None,
            online=online_told_of(batch),
        )


class Pace:
    """Lines a second over the last seconds; what an earlier run did does not count."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> float | None:
        """Note a look; the rate, `None` while there is too little to tell."""
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _MEMORY:
            self._seen.popleft()
        since, before = self._seen[0]
        return (done - before) / (now - since) if now - since >= 0.5 else None


def describe(look: Snapshot, rate: float | None) -> str:
    """Failures, rate, tokens and time left in words."""
    parts = [_failed(look), _rate(rate), _tokens(look), _left(look, rate)]
    return ", ".join(part for part in parts if part)


def picture(label: str, look: Snapshot, rate: float | None, width: int) -> tuple[str, int, str]:
    """One line of `width` columns: what stands before the bar, the bar's columns, what behind it.

    Whatever the width, there is a bar with the count behind it. Where there is no room, tokens go
    first, then the rate, the percentage and the time left; the label is cut to what is left.
    """
    amount = f"{look.done:,}/{look.total:,}" if look.total else "starting"
    behind = [
        (0, amount),
        (3, f"{100 * look.done // look.total}%" if look.total else ""),
        (1, _failed(look)),
        (4, _rate(rate).replace(" lines/s", "/s")),
        (2, _left(look, rate)),
        (1, look.status.replace("_", " ") if look.status != "in_progress" and look.total else ""),
        (5, _tokens(look)),
    ]
    shown = [piece for piece in behind if piece[1]]
    most = max(width - min(len(label), _LEAST_LABEL) - _GAP - _LEAST_BAR - _GAP, 0)
    while len(shown) > 1 and len((_GAP * " ").join(text for _, text in shown)) > most:
        shown.remove(max(shown, key=lambda piece: piece[0]))
    text = (_GAP * " ").join(text for _, text in shown)
    room = width - len(text) - 2 * _GAP
    name = _cut(label, max(min(room - _LEAST_BAR, _MOST_LABEL), 1))
    return name, max(min(room - len(name), _MOST_BAR), 1), text


def _cut(text: str, columns: int) -> str:
    """The text's beginning and end, with an ellipsis where it is cut."""
    if len(text) <= columns:
        return text
    tail = (columns - 1) // 2
    return text[: columns - 1 - tail] + "\u2026" + (text[-tail:] if tail else "")


def _failed(look: Snapshot) -> str:
    return f"{look.failed:,} failed" if look.failed else ""


def _rate(rate: float | None) -> str:
    if not rate:
        return ""
    return f"{rate:,.0f} lines/s" if rate >= 10 else f"{rate:.1f} lines/s"


def _tokens(look: Snapshot) -> str:
    return f"{look.tokens:,} tokens" if look.tokens else ""


def _left(look: Snapshot, rate: float | None) -> str:
    left = look.total - look.done
    if rate and left > 0 and look.status == "in_progress":
        return f"{duration(left / rate)} left"
    return ""


def on_terminal() -> bool:
    """Whether progress is drawn: standard error is a terminal that obeys control codes."""

    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Display(Protocol):
    """Where progress is shown."""

    def update(self, look: Snapshot) -> None:
        """Show a look at the batch."""
        ...

    def tell(self, text: str) -> None:
        """A line that stays."""
        ...


@contextmanager
def shown(label: str) -> Generator[Display]:
    """Show progress while the block runs."""
    if on_terminal():
        with _drawn(label) as display:
            yield display
    else:
        yield Written(label, now=time.monotonic)


class Written:
    """A `Display` in lines, of which there are the fewer the longer it takes."""

    def __init__(self, label: str, *, now: Callable[[], float]) -> None:
        self._label = label
        self._now = now
        self._pace = Pace()
        self._begun = now()
        self._last: tuple[float, str, int] | None = None
        self._waits: str | None = None
        self._online: tuple[str, ...] = ()

    def update(self, look: Snapshot) -> None:
        """Write a line, if one is due."""
        moment = self._now()
        rate = self._pace.add(moment, look.done)
        if look.waits != self._waits:
            self._waits = look.waits
            if look.waits is not None:
                note(f"{self._label}: {look.waits}")
        if look.online != self._online:
            for told in look.online:
                if told not in self._online:
                    note(f"{self._label}: {told}")
            self._online = look.online
        if self._last is not None:
            quiet = min(max((moment - self._begun) / 6, _QUIET), _LONGEST_QUIET)
            due = moment - self._last[0] >= quiet and look.done != self._last[2]
            if look.status == self._last[1] and not due:
                return
        self._last = (moment, look.status, look.done)
        details = describe(look, rate)
        amount = f": {look.done:,} of {look.total:,} lines" if look.total else ""
        note(f"{self._label}: {look.status}{amount}" + (f", {details}" if details else ""))

    def tell(self, text: str) -> None:
        """Write it."""
        note(text)


@contextmanager
def _drawn(label: str) -> Generator[Display]:
    from batchway.cli.drawing import Drawing  # noqa: PLC0415 - slow to import, for terminals only

    with Drawing(label) as drawing:
        yield drawing


@contextmanager
def transferred(label: str, total: int | None) -> Generator[Callable[[int], None]]:
    """Show a transfer of bytes on a terminal; call what it yields with each piece's size."""
    if not on_terminal():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, needed on terminals only
    from rich.progress import (  # noqa: PLC0415 - same
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda amount: bar.advance(task, amount)
