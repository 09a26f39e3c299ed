"""Many kills over many native batches: what to start, and what each kill hit.

Owns the work in hand and the bookkeeping, as `campaign` does for managed batches. The moments are
`native_appointments`, the end is `native_aftermath`.
"""

import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass

from tests.chaos.native_arena import MODEL, Account, NativeArena
from tests.chaos.orders import Order, asked
from tests.chaos.site import ENDED, Site

_SIZES = (30, 70, 150, 260)
_RECOVERY_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class NativeOrder(Order):
    """One native batch asked for.

    `doomed` names a model that the provider's validation refuses; `overdue` is one whose window was
    moved into the past.
    """

    account: Account
    doomed: bool = False
    overdue: bool = False


class NativeCampaign:
    """One series of kills. Everything random comes from `dice`."""

    def __init__(self, arena: NativeArena, *, dice: random.Random, at_work: int) -> None:
        self.arena = arena
        self.dice = dice
        self.orders: list[NativeOrder] = []
        self.phases: Counter[str] = Counter()
        self.kills = 0
        self.longest = Counter[str]()  # kills that a batch has lived through
        self._at_work = at_work
        self._site = Site()
        self._marks: set[str] = set()
        self._up_since: float | None = None

    # ------------------------------------------------------------------ what appointments use

    def mark(self, phase: str) -> None:
        """Note what the coming kill will hit, as only the killer can know."""
        self._marks.add(phase)

    def kill(self) -> None:
        """Kill the server now, and let the vendors be as on any day."""
        arena, up = self.arena, self._up_since
        if up is None:
            self._marks.add("starting")
        elif time.monotonic() - up <= _RECOVERY_SECONDS and self._unfinished():
            self._marks.add("recovering")
        if arena.spool.exists() and any(arena.spool.iterdir()):
            self._marks.add("encoding or uploading")
        arena.server.kill()
        self._account()
        for vendor in arena.fakes:
            arena.trouble(vendor)

    def new_order(
        self, count: int | None = None, *, account: Account | None = None, doomed: bool = False
    ) -> NativeOrder:
        """Lines to ask for; nothing is sent."""
        tag = f"order{len(self.orders) + 1:04}"
        account = account or self.dice.choice(self.arena.accounts)
        data, lines = asked(
            tag=tag,
            model=f"{account.name}/{'no-such-model' if doomed else MODEL}",
            start=self.dice.randrange(1319),
            count=account.sized(count or self.dice.choice(_SIZES)),
            script=lambda _: "",
        )
        made = NativeOrder(
            tag=tag, tenant="blue", lines=lines, data=data, account=account, doomed=doomed
        )
        self.orders.append(made)
        return made

    def create(self, made: NativeOrder) -> None:
        """Create an order's batch. Asked again after a crash it is the same batch."""
        client = self.arena.client
        if made.file_id is None:
            made.file_id = client.upload(made.data, f"{made.tag}.jsonl")["id"]
        assert made.file_id is not None
        batch = client.create(made.file_id, tag=made.tag, window=made.window, once=made.tag)
        made.batch_id = batch["id"]

    def running(self) -> list[NativeOrder]:
        """Orders whose batch had not ended when the last life did, and this life's."""
        statuses = self._site.statuses
        return [
            made
            for made in self.orders
            if made.batch_id is not None and statuses.get(made.batch_id) not in ENDED
        ]

    def let_expire(self, made: NativeOrder) -> None:
        """Move the end of a batch's window into the past; the server must be dead."""
        assert not self.arena.server.alive
        made.overdue, made.window = True, "1m"
        with closing(sqlite3.connect(self.arena.data / "batchway.db")) as ledger, ledger:
            ledger.execute(
                "UPDATE batches SET deadline = created_at WHERE id = ?", (made.batch_id,)
            )

    # ------------------------------------------------------------------ lives

    @property
    def validating(self) -> bool:
        """Whether a batch had not been accepted yet when the server was killed."""
        return "validating" in self._site.statuses.values()

    def start_alone(self) -> None:
        """Begin a life and ask for nothing."""
        self.arena.server.start_and_wait()
        self._up_since = time.monotonic()

    def start(self) -> None:
        """Begin a life and order more work."""
        self.start_alone()
        for made in self.orders:
            if made.batch_id is None:
                self.create(made)
        while sum(not made.cancelled for made in self.running()) < self._at_work:
            self.create(self.new_order())

    def _unfinished(self) -> bool:
        return any(status not in ENDED for status in self._site.statuses.values())

    def _account(self) -> None:
        site = self.arena.look()
        self.kills += 1
        self.phases.update(self._marks)
        found = site.phases(self._site)
        found.update(self._jobs(site))
        found["rescuing"] += len(site.handed_over)
        self.phases.update((+found).keys())
        self.longest.update(b for b, status in site.statuses.items() if status not in ENDED)
        self._marks.clear()
        self._site = site
        self._up_since = None

    def _jobs(self, site: Site) -> Counter[str]:
        """How far the jobs had come, by what the ledger and the vendors know."""
        made: dict[str, str] = {}
        for fake in self.arena.fakes.values():
            for job in fake.brief()["jobs"]:
                made[job["filename"].removesuffix(".jsonl")] = job["status"]
        found: Counter[str] = Counter()
        for job in site.jobs:
            at_provider = made.get(job.tag)
            match job.stage, at_provider:
                case "submitting", None:
                    found["submitting"] += 1
                case "submitting", _:
                    found["created and not stored"] += 1
                case "submitted", status if status in ENDED:
                    found["job ended, not collected"] += 1
                case "submitted", _:
                    found["job running"] += 1
                case "intended", _:
                    found["waiting to submit"] += 1
                case "brought", _:
                    found["waiting to submit"] += 1
                    found["brought"] += 1
                case _:
                    found["job collected"] += 1
        return found
