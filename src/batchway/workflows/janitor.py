"""The janitor: removes what nobody needs.

Every quarter of an hour: expired files and uploads, leftovers of ended batches, blobs that no row
names, bytes of abandoned writers, the engine's old rows. Each chore is idempotent, and one that
fails is logged and tried again at its next turn without holding up the others. Batches without a
running story are started by `workflows.starter`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from batchway.domain.errors import Unavailable
from batchway.domain.status import TERMINAL
from batchway.ports import Blobs, Clock, Engine, Ledger

_log: Final = logging.getLogger(__name__)
_ORPHAN_AGE: Final = 86_400.0  # a blob is committed moments before its row: a day is ample
_KEY_AGE: Final = 30 * 86_400.0
_ENGINE_AGE: Final = 7 * 86_400.0
_ENDED: Final = frozenset({*TERMINAL, None})  # `None`: a batch that the ledger does not know


class Janitor:
    """Runs chores for ever. Belongs to the engine's event loop.

    `chores` are further ones, by what they do in words (`expire uploads`). Bytes from before
    `since` (Unix) were in the blob store when this database came to it: they are not orphans of
    its own, and stay for the database that they belong to.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        blobs: Blobs,
        engine: Engine,
        clock: Clock,
        clean: Callable[[str], Awaitable[None]],
        chores: Mapping[str, Callable[[], Awaitable[object]]],
        since: float = 0.0,
        chore_interval: float = 900.0,
    ) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._engine = engine
        self._clock = clock
        self._clean = clean
        self._chores = chores
        self._since = since
        self._chore_interval = chore_interval

    async def run(self) -> None:
        """Do chores until cancelled."""
        while True:
            await self.do_chores()
            await self._clock.sleep(self._chore_interval)

    async def do_chores(self) -> None:
        """Every slow chore once."""
        for chore, do in self._chores.items():
            await self._attempt(chore, do)
        await self._attempt("clean ended batches", self._clean_batches)
        await self._attempt("remove orphaned bytes", self._remove_orphans)
        await self._attempt("forget old idempotency keys", self._forget_once)
        await self._attempt("prune the engine", self._prune_engine)

    async def _attempt(self, chore: str, do: Callable[[], Awaitable[object]]) -> None:
        try:
            await do()
        except Unavailable as error:
            _log.warning("could not %s, will try again: %s", chore, error)
        except Exception:  # noqa: BLE001 - a defect in one chore must not end all of them
            _log.exception("could not %s because of a defect, will try again", chore)

    async def _clean_batches(self) -> None:
        for batch_id in await self._ledger.shards.leftovers():
            await self._clean(batch_id)

    async def _remove_orphans(self) -> None:
        before = self._clock.now() - _ORPHAN_AGE
        await asyncio.to_thread(self._blobs.sweep, before)
        for key in await asyncio.to_thread(self._old, "files/", before):
            if not await self._ledger.files.blob_in_use(key):
                await asyncio.to_thread(self._blobs.delete, key)
        parts = _by_owner(await asyncio.to_thread(self._old, "uploads/", before))
        for upload_id, keys in parts.items():
            named = {part.blob for part in await self._ledger.uploads.parts(upload_id)}
            await asyncio.to_thread(self._delete, [key for key in keys if key not in named])
        segments = _by_owner(await asyncio.to_thread(self._old, "segments/", before))
        statuses = await self._ledger.batches.statuses(list(segments))
        for batch_id, keys in segments.items():
            if statuses.get(batch_id) in _ENDED:
                await asyncio.to_thread(self._delete, keys)

    def _old(self, prefix: str, before: float) -> list[str]:
        return [key for key, written in self._blobs.keys(prefix) if self._since <= written < before]

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._blobs.delete(key)

    async def _forget_once(self) -> None:
        await self._ledger.purge_idempotency_keys(int(self._clock.now() - _KEY_AGE))

    async def _prune_engine(self) -> None:
        await self._engine.prune(self._clock.now() - _ENGINE_AGE)


def _by_owner(keys: Iterable[str]) -> dict[str, list[str]]:
    """Keys such as `segments/<batch id>/<name>` by the id in them."""
    owners: dict[str, list[str]] = {}
    for key in keys:
        owners.setdefault(key.split("/")[1], []).append(key)
    return owners
