"""A provider's batch API in memory, scripted, and one process's worth of parts around it.

The ledger and the blob store are real; a `Process` is what dies in a crash, and a new one goes on
over the same storage.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.parts import new_collector, new_ingest
from tests.unit.fakes import (
    CHAT,
    START,
    Watched,
    a_batch,
    a_file,
    chat,
    counted_names,
    store,
)

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.framing import OpenAIFraming
from batchway.dialects.openai.job_error import failure_of, judged
from batchway.domain.batch import Batch, BatchError, RequestCounts
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.domain.remote import (
    JobInput,
    JobOrder,
    JobRecord,
    NativeTraits,
    Reading,
    RemoteError,
    RemoteJob,
    Trouble,
)
from batchway.domain.routing import Account, Choice, RoutingTable
from batchway.domain.shard import Mode, Shard
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import (
    Archive,
    BatchAccount,
    Dialect,
    Encoded,
    Framing,
    Jobs,
    Refused,
    Result,
    Size,
)
from batchway.results.records import Records
from batchway.results.segments import merged
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.details import StatusDetails
from batchway.workflows.native.accounts import NativeAccount, NativeAccounts, NativeTuning
from batchway.workflows.native.context import Resources
from batchway.workflows.native.run import NativeRun
from batchway.workflows.plan.groups import GroupReader
from batchway.workflows.plan.ingest import Ingest
from batchway.workflows.run import Ending

S = BatchStatus
# What a batch says of what to do while its provider refuses the key.
BAD_KEY = (
    "Correct the provider's api_key in the configuration and restart, or have the key enabled "
    "again at the provider."
)
SPEED: Final = 400.0
MOST_STALL: Final = 0.002
WINDOW: Final = 86_400
TUNING: Final = NativeTuning(
    poll_min=2.0, poll_max=20.0, settle=12.0, lateness=60.0, cancel_patience=60.0
)


class FastClock:
    """`ports.Clock` in which a minute takes a moment, and a stall of the machine hardly any."""

    def __init__(self) -> None:
        self._seen = time.monotonic()
        self._passed = 0.0

    def skip(self, seconds: float) -> None:
        """Let time pass at once."""
        self._passed += seconds

    def now(self) -> float:
        return START + self.monotonic()

    def monotonic(self) -> float:
        now = time.monotonic()
        # Else who waits for a disk, or for a turn at a processor, would see hours pass.
        self._passed += min(now - self._seen, MOST_STALL) * SPEED
        self._seen = now
        return self._passed

    async def sleep(self, seconds: float) -> None:
        due = self.monotonic() + seconds
        await asyncio.sleep(seconds / SPEED)
        self._passed = max(self.monotonic(), due)


async def nothing(_what: str) -> None:
    """Nothing happens."""


class Vendor:
    """The provider: outlives every process.

    `script` is what a job's looks show, one after the other, the last one for ever; `rows` makes
    the result rows of a job from its input lines. `hook` is awaited with the name of every moment
    before and after a call: there a test lets things happen.
    """

    def __init__(self) -> None:
        self.traits = NativeTraits(endpoints=frozenset({CHAT}), max_lines=3, max_bytes=1 << 20)
        self.new_dialect: Callable[[Call], Dialect] = openai_dialect
        self.script: Sequence[Mapping[str, object]] = [{"status": S.IN_PROGRESS}, {}]
        self.rows: Callable[[list[dict[str, object]]], list[bytes]] = answers
        self.hook: Callable[[str], Awaitable[None]] = nothing
        self.troubles: dict[str, list[RemoteError | None]] = {}
        self.orders: list[JobInput] = []  # one for each creation that was tried
        self.brought: dict[str, tuple[JobInput, bytes]] = {}  # inputs that are there, by reference
        self.made: dict[str, RemoteJob] = {}
        self.tags: dict[str, str] = {}
        self.inputs: dict[str, list[dict[str, object]]] = {}
        self.looks: dict[str, int] = {}
        self.cancelled: list[str] = []
        self.uploads: list[str] = []  # the tags of inputs, in order
        self.cleaned: list[str] = []
        self.finds: list[str] = []
        self.lost_answers = 0  # submissions that happen without an answer
        self.find_lag = 0  # looks that do not find a job yet
        self.failed_rows = 0  # that a job gives although it failed
        self.others = 0  # jobs of somebody else that the list shows
        self.cancel_script: Sequence[Mapping[str, object]] = [{"status": S.CANCELLED}]

    def jobs(self, call: Call) -> "FakeJobs":
        return FakeJobs(self, call)

    @property
    def name(self) -> str:
        return "p"

    def archive(self, overrides: Overrides) -> Archive | None:
        return None

    async def close(self) -> None:
        """Nothing is open."""

    def forget(self, tag: str) -> None:
        """What was brought under the tag is gone."""
        self.brought = {name: one for name, one in self.brought.items() if one[0].tag != tag}

    def trouble(self, call: str) -> None:
        """Raise what the script says, as the adapter of an OpenAI-like provider would."""
        waiting = self.troubles.get(call)
        if waiting:
            error = waiting.pop(0)
            if error is not None:
                raise judged(error)


class FakeJobs:
    """`ports.Jobs` over a `Vendor`."""

    def __init__(self, vendor: Vendor, call: Call) -> None:
        self._vendor = vendor
        self._framing = OpenAIFraming(endpoint=call.endpoint)
        self._dialect = vendor.new_dialect(call)

    @property
    def traits(self) -> NativeTraits:
        return self._vendor.traits

    @property
    def framing(self) -> Framing:
        return self._framing

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    async def bring(self, order: JobInput) -> str:
        vendor = self._vendor
        await vendor.hook("before bring")
        vendor.trouble("bring")
        text = await asyncio.to_thread(order.path.read_bytes)
        assert len(text) == order.size
        earlier = [name for name, (input_, _) in vendor.brought.items() if input_.tag == order.tag]
        assert order.since is not None or not earlier
        if earlier:
            return earlier[0]
        reference = f"in-{len(vendor.uploads)}"
        vendor.uploads.append(order.tag)
        vendor.brought[reference] = (order, text)
        await vendor.hook("after bring")
        return reference

    async def create(self, order: JobOrder, reference: str) -> RemoteJob:
        vendor = self._vendor
        await vendor.hook("before submit")
        if reference not in vendor.brought:
            raise RemoteError(Trouble.NOT_FOUND, "The provider 'p' knows no such input.")
        brought, text = vendor.brought[reference]
        assert order.tag == brought.tag
        vendor.orders.append(brought)
        vendor.trouble("submit")
        job = RemoteJob(id=f"job-{len(vendor.made)}", status=S.VALIDATING, reference=reference)
        vendor.made[job.id] = job
        vendor.tags[job.id] = order.tag
        vendor.inputs[job.id] = [json.loads(line) for line in text.splitlines()]
        assert len(vendor.inputs[job.id]) == brought.lines
        try:
            await vendor.hook("after submit")
        except RemoteError as error:
            raise judged(error) from error
        if vendor.lost_answers:
            vendor.lost_answers -= 1
            raise RemoteError(Trouble.UNCERTAIN, "The provider 'p' did not answer in time.")
        return job

    async def find(self, tag: str, *, since: int, reference: str | None = None) -> RemoteJob | None:
        vendor = self._vendor
        await vendor.hook("before find")
        vendor.finds.append(tag)
        vendor.trouble("find")
        if vendor.find_lag:
            vendor.find_lag -= 1
            return None
        found = [job for job in vendor.made.values() if vendor.tags[job.id] == tag]
        return found[0] if found else None

    async def fetch(self, job_id: str) -> RemoteJob:
        vendor = self._vendor
        await vendor.hook("before fetch")
        vendor.trouble("fetch")
        if job_id not in vendor.made:
            raise RemoteError(Trouble.NOT_FOUND, "The provider 'p' knows no such job.")
        script = vendor.cancel_script if job_id in vendor.cancelled else vendor.script
        look = vendor.looks.get(job_id, 0)
        vendor.looks[job_id] = look + 1
        job = vendor.made[job_id]
        if job.status not in TERMINAL:
            change = dict(script[min(look, len(script) - 1)]) or {"status": S.COMPLETED}
            job = replace(job, **change)  # type: ignore[arg-type]  # scripted
        if job.status is S.FAILED:
            job = replace(job, failure=failure_of(job.errors or ()))
        vendor.made[job_id] = job
        return job

    async def results(self, job: RemoteJob, reading: Reading) -> AsyncIterator[bytes]:
        vendor = self._vendor
        await vendor.hook("before results")
        if vendor.tags[job.id] in vendor.cleaned:
            raise RemoteError(Trouble.NOT_FOUND, "The provider 'p' knows no such file.")
        rows = vendor.rows(vendor.inputs[job.id])
        data = b"\n".join(rows[: vendor.failed_rows] if job.status is S.FAILED else rows)
        mark = reading.mark("results")
        for end in (len(data) // 2, len(data)):
            if mark.offset < end:
                piece = data[mark.offset : end]
                mark.offset = end
                yield piece
            if end < len(data):
                await vendor.hook("within results")
                vendor.trouble("results")

    async def unfinished(self) -> int:
        self._vendor.trouble("unfinished")
        held = [job for job in self._vendor.made.values() if job.status not in TERMINAL]
        return len(held) + self._vendor.others

    async def cancel(self, job_id: str) -> RemoteJob:
        vendor = self._vendor
        vendor.trouble("cancel")
        if job_id not in vendor.cancelled:
            vendor.cancelled.append(job_id)
            vendor.looks[job_id] = 0
        return await self.fetch(job_id)

    async def clean(self, job: RemoteJob, *, tag: str) -> None:
        await self._vendor.hook("before clean")
        self._vendor.trouble("clean")
        self._vendor.cleaned.append(tag)
        self._vendor.forget(tag)
        await self._vendor.hook("within clean")  # one file is gone, another is not


def openai_dialect(call: Call) -> Dialect:
    """The dialect of an OpenAI-like provider."""
    return OpenAIDialect(endpoint=call.endpoint, model=call.model)


def implements(vendor: Vendor) -> tuple[BatchAccount, Jobs]:
    """The type checker's proof that the doubles are what they stand for."""
    return vendor, vendor.jobs(Call(CHAT, "m"))


