"""Everything that runs batches, built from settings for one event loop."""

import os
import random
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from batchway.bootstrap.accounts import close_accounts, dialects_of, native_accounts, open_accounts
from batchway.bootstrap.parts import new_ids, routing_table, scan_limits
from batchway.dispatch.limits import Aim
from batchway.dispatch.limits import Limits as DispatchLimits
from batchway.dispatch.memory import LimitMemory
from batchway.dispatch.sender import Sender
from batchway.domain.batch import Batch
from batchway.domain.errors import Unavailable
from batchway.domain.shard import Shard
from batchway.engine.late import LateEngine
from batchway.engine.notes import check_file
from batchway.ports import Account, Blobs, Clock, Engine, EngineMetrics, Ledger, Transport
from batchway.providers.http.budget import Budget
from batchway.providers.http.descriptors import Shortage, division, limit
from batchway.providers.http.engine_metrics import HttpEngineMetrics
from batchway.providers.http.sending import SendingTransport
from batchway.results.collector import Collector
from batchway.results.finalize import Finalize
from batchway.results.records import Records
from batchway.results.segments import encode
from batchway.settings import ProviderSettings, Settings
from batchway.storage.private import make_database
from batchway.workflows.details import StatusDetails
from batchway.workflows.execution import Execution
from batchway.workflows.managed.outstanding import Outstanding
from batchway.workflows.managed.run import ManagedRun, ManagedRunner
from batchway.workflows.native.context import Resources
from batchway.workflows.native.remains import Remains
from batchway.workflows.native.run import NativeRun
from batchway.workflows.plan.groups import GroupReader, Groups
from batchway.workflows.plan.ingest import Ingest, Started
from batchway.workflows.sprint import Sprints
from batchway.workflows.story import BatchStory


def new_limits(settings: ProviderSettings) -> DispatchLimits:
    """The limits of a provider's entry."""
    limits = settings.limits
    return DispatchLimits(
        concurrency=None if limits.concurrency == "auto" else limits.concurrency,
        max_concurrency=limits.max_concurrency,
        aim=Aim(limits.aim),
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
        timeout=limits.timeout,
        max_attempts=limits.max_attempts,
    )


def new_transport(settings: Settings) -> Transport:
    """What sends requests. Its processes start with the first request: idle, none is there."""
    processes = settings.execution.sending_processes
    if processes == "auto":
        # A second process has nothing to gain from a single processor.
        processes = 1 if _processors() > 1 else 0
    if processes == 0 or os.name == "nt":
        # Not needed, it need not take the memory either.
        from batchway.providers.http.transport import HttpTransport  # noqa: PLC0415 - said above

        return HttpTransport(
            most_requests=division(limit()).requests, budget=Budget(), shortage=Shortage()
        )
    return SendingTransport(processes=processes, most_requests=division(limit()).requests_of_child)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def new_engine(settings: Settings, clock: Clock) -> Engine:
    """The durable engine: on SQLite in a file of its own, so that it never waits for the ledger.

    Raises `Unavailable` when the file cannot be made or is damaged.
    """
    file, url = settings.sqlite_file, settings.database_url
    if file is not None:
        file = _engine_file(file)
        url = f"sqlite:///{file}"
        try:
            make_database(file)
        except OSError as error:
            raise Unavailable(f"The engine's database {file} cannot be made: {error}.") from error
        check_file(file)

    def load() -> Engine:
        # The slowest import of all; a server that runs short batches only never needs it.
        from batchway.engine.dbos_engine import DbosEngine  # noqa: PLC0415 - said above

        return DbosEngine(database_url=url, executor_id="local", clock=clock)

    return LateEngine(load=load)


def _engine_file(ledger_file: Path) -> Path:
    return ledger_file.with_name(f"{ledger_file.stem}-engine{ledger_file.suffix}")


