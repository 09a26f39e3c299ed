"""What one native job works with.

    Resources    what the native jobs of a process share
    JobContext   a job's own: its batch, its shard under a claim, its account

Values alone: nothing is done here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from batchway.domain.shard import Claim, Shard
from batchway.ports import Blobs, Clock, Jobs, Ledger
from batchway.results.collector import Collector
from batchway.results.records import Records
from batchway.workflows.native.accounts import NativeAccount, NativeAccounts, NativeTuning
from batchway.workflows.native.batch import NativeBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the native jobs of a process share. `spool_dir` is for inputs on their way."""

    ledger: Ledger
    blobs: Blobs
    collector: Collector
    records: Records
    clock: Clock
    draw: Callable[[], float]
    accounts: NativeAccounts
    spool_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a job works with.

    `jobs` is the batch API of `account` for the batch's endpoint and the job's model. `rescue` is
    whether lines without a result may be handed to the managed runner, which `handed_over` is told
    of.
    """

    resources: Resources
    shared: NativeBatch
    claim: Claim
    account: NativeAccount
    jobs: Jobs
    rescue: bool
    handed_over: Callable[[Shard], None]

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.resources.clock

    @property
    def tuning(self) -> NativeTuning:
        """How the account's batch API is used."""
        return self.account.tuning

    @property
    def shard(self) -> Shard:
        """The lines that the job is of."""
        return self.claim.shard