def answer(line: Mapping[str, object], status: int = 200) -> bytes:
    """The row of a line."""
    response = {"status_code": status, "request_id": "r", "body": {"of": line["custom_id"]}}
    return json.dumps(
        {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}
    ).encode()


def refusal(line: Mapping[str, object], code: str) -> bytes:
    """The row of a line without an answer."""
    error = {"code": code, "message": "Too late."}
    return json.dumps(
        {"id": "x", "custom_id": line["custom_id"], "response": None, "error": error}
    ).encode()


def answers(lines: list[dict[str, object]]) -> list[bytes]:
    """Every line answered, in another order."""
    rows = [answer(line) for line in lines]
    random.Random(1).shuffle(rows)
    return rows


class HookedDialect:
    """A dialect that tells of each line it encodes, by its model, in the thread that encodes."""

    def __init__(self, call: Call, hook: Callable[[str], object]) -> None:
        self._hook = hook
        self._model = call.model
        self._dialect = openai_dialect(call)

    @property
    def faithful(self) -> bool:
        return True

    def encode(self, body: bytes, *, named: str) -> Encoded:
        self._hook(self._model)
        encoded = self._dialect.encode(body, named=named)
        assert isinstance(encoded, Encoded)
        return encoded

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        return self._dialect.decode(status, body, context, at=at)

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        return self._dialect.join(results, context)

    def measure(self, body: bytes) -> Size:
        return self._dialect.measure(body)


