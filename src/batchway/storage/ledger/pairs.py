"""Metadata of batches as pairs: what a batch is found by; what it shows is its own row's.

Owns the `batch_metadata` table, which is written with a batch and read by lists.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, bindparam, false, insert, select

from batchway.domain.batch import LONGEST_KEY, LONGEST_VALUE, Batch
from batchway.storage.ledger import tables
from batchway.storage.ledger.text import is_storable, stored

_b: Final = tables.batches
_p: Final = tables.batch_metadata

# A pair of a batch whose row was written before it in the same transaction.
INSERT_PAIR: Final = (
    insert(_p)
    .from_select(
        ["tenant", "key", "value", "batch_seq"],
        select(
            _b.c.tenant,
            bindparam("pair_key", type_=Text),
            bindparam("pair_value", type_=Text),
            _b.c.seq,
        ).where(_b.c.id == bindparam("of_batch")),
    )
    .inline()
)


def pair_values(batch: Batch) -> list[dict[str, str]]:
    """What `INSERT_PAIR` takes for each pair of a batch.

    A pair that is longer than metadata may be is left out: no list asks for it, and PostgreSQL
    takes 2.7 KB of it into its index at most.
    """
    return [
        {"of_batch": batch.id, "pair_key": stored(key), "pair_value": stored(value)}
        for key, value in (batch.metadata or {}).items()
        if len(key) <= LONGEST_KEY and len(value) <= LONGEST_VALUE
    ]


def with_pairs(
    query: Select[Any], metadata: Mapping[str, str]
) -> tuple[Select[Any], ColumnElement[int]]:
    """A query over `batches`, of those of `:tenant` that have every one of these pairs.

    And the column to order it and to cut it by, which is `seq` whatever table it is of.
    """
    if not metadata:
        return query.where(_b.c.tenant == bindparam("tenant")), _b.c.seq
    # By a pair's order, and without the batch's own tenant: else SQLite reads all of the tenant's
    # batches in turn to find the few that have it.
    seq: ColumnElement[int] = _b.c.seq
    for key, value in metadata.items():
        if not (is_storable(stored(key)) and is_storable(stored(value))):
            return query.where(false()), _b.c.seq  # in no row
        pair = _p.alias()
        query = query.join(pair, pair.c.batch_seq == seq).where(
            pair.c.tenant == bindparam("tenant"),
            pair.c.key == stored(key),
            pair.c.value == stored(value),
        )
        seq = pair.c.batch_seq
    return query, seq
