"""`run`: a batch from a file on disk, without a server.

A run keeps its state (a small database and its results so far) in a directory of its own, so runs
never meet each other or a server, and one that was interrupted goes on where it was.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchway.bootstrap.accounts import close_accounts, open_accounts
from batchway.bootstrap.check import CannotRun, first_line, model_of, read_endpoint
from batchway.bootstrap.first_answer import FirstAnswers
from batchway.bootstrap.opening import open_blobs, owned
from batchway.bootstrap.parts import (
    SystemClock,
    new_ids,
    new_services,
    prepare_database,
    routing_table,
)
from batchway.bootstrap.preconditions import check_database, check_proxies
from batchway.bootstrap.run_files import copy_in, copy_out, digest
from batchway.bootstrap.run_state import Marker, mark, marker_of, remove_remains, remove_state
from batchway.bootstrap.signals import Interrupted, StopSignals
from batchway.bootstrap.trial import Trial
from batchway.bootstrap.work_thread import Work
from batchway.domain.batch import Batch
from batchway.domain.endpoint import Endpoint
from batchway.domain.file import File, Purpose
from batchway.domain.keys import DEFAULT_TENANT, Principal
from batchway.domain.reason import ReasonKind
from batchway.domain.routing import Destination
from batchway.domain.shard import Mode
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.domain.window import Window
from batchway.ports import Blobs
from batchway.providers.http.descriptors import raise_limit
from batchway.service.batches import BatchService
from batchway.service.commands import NewBatch
from batchway.settings import Settings
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.owner import Owner
from batchway.storage.ledger.sql_ledger import SqlLedger

_CALLER: Final = Principal(tenant=DEFAULT_TENANT, key_name="run")
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What `batchway run` was asked. `state` is the run's own directory.

    `input` is a plain file, `name` what people call it; `preflight` is whether one line goes first;
    `from_flags` whether the account was given by flags. `stopping` is told, when the run has been
    interrupted, how many requests in flight are waited for; `leaving` is called when they are not,
    because it was interrupted again.
    """

    input: Path
    name: str
    output: Path
    errors: Path
    endpoint: str | None
    state: Path
    window: Window
    provider: str | None
    preflight: bool = True
    from_flags: bool = False
    stopping: Callable[[int], None] = lambda _: None
    leaving: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended; paths are those of files that were written.

    `earlier` are the lines that had a result before this run went on with them.
    """

    batch: Batch
    earlier: int
    output: Path | None
    errors: Path | None


async def run_file(
    settings: Settings, request: RunRequest, *, progress: Callable[[Batch], None]
) -> RunResult:
    """Run a file to its end, or on from where an earlier run of it stopped.

    Cancelling, and a signal that asks to stop, let requests in flight finish for
    `execution.drain_timeout` seconds and keep the state. Raises `CannotRun`, `Unavailable`, and
    `Interrupted` after a signal; nothing is left of a run whose account was refused before any line
    had a result.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop(_: int) -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    with StopSignals(stop, leave=request.leaving) as signals:
        try:
            return await _run_file(settings, request, progress=progress)
        except asyncio.CancelledError:
            if signals.number is None:
                raise
            raise Interrupted(signals.number) from None


async def _run_file(
    settings: Settings, request: RunRequest, *, progress: Callable[[Batch], None]
) -> RunResult:
    raise_limit()
    settings = settings.model_copy(
        update={"data_dir": request.state, "database": None, "blobs": None}
    )
    endpoint = await asyncio.to_thread(
        read_endpoint, request.input, request.endpoint, name=request.name
    )
    # For what is said of first answers: the work loop has its own.
    accounts = open_accounts(settings, clock=SystemClock())
    try:
        check_proxies(settings)
        check_database(settings)
        answers = FirstAnswers(
            settings, accounts=accounts, endpoint=endpoint, from_flags=request.from_flags
        )
        if request.preflight:
            await _try_jobs(settings, answers, request, endpoint)
        return await _run_batch(settings, answers, request, endpoint, progress)
    finally:
        await close_accounts(accounts.values())


