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
from typing import TYPE_CHECKING, Any, Final, Self

from batchway.cli.console import duration, note, printable

if TYPE_CHECKING:
    from batchway.domain.batch import Batch

_MEMORY: Final = 15.0  # seconds over which the rate is measured
_QUIET: Final = 10.0  # seconds between lines where there is no terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a batch; `waits` is why it does, in a sentence."""

    status: str
    total: int
    completed: int
    failed: int
    tokens: int
    waits: str | None = None

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
    parts: list[str] = []
    if look.failed:
        parts.append(f"{look.failed:,} failed")
    if rate is not None:
        parts.append(f"{rate:,.0f} lines/s" if rate >= 10 else f"{rate:.1f} lines/s")
    if look.tokens:
        parts.append(f"{look.tokens:,} tokens")
    left = look.total - look.done
    if rate and left > 0 and look.status == "in_progress":
        parts.append(f"{duration(left / rate)} left")
    return ", ".join(parts)


def on_terminal() -> bool:
    """Whether progress is drawn: standard error is a terminal that obeys control codes."""

    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def shown(label: str) -> Generator[Callable[[Snapshot], None]]:
    """Show progress while the block runs; call what it yields with every look."""
    if on_terminal():
        with _drawn(label) as update:
            yield update
    else:
        yield _written(label, now=time.monotonic)


def _written(label: str, *, now: Callable[[], float]) -> Callable[[Snapshot], None]:
    pace = Pace()
    last: tuple[float, str, int] | None = None
    waits: str | None = None

    def update(look: Snapshot) -> None:
        nonlocal last, waits
        moment = now()
        rate = pace.add(moment, look.done)
        if look.waits != waits:
            waits = look.waits
            if waits is not None:
                note(f"{label}: {waits}")
        if last is not None:
            due = moment - last[0] >= _QUIET and look.done != last[2]
            if look.status == last[1] and not due:
                return
        last = (moment, look.status, look.done)
        details = describe(look, rate)
        amount = f": {look.done:,} of {look.total:,} lines" if look.total else ""
        note(f"{label}: {look.status}{amount}" + (f", {details}" if details else ""))

    return update


@contextmanager
def _drawn(label: str) -> Generator[Callable[[Snapshot], None]]:
    from rich.console import Console  # noqa: PLC0415 - slow to import, needed on terminals only
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415 - same

    pace = Pace()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=8) as bar:
        task = bar.add_task(f"{label}: starting", total=None, amount="", details="")

        def update(look: Snapshot) -> None:
            bar.update(
                task,
                description=f"{label}: {look.status}",
                total=look.total or None,
                completed=look.done,
                amount=f"{look.done:,}/{look.total:,} lines" if look.total else "",
                details=look.waits or describe(look, pace.add(time.monotonic(), look.done)),
            )

        yield update


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
