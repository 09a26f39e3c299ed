"""Groups as stored: where the lines of a batch go, kept for as long as its plan.

a plan of many shards   a row of `groups` for each group
a short batch           its one group as JSON in the row of its one shard, so that its begin and
                        its end take no statement more
"""

from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from batchway.domain.group import Group, GroupTarget
from batchway.domain.remote import NativeTraits
from batchway.domain.shard import Mode
from batchway.storage.ledger import tables
from batchway.storage.ledger.database import Row

_t: Final = tables.groups
_FIELDS: Final = [column.key for column in _t.c if column.key != "batch_id"]

INSERT_GROUP: Final = insert(_t)
GROUPS: Final = select(_t).where(_t.c.batch_id == bindparam("batch_id")).order_by(_t.c.name)
FORGET_GROUPS: Final = delete(_t).where(_t.c.batch_id == bindparam("of_batch"))


ONLY_GROUP: Final = select(tables.shards.c.only_group).where(
    tables.shards.c.batch_id == bindparam("batch_id"), tables.shards.c.only_group.is_not(None)
)


def group_values(batch_id: str, group: Group) -> dict[str, Any]:
    """A group as column values."""
    return {"batch_id": batch_id, **group_json(group)}


def group_json(group: Group) -> dict[str, Any]:
    """A group as JSON, by the names of the columns."""
    traits = group.traits
    return {
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
    return group_of_json({name: getattr(row, name) for name in _FIELDS})


def group_of_json(values: dict[str, Any]) -> Group:
    """The group that `group_json` made these of."""
    traits = values["traits"]
    return Group(
        name=values["name"],
        mode=Mode(values["mode"]),
        primaries=tuple(_target_of(target) for target in values["primaries"]),
        fallbacks=tuple(_target_of(target) for target in values["fallbacks"]),
        # What a later version knows of an account and this one does not has its default.
        traits=None if traits is None else msgspec.convert(traits, NativeTraits),
        rescue=values["rescue"],
    )


def _target_values(target: GroupTarget) -> list[Any]:
    return [target.provider, target.model, target.weight]


def _target_of(values: list[Any]) -> GroupTarget:
    provider, model, weight = values
    return GroupTarget(provider=provider, model=model, weight=weight)