async def _run_batch(
    settings: Settings,
    answers: FirstAnswers,
    request: RunRequest,
    endpoint: Endpoint,
    progress: Callable[[Batch], None],
) -> RunResult:
    remove_remains(request.state)
    with owned(settings) as owner:
        prepare_database(settings)
        ledger = await SqlLedger.open(settings.database_url)
        try:
            blobs = await open_blobs(settings, ledger)
            batch_id = await _begin(
                settings, ledger=ledger, blobs=blobs, request=request, endpoint=endpoint
            )
            earlier = await _done(ledger, batch_id)
            await _forget_reason(ledger, batch_id)
            trial = Trial(judge=answers.judge if request.preflight else None)
            batch = await _finish(
                settings,
                ledger=ledger,
                blobs=blobs,
                owner=owner,
                batch_id=batch_id,
                progress=progress,
                trial=trial,
                request=request,
                refusal=_Refusal(ledger=ledger, earlier=earlier, spared=answers.spared)
                if request.preflight
                else None,
            )
            if batch is not None:
                files = await _files(ledger, batch)
                return await asyncio.to_thread(_deliver, blobs, batch, request, files, earlier)
            kept = await _done(ledger, batch_id) or await ledger.jobs.of(batch_id)
        finally:
            await ledger.close()
    if not kept:
        await asyncio.to_thread(remove_state, request.state)
    goes_on = " The same command goes on when that is mended." if kept else ""
    raise CannotRun(f"{trial.verdict or ''}{goes_on}")


async def _try_jobs(
    settings: Settings, answers: FirstAnswers, request: RunRequest, endpoint: str
) -> None:
    """Try the account of the first line, if its lines become jobs. Raises `CannotRun`."""
    model = model_of(await asyncio.to_thread(first_line, request.input))
    destination = routing_table(settings).resolve(
        model, endpoint=endpoint, provider=request.provider, allowed=None
    )
    if isinstance(destination, Destination) and destination.mode is Mode.NATIVE:
        verdict = await answers.judge_jobs(destination.primaries[0])
        if verdict is not None:
            raise CannotRun(verdict)


async def _forget_reason(ledger: SqlLedger, batch_id: str) -> None:
    """What an earlier run of it waited for may be mended: only this one's word counts."""
    batch = await ledger.batches.load(batch_id)
    if batch is not None and batch.status not in TERMINAL:
        await ledger.batches.describe(batch_id, [])


async def _done(ledger: SqlLedger, batch_id: str) -> int:
    batch = await ledger.batches.load(batch_id)
    return 0 if batch is None else batch.counts.completed + batch.counts.failed


async def _begin(
    settings: Settings,
    *,
    ledger: SqlLedger,
    blobs: LocalBlobs,
    request: RunRequest,
    endpoint: Endpoint,
) -> str:
    """The id of this run's batch: that of an earlier run of the same file, or a new one."""
    clock, ids = SystemClock(), new_ids()
    sha256 = await asyncio.to_thread(digest, request.input)
    earlier = marker_of(request.state)
    if earlier is not None:
        if earlier.input_sha256 != sha256:
            raise CannotRun(
                f"{request.name} has changed since the run that {request.state} belongs to. "
                "Use --restart to drop that run, or another output file."
            )
        if (earlier.endpoint, earlier.provider) != (endpoint, request.provider):
            raise CannotRun(
                f"{request.state} belongs to a run with another endpoint or provider. "
                "Use --restart to drop that run, or another output file."
            )
        known = await ledger.batches.load(earlier.batch_id)
        if known is not None and known.status is not BatchStatus.FAILED:
            return known.id
    files, _ = new_services(settings, ledger=ledger, blobs=blobs, clock=clock)
    batches = BatchService(
        ledger=ledger,
        clock=clock,
        ids=ids,
        files=files,
        providers=[entry.name for entry in settings.providers],
        wake=lambda _: None,  # the work has not begun: its first look at the ledger finds it
    )
    now = int(clock.now())
    file_id, batch_id = ids.file(), ids.batch()
    blob = f"files/{file_id}"
    size = await asyncio.to_thread(copy_in, blobs, blob, request.input)
    await ledger.files.add(
        File(
            id=file_id,
            tenant=DEFAULT_TENANT,
            bytes=size,
            created_at=now,
            expires_at=None,
            filename=Path(request.name).name,
            purpose=Purpose.BATCH,
            blob=blob,
            sha256=sha256,
        )
    )
    # The marker goes first: a batch without one would be forgotten, and paid for again.
    mark(
        request.state,
        Marker(
            batch_id=batch_id, input_sha256=sha256, endpoint=endpoint, provider=request.provider
        ),
    )
    new = NewBatch(
        input_file_id=file_id, endpoint=endpoint, window=request.window, provider=request.provider
    )
    await batches.create(_CALLER, new, batch_id=batch_id)
    return batch_id


