"""API keys made with `batchway keys`. Owns the `keys` table; never sees a secret."""

import builtins
from typing import Final

from sqlalchemy import bindparam, select, text, update

from batchway.domain.keys import ApiKey
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Database, Row

_t: Final = tables.keys
_ACTIVE: Final = _t.c.revoked_at.is_(None)
_FIND: Final = select(_t).where(_t.c.digest == bindparam("digest"), _ACTIVE)
_LIST: Final = select(_t).order_by(_t.c.seq)
_REVOKE: Final = (
    update(_t).where(_t.c.name == bindparam("of_name"), _ACTIVE).values(revoked_at=bindparam("at"))
)


class SqlKeys:
    """`ports.Keys`."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        # Literally the index's own condition, or PostgreSQL would not recognise the index.
        self._add = database.insert_or_skip(_t, columns=("name",), where=text("revoked_at IS NULL"))

    async def add(self, key: ApiKey) -> bool:
        values = {
            "name": key.name,
            "tenant": key.tenant,
            "digest": key.digest,
            "hint": key.hint,
            "created_at": key.created_at,
            "providers": None if key.providers is None else sorted(key.providers),
            "revoked_at": key.revoked_at,
            "passthrough": key.passthrough,
        }
        return await self._database.write(self._add, values) == 1

    async def find(self, digest: str) -> ApiKey | None:
        row = await self._database.row(_FIND, {"digest": digest})
        return None if row is None else _key_of(row)

    async def list(self) -> builtins.list[ApiKey]:
        return [_key_of(row) for row in await self._database.rows(_LIST)]

    async def revoke(self, name: str, at: int) -> bool:
        return await self._database.write(_REVOKE, {"of_name": name, "at": at}) == 1


def _key_of(row: Row) -> ApiKey:
    return ApiKey(
        name=row.name,
        tenant=row.tenant,
        digest=row.digest,
        hint=row.hint,
        created_at=row.created_at,
        providers=None if row.providers is None else frozenset(row.providers),
        revoked_at=row.revoked_at,
        passthrough=row.passthrough,
    )
