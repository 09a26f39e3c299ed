"""What every run of a batch is, whichever way its lines go: `Run`, and why it ended, `Ending`.

A run executes some or all shards of one batch on one process. Runs of both kinds
(`managed.run`, `native.run`) stand side by side in an `Execution`, which is a run as well.
"""

from enum import StrEnum
from typing import Final, Protocol

from batchway.domain.reason import Reason, ReasonKind

# What a tenant is told; the cause, with its paths, is in the log.
STORAGE_TROUBLE: Final = Reason(
    kind=ReasonKind.STORAGE,
    sentence="Batchway cannot write to its storage at the moment.",
    promise="it will go on.",
)


class Ending(StrEnum):
    """Why a run ended."""

    DONE = "done"  # every line has a committed result
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"  # the providers refused all of it
    LOST = "lost"  # another runner has taken a shard over, or the batch has moved on
    STOPPED = "stopped"  # this process is shutting down


class Run(Protocol):
    """A run of some shards, used once."""

    async def run(self) -> Ending:
        """Run to the end, or until `stop`."""
        ...

    def stop(self, ending: Ending) -> None:
        """Ask the run to end early; the first reason counts."""
        ...

    def describe(self) -> None:
        """Tell the batch's details what holds the run up at present. Asked once a second."""
        ...