async def _finish(
    settings: Settings,
    *,
    ledger: SqlLedger,
    blobs: Blobs,
    owner: Owner,
    batch_id: str,
    progress: Callable[[Batch], None],
    trial: Trial,
    request: RunRequest,
    refusal: "_Refusal | None",
) -> Batch | None:
    """Run the batch until it ends, showing how it goes; `None` when its account is refused."""
    death: list[BaseException] = []
    work = Work(
        settings=settings,
        blobs=blobs,
        clock=SystemClock(),
        owner=owner,
        failed=death.append,
        around=trial.over,
    )
    await asyncio.to_thread(work.start)
    try:
        while True:
            batch = await ledger.batches.load(batch_id)
            if batch is None:
                raise CannotRun("The run's state was removed while it ran.")
            if refusal is not None and trial.verdict is None:
                trial.verdict = await refusal.of(batch)
            if trial.verdict is None:  # or it would promise to go on trying
                progress(batch)
            if batch.status in TERMINAL:
                return batch
            if death:
                raise death[0]
            if trial.verdict is not None:
                return None
            await asyncio.sleep(_POLL_SECONDS)
    except asyncio.CancelledError:
        request.stopping(trial.in_flight)
        raise
    finally:
        # Not in a thread: this must also happen when the loop is being torn down by Ctrl-C.
        work.stop(settings.execution.drain_timeout + 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """Whether an account is refused before it has done anything: a served batch waits, a run ends.

    `earlier` are the lines that had a result before; `spared` providers that a route can do
    without. What requests draw, `trial` has told by then: this is for what only jobs draw.
    """

    ledger: SqlLedger
    earlier: int
    spared: Collection[str]

    async def of(self, batch: Batch) -> str | None:
        """The sentence against the account of a batch that waits."""
        reason = batch.waited_for
        if batch.status_reason is not ReasonKind.ACCOUNT or reason is None:
            return None
        if batch.counts.completed + batch.counts.failed > self.earlier:
            return None
        if set(batch.providers) & set(self.spared):
            return None
        jobs = await self.ledger.jobs.of(batch.id)
        return None if any(job.remote_id for job in jobs) else reason.sentence


async def _files(ledger: SqlLedger, batch: Batch) -> tuple[File | None, File | None]:
    async def get(file_id: str | None) -> File | None:
        return None if file_id is None else await ledger.files.get(batch.tenant, file_id)

    return await get(batch.output_file_id), await get(batch.error_file_id)


def _deliver(
    blobs: Blobs,
    batch: Batch,
    request: RunRequest,
    files: tuple[File | None, File | None],
    earlier: int,
) -> RunResult:
    output, errors = files
    written_output = copy_out(blobs, output, request.output)
    written_errors = copy_out(blobs, errors, request.errors)
    return RunResult(batch=batch, earlier=earlier, output=written_output, errors=written_errors)
