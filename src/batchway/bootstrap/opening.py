"""Taking a data directory, a database and a blob store for this process alone, or not at all.

    owned       the locks of the directory and of the database: one Batchway for each
    open_blobs  the blob store, if it is the one that the database belongs to
    adopt_blobs the way out when that store is lost

    database has   store has   then
    an id          the same    they belong together
    an id          another     refused: the store of another database
    an id          none        refused: not mounted, moved, or lost
    none           either      adopted, if blobs that the database names are there

Refusals make nothing, so an empty mount point stays empty. Decided in docs/adr/0017.
"""

import asyncio
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchway.bootstrap.parts import SystemClock, prepare_database
from batchway.domain.errors import Unavailable
from batchway.settings import Settings
from batchway.storage.blobs.identity import count_present, read_identity, write_identity
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.blobs.lock import DataLock
from batchway.storage.ledger.owner import Owner, new_owner
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.storage.ledger.stores import Belonging
from batchway.storage.private import make_directory, tighten_directory

_LOOKED_FOR: Final = 500  # blobs of each kind, to see whether an old database meets its store
# How the names of what Batchway puts into a data directory begin.
_OURS: Final = ("batchway", "blobs", "spool", "run.")


@contextmanager
def owned(settings: Settings) -> Generator[Owner]:
    """Hold the data directory and the database. Raises `Unavailable`, naming who has them."""
    directory = settings.data_dir
    lock, owner = DataLock(directory), new_owner(settings.database_url)
    try:
        lock.acquire()
        tighten_directory(directory, known=_OURS)
        owner.acquire()
        yield owner
    finally:
        owner.release()
        lock.release()


async def open_blobs(settings: Settings, ledger: SqlLedger) -> LocalBlobs:
    """The blob store of this database. Raises `Unavailable`: another one, none, or not writable.

    Call it as the owner of the database: the first use writes to both.
    """
    root = settings.blob_dir
    found = await asyncio.to_thread(read_identity, root)
    belonging = await ledger.stores.get()
    if belonging is not None:
        if found != belonging.identity:
            raise _foreign(settings, ledger.label, belonging.identity, found)
        return await asyncio.to_thread(LocalBlobs, root, identity=found)
    named = await ledger.stores.known_blobs(_LOOKED_FOR)
    if named and not await asyncio.to_thread(count_present, root, named):
        raise _foreign(settings, ledger.label, None, found)
    # Bytes from before an empty database are another one's: they stay for whoever comes back.
    since = 0 if named else int(SystemClock().now())
    return await _adopt(ledger, root, found, since=since)


def adopt_blobs(settings: Settings) -> str:
    """Let the database belong to the configured store, whatever it belonged to; the store's id.

    Only while no server runs. Raises `Unavailable`.
    """

    async def adopt() -> str:
        ledger = await SqlLedger.open(settings.database_url)
        try:
            found = await asyncio.to_thread(read_identity, settings.blob_dir)
            now = int(SystemClock().now())
            await _adopt(ledger, settings.blob_dir, found, since=now)
            belonging = await ledger.stores.get()
        finally:
            await ledger.close()
        return "" if belonging is None else belonging.identity

    with owned(settings):
        prepare_database(settings)
        return asyncio.run(adopt())


async def _adopt(ledger: SqlLedger, root: Path, found: str | None, *, since: int) -> LocalBlobs:
    identity = found or secrets.token_hex(16)
    if found is None:
        await asyncio.to_thread(make_directory, root)
        await asyncio.to_thread(write_identity, root, identity)
    blobs = await asyncio.to_thread(LocalBlobs, root, identity=identity)
    # The store first: a crash in between leaves a store with an id, which is adopted next time.
    await ledger.stores.set(Belonging(identity=identity, since=since))
    return blobs


def _foreign(
    settings: Settings, database: str, wanted: str | None, found: str | None
) -> Unavailable:
    root = settings.blob_dir
    if wanted is None:
        plight = f"{root} has none of the files that the {database} names"
    elif found is None:
        plight = (
            f"{root} is not the blob store that the {database} belongs to ({wanted[:8]}): it has "
            "no file `batchway-store`, as when a volume is not mounted"
        )
    else:
        plight = (
            f"{root} is another blob store ({found[:8]}) than the one that the {database} belongs "
            f"to ({wanted[:8]})"
        )
    return Unavailable(
        f"{plight}. Mount it, or set `blobs` (or `data_dir`) to where it is now; a second server "
        "needs a database of its own. Only if the store is lost for good, `batchway db "
        "adopt-blobs` goes on without it."
    )