class Dispatch:
    """Everything that runs batches, built for the running event loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        ledger: Ledger,
        blobs: Blobs,
        clock: Clock,
        around: Callable[[Transport], Transport] | None = None,
    ) -> None:
        draw = random.SystemRandom().random
        # Ids of result lines must be unlike each other, not hard to guess: asking the system for
        # each one would cost as much as writing the line.
        records = Records(random_bytes=random.Random(os.urandom(16)).randbytes)  # noqa: S311
        routing = routing_table(settings)
        execution = settings.execution
        most_lines = max((_ceiling(provider) for provider in settings.providers), default=1)
        transport = new_transport(settings)
        self.held_up: set[str] = set()  # batches that only wait: these take no place from others
        self.transport = transport if around is None else around(transport)
        self.collector = Collector(
            blobs=blobs,
            shards=ledger.shards,
            clock=clock,
            new_name=lambda: secrets.token_hex(8),
            encode=encode,
            interval=execution.commit_interval,
            flush_bytes=execution.max_outstanding_bytes // 4,
            most_bytes=execution.max_outstanding_bytes,
        )
        self.memory = LimitMemory(store=ledger.limits, clock=clock)
        accounts = self._accounts = open_accounts(settings, clock=clock)
        sender = self.sender = Sender(
            accounts=accounts,
            limits={entry.name: new_limits(entry) for entry in settings.providers},
            transport=self.transport,
            clock=clock,
            draw=draw,
            recall=self.memory.recall,
            metrics={
                entry.name: metrics
                for entry in settings.providers
                if (metrics := _metrics(entry, accounts[entry.name], self.transport)) is not None
            },
        )
        ingest = Ingest(
            ledger=ledger,
            blobs=blobs,
            routing=routing,
            dialect=dialects_of(accounts),
            limits=scan_limits(settings, max_errors=settings.limits.max_errors),
            clock=clock,
        )

        spool_dir = settings.data_dir / "spool"
        # What a process that was killed left there. The data directory is one process's alone.
        shutil.rmtree(spool_dir, ignore_errors=True)

        native = Resources(
            ledger=ledger,
            blobs=blobs,
            collector=self.collector,
            records=records,
            clock=clock,
            draw=random.random,
            accounts=native_accounts(settings, accounts=accounts, clock=clock, draw=random.random),
            spool_dir=spool_dir,
        )
        self.remains = Remains(ledger=ledger, accounts=native.accounts, clock=clock)

        def new_native(
            batch: Batch,
            groups: Groups,
            details: StatusDetails,
            handed_over: Callable[[Shard], None],
        ) -> NativeRun:
            return NativeRun(
                batch=batch,
                resources=native,
                groups=groups,
                details=details,
                handed_over=handed_over,
                drain_timeout=execution.drain_timeout,
            )

        managed = ManagedRunner(
            ledger=ledger,
            blobs=blobs,
            sender=sender,
            collector=self.collector,
            records=records,
            clock=clock,
            providers=frozenset(accounts),
            draw=random.random,  # picks a route's target: no secret depends on it
            # One for all batches: the setting bounds the process.
            outstanding=Outstanding(most_bytes=execution.max_outstanding_bytes),
            most_lines=2 * most_lines,
            drain_timeout=execution.drain_timeout,
        )
        groups = GroupReader(ledger=ledger, routing=routing)

        def new_sprint(batch: Batch, started: Started, details: StatusDetails) -> ManagedRun:
            known = {started.group.name: started.group}
            return managed.new_run(batch, Groups(known=known), details, claimed=started.claim)

        self.sprints = Sprints(
            ledger=ledger,
            blobs=blobs,
            clock=clock,
            ingest=ingest,
            collector=self.collector,
            new_run=new_sprint,
            new_file_id=new_ids().file,
            held_up=self.held_up,
        )
        self.story = BatchStory(
            ledger=ledger,
            blobs=blobs,
            clock=clock,
            ingest=ingest,
            finalize=Finalize(
                ledger=ledger,
                blobs=blobs,
                records=records,
                clock=clock,
                new_file_id=new_ids().file,
            ),
            new_run=lambda batch: Execution(
                batch=batch,
                ledger=ledger,
                clock=clock,
                groups=groups,
                new_managed=managed.new_run,
                new_native=new_native,
                held_up=self.held_up,
            ),
        )

    async def close(self) -> None:
        """Close connections to accounts and upstreams."""
        await self.transport.close()
        await close_accounts(self._accounts.values())


def _metrics(
    settings: ProviderSettings, account: Account, transport: Transport
) -> EngineMetrics | None:
    """Where an engine tells its load, if it may be asked."""
    where = settings.limits.engine_metrics
    if where == "off" or settings.limits.concurrency != "auto":
        return None
    if where != "auto":
        return HttpEngineMetrics(transport=transport, url=where)
    url = settings.own_metrics
    if url is None:
        return None
    return HttpEngineMetrics(transport=transport, url=url, account=account)


def _ceiling(provider: ProviderSettings) -> int:
    limits = provider.limits
    return limits.max_concurrency if limits.concurrency == "auto" else limits.concurrency
