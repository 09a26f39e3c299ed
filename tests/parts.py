"""Parts of the product as tests put them together: the one place that knows each constructor.

A test names what it is about and takes the rest as it comes, so that a part with one argument more
is a change here and in `bootstrap`, not in every test that needs such a part. Parts that one test
module alone needs (`ManagedRun`, `NativeRun`, `Starter`) stay with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.unit.fakes import counted_bytes, counted_names, dialect_of

from batchway.domain.call import Call
from batchway.domain.ids import Ids
from batchway.domain.routing import Account, RoutingTable
from batchway.domain.shard import Mode
from batchway.ports import Blobs, Clock, Dialect, Ledger, Shards
from batchway.results.collector import Collector
from batchway.results.finalize import Finalize
from batchway.results.records import Records
from batchway.results.segments import encode
from batchway.service.files import FileService
from batchway.service.limits import Limits
from batchway.service.uploads import UploadService
from batchway.workflows.plan.ingest import Ingest
from batchway.workflows.plan.scan import ScanLimits


def new_ingest(
    *,
    ledger: Ledger,
    blobs: Blobs,
    clock: Clock,
    providers: Mapping[str, Account] | None = None,
    routing: RoutingTable | None = None,
    limits: ScanLimits | None = None,
    dialect: Callable[[str, Call, Mode], Dialect | None] | None = None,
) -> Ingest:
    """An ingest for these providers, without routes unless a `routing` has some.

    Every provider speaks OpenAI's dialect, unless `dialect` says otherwise.
    """
    return Ingest(
        ledger=ledger,
        blobs=blobs,
        routing=routing or RoutingTable(providers=providers or {}, routes={}),
        dialect=dialect or dialect_of,
        limits=limits or ScanLimits(),
        clock=clock,
    )


def new_collector(
    *,
    shards: Shards,
    blobs: Blobs,
    clock: Clock,
    interval: float,
    new_name: Callable[[], str] | None = None,
    flush_bytes: int = 16 << 20,
    most_bytes: int = 64 << 20,
) -> Collector:
    """A collector that is not running yet; segments are called `s0`, `s1`, ..."""
    return Collector(
        blobs=blobs,
        shards=shards,
        clock=clock,
        new_name=new_name or counted_names("s"),
        encode=encode,
        interval=interval,
        flush_bytes=flush_bytes,
        most_bytes=most_bytes,
    )


def new_finalize(
    *,
    ledger: Ledger,
    blobs: Blobs,
    clock: Clock,
    records: Records | None = None,
    prefix: str = "file-",
) -> Finalize:
    """A finalize whose files are called `file-0`, `file-1`, ..."""
    return Finalize(
        ledger=ledger,
        blobs=blobs,
        records=records or Records(random_bytes=counted_bytes()),
        clock=clock,
        new_file_id=counted_names(prefix),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services of files, over one ledger."""

    files: FileService
    uploads: UploadService


def new_services(
    *, ledger: Ledger, blobs: Blobs, clock: Clock, ids: Ids, limits: Limits | None = None
) -> Services:
    """Files and uploads in parts."""
    limits = limits or Limits()
    files = FileService(ledger=ledger, blobs=blobs, clock=clock, ids=ids, limits=limits)
    uploads = UploadService(
        ledger=ledger, blobs=blobs, clock=clock, ids=ids, limits=limits, files=files
    )
    return Services(files=files, uploads=uploads)
