"""Many kills over many batches: what to start, when to kill, and what each kill hit.

    start the server -> settle what the last life left unanswered -> order more work
            ^                                                             |
            +---- look at what is on disk <---- kill at an appointed moment

Owns the work in hand and the bookkeeping. The moments are `appointments`, the end is `aftermath`.
"""

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.arena import TENANTS, Arena
from tests.chaos.client import Client
from tests.chaos.orders import Order, order
from tests.chaos.processes import free_port
from tests.chaos.site import ENDED, Site

# `auto` takes simulated failures for overload, as it should, and is slow: it gets little to do.
_SIZES = {
    "steady/gpt-4o-mini": (40, 150, 400, 1319),
    "either": (40, 150, 400),
    "auto/gpt-4o-mini": (20, 60),
}
_RECOVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file that the server said it has."""

    tenant: str
    file_id: str
    data: bytes = field(repr=False)


class Campaign:
    """One series of kills. Everything random comes from `dice`."""

    def __init__(self, arena: Arena, *, dice: random.Random, at_work: int) -> None:
        self.arena = arena
        self.dice = dice
        self.orders: list[Order] = []
        self.kept: list[Kept] = []
        self.unanswered: dict[str, bytes] = {}  # uploads by file name: whole, or not there
        self.phases: Counter[str] = Counter()
        self.kills = 0
        self.longest = Counter[str]()  # kills that a batch has lived through
        self._at_work = at_work
        self._site = Site()
        self._fresh: list[Kept] = []
        self._marks: set[str] = set()
        self._up_since: float | None = None
        self._frozen_at: float | None = None
        self._numbers = 0

    # ------------------------------------------------------------------ what appointments use

    def mark(self, phase: str) -> None:
        """Note what the coming kill will hit, as only the killer can know."""
        self._marks.add(phase)

    def kill(self) -> None:
        """Kill the server now."""
        up = self._up_since
        if up is None:
            self._marks.add("starting")
        elif time.monotonic() - up <= _RECOVERY_SECONDS and self._site_at_work():
            self._marks.add("recovering")
        at = self.arena.kill()
        # A frozen process commits nothing: what it may waste dates from before it was frozen.
        self._account(at if self._frozen_at is None else self._frozen_at)

    def client(self, order: Order) -> Client:
        """The client of an order's tenant."""
        return self.arena.clients[order.tenant]

    def new_order(
        self, count: int | None = None, *, model: str | None = None, window: str = "24h"
    ) -> Order:
        """Lines to ask for; nothing is sent."""
        self._numbers += 1
        model = model or self.dice.choice(list(_SIZES))
        made = order(
            tag=f"order{self._numbers:04}",
            tenant=self.dice.choice(TENANTS),
            model=model,
            start=self.dice.randrange(1319),
            count=count or self.dice.choice(_SIZES[model]),
            window=window,
        )
        self.orders.append(made)
        return made

    def upload(self, made: Order) -> None:
        """Upload an order's input, and remember that the server has it."""
        self.uploaded(made, self.client(made).upload(made.data, f"{made.tag}.jsonl")["id"])

    def uploaded(self, made: Order, file_id: str) -> None:
        """The server said that it has an order's input."""
        made.file_id = file_id
        kept = Kept(tenant=made.tenant, file_id=file_id, data=made.data)
        self.kept.append(kept)
        self._fresh.append(kept)

    def create(self, made: Order) -> None:
        """Create an order's batch. Asked again after a crash it is the same batch."""
        if made.file_id is None:
            self.upload(made)
        assert made.file_id is not None
        batch = self.client(made).create(
            made.file_id, tag=made.tag, window=made.window, once=made.tag
        )
        made.batch_id = batch["id"]

    def running(self) -> list[Order]:
        """Orders whose batch had not ended when the last life did, and this life's."""
        statuses = self._site.statuses
        return [
            made
            for made in self.orders
            if made.batch_id is not None and statuses.get(made.batch_id) not in ENDED
        ]

    def pause(self, seconds: float) -> None:
        """Stop the server for a while. The lock is still its own, so no other can start."""
        self.mark("paused")
        self.arena.server.signal(signal.SIGSTOP)
        at = self._frozen_at = time.monotonic()
        if self.dice.random() < 0.5:
            rival = self.arena.another_server(port=free_port(), name="rival")
            rival.start()
            assert rival.wait() != 0
            assert f"process {self.arena.server.pid}" in rival.said()
        time.sleep(max(0.0, at + seconds - time.monotonic()))

    def wake(self) -> None:
        """Let a stopped server go on."""
        self.arena.server.signal(signal.SIGCONT)

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
        """Begin a life: start, hold the server to its earlier answers, order more work."""
        self.start_alone()
        for kept in self._fresh:
            assert self.arena.clients[kept.tenant].content(kept.file_id) == kept.data
        self._fresh.clear()
        for made in self.orders:
            if made.batch_id is None:
                self.create(made)
        while sum(not made.cancelled for made in self.running()) < self._at_work:
            self.create(self.new_order())

    def _site_at_work(self) -> bool:
        return any(status not in ENDED for status in self._site.statuses.values())

    def _account(self, at: float) -> None:
        site = self.arena.look()
        self.arena.payments.killed(at, site.results)
        self.kills += 1
        self.phases.update(self._marks)
        self.phases.update(site.phases(self._site).keys())
        self.longest.update(b for b, status in site.statuses.items() if status not in ENDED)
        self._marks.clear()
        self._site = site
        self._up_since = self._frozen_at = None
