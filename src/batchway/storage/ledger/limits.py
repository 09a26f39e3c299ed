"""Limits that `auto` found. Owns the `target_limits` table."""

import builtins
from typing import Final

from sqlalchemy import select

from batchway.ports import TargetLimit
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database

_t: Final = tables.target_limits
_LIST: Final = select(_t).order_by(_t.c.provider, _t.c.model)


class SqlTargetLimits:
    """`ports.TargetLimits`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._put = database.insert_or_replace(_t, columns=("provider", "model"))

    async def put(self, limit: TargetLimit) -> None:
        await self._database.write(
            self._put,
            {
                "provider": limit.provider,
                "model": limit.model,
                "limit_found": limit.limit,
                "found_at": limit.found_at,
            },
        )

    async def list(self) -> builtins.list[TargetLimit]:
        return [
            TargetLimit(
                provider=row.provider,
                model=row.model,
                limit=row.limit_found,
                found_at=row.found_at,
            )
            for row in await self._database.rows(_LIST)
        ]
