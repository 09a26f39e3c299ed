"""Rows of `groups`: where the lines of a batch go, kept for as long as its plan."""

from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from batchway.domain.group import Group, GroupTarget
from batchway.domain.remote import NativeTraits
from batchway.domain.shard import Mode
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Row

_t: Final = tables.groups

INSERT_GROUP: Final = insert(_t)
GROUPS: Final = select(_t).where(_t.c.batch_id == bindparam("batch_id")).order_by(_t.c.name)
FORGET_GROUPS: Final = delete(_t).where(_t.c.batch_id == bindparam("of_batch"))


def group_values(batch_id: str, group: Group) -> dict[str, Any]:
    """A group as column values."""
    traits = group.traits
    return {
        "batch_id": batch_id,
        "name": group.name,
        "mode": group.mode.value,
        "primaries": [_target_values(target) for target in group.primaries],
        "fallbacks": [_target_values(target) for target in group.fallbacks],
        # Sorted, as sets are not: a row is the same however often it is made.
        "traits": None if traits is None else msgspec.to_builtins(traits, order="deterministic"),
        "rescue": group.rescue,
    }


def group_of(row: Row) -> Group:
    """The group of a row."""
    return Group(
        name=row.name,
        mode=Mode(row.mode),
        primaries=tuple(_target_of(values) for values in row.primaries),
        fallbacks=tuple(_target_of(values) for values in row.fallbacks),
        # What a later version knows of an account and this row does not has its default.
        traits=None if row.traits is None else msgspec.convert(row.traits, NativeTraits),
        rescue=row.rescue,
    )


def _target_values(target: GroupTarget) -> list[Any]:
    return [target.provider, target.model, target.weight]


def _target_of(values: list[Any]) -> GroupTarget:
    provider, model, weight = values
    return GroupTarget(provider=provider, model=model, weight=weight)
