"""Short batches: the three commits that one costs, each shared with its neighbours.

    add (`Batches.add`)   validating
    begin                 in_progress, planned as one shard that is claimed already
    finish                finalizing and completed, with its files; no plan is left

What arrives together is committed together, and each call has an outcome of its own: one that is
refused or conflicts spoils no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from batchway.domain.batch import Batch, Usage
from batchway.domain.file import File
from batchway.domain.group import Group
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Claim, Shard
from batchway.ports.ledger import Delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A batch that has been checked, to be begun by this process. `at` is in Unix seconds."""

    shard: Shard
    group: Group
    at: int
    model: str | None
    providers: Sequence[str]
    warnings: Mapping[str, int] = field(default_factory=dict[str, int])
    run_online: Sequence[RunOnline] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A batch whose every line has a result that no segment holds. `at` is in Unix seconds."""

    claim: Claim
    at: int
    output: File | None
    error: File | None
    delivered: Delivered
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a `finish` found: whether a File still names the bytes of the batch's input."""

    input_named: bool


class ShortBatches(Protocol):
    """Batches of one shard that run and end in one breath, and the order in which batches start."""

    async def waiting(self, limit: int) -> list[Batch]:
        """Batches that have not ended, tenants in turn, each tenant's by deadline and creation."""
        ...

    async def begin(self, begun: Begun) -> Claim | None:
        """`validating` to `in_progress`, `total`, the group, and the shard with its first claim.

        `None` when the status has moved meanwhile.
        """
        ...

    async def finish(self, finished: Finished) -> Completed | None:
        """`in_progress` to `finalizing` to `completed`, counts, usage and files; the plan goes.

        `None`, with nothing changed, when the status has moved, the claim is not the newest or
        something of the shard is committed already. A File that is deleted at this very moment may
        count as there: its bytes are left to the sweep of orphans then.
        """
        ...
