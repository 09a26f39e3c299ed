"""From settings to parts: the small constructions that every command shares.

Imports nothing that is slow to load: `batchway check` and `batchway keys` must answer at once.
"""

import asyncio
import os
import time
from dataclasses import replace

from batchway.domain.ids import Ids
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Account, RoutingTable
from batchway.ports import Blobs, Clock, Ledger
from batchway.service.files import FileService
from batchway.service.limits import Limits
from batchway.service.uploads import UploadService
from batchway.settings import (
    NativeSettings,
    ProviderSettings,
    Settings,
)
from batchway.workflows.plan.scan import ScanLimits


class SystemClock:
    """`ports.Clock` by the machine's clock."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        await asyncio.sleep(seconds)


def new_ids() -> Ids:
    """Ids from the system's randomness."""
    return Ids(random_bytes=os.urandom)


def prepare_database(settings: Settings) -> None:
    """Create or upgrade the database. Blocks; raises `Unavailable`."""
    from batchway.storage import migrations  # noqa: PLC0415 - Alembic is slow to import

    migrations.upgrade(settings.database_url)


def routing_table(settings: Settings) -> RoutingTable:
    """Providers and routes as the domain sees them."""
    return RoutingTable(
        providers={provider.name: _account(provider) for provider in settings.providers},
        routes={route.model: route.route() for route in settings.routes},
    )


def _account(settings: ProviderSettings) -> Account:
    native = settings.batch_api
    if native is None:
        return Account(objection=settings.objection, own_model=settings.own_model)

    def traits_of(model: str, overrides: Overrides) -> NativeTraits | None:
        traits = settings.traits_of(model, overrides)
        return None if traits is None else native_traits(native, traits)

    return Account(
        mode=settings.mode,
        traits_of=traits_of,
        rescue=native.rescue,
        objection=settings.objection,
        no_jobs=settings.no_jobs,
        own_model=settings.own_model,
        models=settings.known_models,
        patterns=settings.model_patterns,
    )


def native_traits(native: NativeSettings, traits: NativeTraits) -> NativeTraits:
    """What one job of a provider, or of a model of it, may hold: the least of what is known of it
    and what is configured.
    """
    return replace(
        traits,
        max_lines=_least(native.max_lines, traits.max_lines),
        max_bytes=_least(native.max_bytes, traits.max_bytes),
        enqueued_tokens=native.enqueued_tokens
        if traits.enqueued_tokens is None
        else _least(native.enqueued_tokens, traits.enqueued_tokens),
    )


def _least(configured: int | None, known: int) -> int:
    return known if configured is None else min(configured, known)


def scan_limits(settings: Settings, *, max_errors: int | None) -> ScanLimits:
    """Limits of an input file and the sizes of shards."""
    return ScanLimits(
        max_lines=settings.limits.max_lines,
        max_line_bytes=settings.limits.max_line_bytes,
        max_errors=max_errors,
        shard_lines_min=settings.execution.shard_lines_min,
        shard_lines_max=settings.execution.shard_lines_max,
        shard_bytes=settings.execution.shard_bytes,
    )


def service_limits(settings: Settings) -> Limits:
    """How much a client may send."""
    most = settings.limits.max_file_bytes
    return Limits() if most is None else Limits(file_bytes=most, upload_bytes=most)


def new_services(
    settings: Settings, *, ledger: Ledger, blobs: Blobs, clock: Clock
) -> tuple[FileService, UploadService]:
    """The services of files and uploads over one ledger."""
    ids, limits = new_ids(), service_limits(settings)
    files = FileService(ledger=ledger, blobs=blobs, clock=clock, ids=ids, limits=limits)
    uploads = UploadService(
        ledger=ledger, blobs=blobs, clock=clock, ids=ids, limits=limits, files=files
    )
    return files, uploads
