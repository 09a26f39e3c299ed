"""Lines that run online although the mode prefers jobs, in words: online costs more."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from batchway.cli.console import count, printable

if TYPE_CHECKING:
    from batchway.domain.run_online import RunOnline


def online_told(found: Iterable["RunOnline"]) -> tuple[str, ...]:
    """A sentence or more for each reason, of a batch of this process."""
    return tuple(_sentence(each.lines, each.reason) for each in found)


def online_told_of(batch: Mapping[str, Any]) -> tuple[str, ...]:
    """The same of a server's answer."""
    return tuple(
        _sentence(each.get("lines", 0), each.get("reason", ""))
        for each in batch.get("run_online") or ()
    )


def _sentence(lines: int, reason: object) -> str:
    why = printable(reason)
    stop = "" if why.endswith((".", "!", "?")) else "."
    verb = "runs" if lines == 1 else "run"
    return (
        f"{count(lines, 'line')} {verb} online instead of in a job, at the online price: "
        f"{why}{stop}"
    )