def hooked(hook: Callable[[str], object]) -> Callable[[Call], Dialect]:
    """Dialects that tell of each line they encode."""
    return lambda call: HookedDialect(call, hook)


class World:
    """Storage and a vendor."""

    def __init__(self, ledger: SqlLedger, directory: Path) -> None:
        self.ledger = ledger
        self.blobs = LocalBlobs(directory / "blobs")
        self.spool_dir = directory / "spool"
        self.clock = FastClock()
        self.vendor = Vendor()
        self.tuning = TUNING
        self.account = Account(mode=Choice.NATIVE, traits=self.vendor.traits)
        # What ingest is told of dialects; every line is taken for one that can be said when unset.
        self.speaks: Callable[[str, Call, Mode], Dialect | None] | None = None

    async def begin(
        self, lines: int, *, rescue: bool = False, models: Sequence[str] = ("m",)
    ) -> Batch:
        """An ingested batch; blank lines stand between its lines, which take models in turn.

        Each line's `user` is its number.
        """
        self.account = replace(self.account, rescue=rescue)
        batch = a_batch(created_at=int(self.clock.now()), deadline=int(self.clock.now()) + WINDOW)
        text = b"".join(
            chat(f"id-{n}", models[n % len(models)], user=f"u{n}") + b"\n\n" for n in range(lines)
        )
        store(self.blobs, a_file().blob, text)
        await self.ledger.batches.add(batch)
        await self.ingest.run(batch)
        return await self.load()

    @property
    def ingest(self) -> Ingest:
        return new_ingest(
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            providers={"p": self.account},
            dialect=self.speaks,
        )

    @property
    def routing(self) -> RoutingTable:
        return RoutingTable(providers={"p": self.account}, routes={})

    async def load(self) -> Batch:
        batch = await self.ledger.batches.load(a_batch().id)
        assert batch is not None
        return batch

    async def results(self) -> dict[str, tuple[int, str]]:
        """What is committed: custom_id -> (status, whose answer), or (0, the error's code)."""
        found: dict[str, tuple[int, str]] = {}
        for shard in await self.ledger.shards.plan(a_batch().id):
            segments = await self.ledger.shards.segments(a_batch().id, shard.number)
            for line, _, record in merged(self.blobs, segments):
                row = json.loads(record)
                assert row["custom_id"] == f"id-{line // 2}"
                assert row["custom_id"] not in found
                if row["response"] is None:
                    found[row["custom_id"]] = (0, row["error"]["code"])
                else:
                    of = row["response"]["body"]["of"]
                    assert of == f"r{line:010}"
                    found[row["custom_id"]] = (row["response"]["status_code"], of)
        return found

    async def jobs(self) -> list[JobRecord]:
        return await self.ledger.jobs.of(a_batch().id)

    def good(self, *lines: int) -> dict[str, tuple[int, str]]:
        """The results of lines that were answered."""
        return {f"id-{n}": (200, f"r{2 * n:010}") for n in lines}


class Process:
    """What runs batches until it dies."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.collector = new_collector(
            shards=world.ledger.shards,
            blobs=world.blobs,
            clock=world.clock,
            interval=0.01,
            new_name=counted_names(f"s{random.randrange(1 << 30)}-"),
        )
        self.accounts = NativeAccounts(
            accounts={"p": NativeAccount(provider=world.vendor, tuning=world.tuning)},
            clock=world.clock,
            draw=lambda: 0.5,
        )
        self.handed_over: list[int] = []
        self._collecting = asyncio.create_task(self.collector.run())

    async def new_run(self, batch: Batch) -> Watched:
        """A run of the native shards, and the watch over it."""
        world = self.world
        details = StatusDetails(batches=world.ledger.batches, batch=batch)

        def hand_over(shard: Shard) -> None:
            self.handed_over.append(shard.number)

        run = NativeRun(
            batch=batch,
            resources=Resources(
                ledger=world.ledger,
                blobs=world.blobs,
                collector=self.collector,
                records=Records(random_bytes=random.Random(3).randbytes),
                clock=world.clock,
                draw=lambda: 0.5,
                accounts=self.accounts,
                spool_dir=world.spool_dir,
            ),
            groups=await GroupReader(ledger=world.ledger, routing=world.routing).of(batch),
            details=details,
            handed_over=hand_over,
            drain_timeout=0.2,
        )
        return Watched(run, batch=batch, ledger=world.ledger, clock=world.clock, details=details)

    async def run(self) -> Ending:
        """Run the batch to its end."""
        async with asyncio.timeout(20):
            return await (await self.new_run(await self.world.load())).run()

    async def die(self) -> None:
        self._collecting.cancel()
        await asyncio.gather(self._collecting, return_exceptions=True)


@asynccontextmanager
async def process(world: World) -> AsyncGenerator[Process]:
    """A process that is ended."""
    made = Process(world)
    try:
        yield made
    finally:
        await made.die()


def busy(retry_after: float | None = None) -> RemoteError:
    return RemoteError(
        Trouble.BUSY, "The provider 'p' answered 429: full.", retry_after=retry_after, status=429
    )


def down() -> RemoteError:
    return RemoteError(Trouble.UNREACHABLE, "The provider 'p' cannot be reached: refused.")


def denied() -> RemoteError:
    return RemoteError(Trouble.DENIED, "The provider 'p' answered 401: bad key.", code="bad_key")


def refused() -> RemoteError:
    return RemoteError(Trouble.REFUSED, "The provider 'p' answered 400: no such model.")


def uncertain() -> RemoteError:
    return RemoteError(Trouble.UNCERTAIN, "The provider 'p' did not answer in time.")


def failing(*errors: BatchError) -> Mapping[str, object]:
    """A look at a job that failed validation."""
    return {"status": S.FAILED, "errors": errors}


def counts(completed: int, failed: int = 0) -> RequestCounts:
    return RequestCounts(total=completed + failed, completed=completed, failed=failed)


async def run(world: World) -> tuple[Ending, list[int]]:
    """Run the batch in one process; its ending, and the shards that were handed over."""
    async with process(world) as made:
        return await made.run(), made.handed_over


async def said(world: World, text: str) -> None:
    """Wait until the batch says so."""
    async with asyncio.timeout(10):
        while (await world.load()).status_details != text:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.002)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(10):
        # What is waited for happens in the code under test, which has no event for it.
        while not holds():  # noqa: ASYNC110 - said above
            await asyncio.sleep(0.002)


async def end(task: "asyncio.Task[Ending]") -> None:
    """The process is killed: nothing of it goes on."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
