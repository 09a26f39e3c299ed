"""Metadata of batches as pairs, and their overrides by the names of their fields.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# Rows that are held in memory at a time.
STEP: Final = 1_000
# TrueFoundry's headers, by which overrides were kept; others never meant anything.
FIELDS: Final = {
    "x-tfy-provider-model": "model",
    "x-tfy-azure-api-version": "azure_api_version",
    "x-tfy-vertex-storage-bucket-name": "vertex_bucket",
    "x-tfy-vertex-region": "vertex_region",
    "x-tfy-aws-s3-bucket": "s3_bucket",
    "x-tfy-aws-bedrock-model": "bedrock_model",
}


def upgrade() -> None:
    """Add `batch_metadata` with the pairs of the batches there are; write overrides anew."""
    op.create_table(
        "batch_metadata",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("batch_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", "value", "batch_seq", name="pk_batch_metadata"),
        sa.ForeignKeyConstraint(["batch_seq"], ["batches.seq"], name="fk_batch_metadata_batch_seq"),
        sqlite_with_rowid=False,
    )
    _pairs()
    _overrides()


def _pairs() -> None:
    rows = _in_steps(
        "SELECT seq, tenant, CAST(metadata AS TEXT) AS metadata FROM batches WHERE seq > :after "
        "AND metadata IS NOT NULL ORDER BY seq LIMIT :step"
    )
    insert = sa.text(
        "INSERT INTO batch_metadata (tenant, key, value, batch_seq) "
        "VALUES (:tenant, :key, :value, :seq)"
    )
    for step in rows:
        pairs = [
            {"tenant": row.tenant, "key": _stored(key), "value": _stored(value), "seq": row.seq}
            for row in step
            for key, value in json.loads(row.metadata).items()
            if len(key) <= 64 and len(value) <= 512  # what an index takes; no client had more
        ]
        if pairs:
            op.get_bind().execute(insert, pairs)


def _stored(text: str) -> str:
    """PostgreSQL takes no NUL."""
    return text.replace("\\", "\\\\").replace("\0", "\\0")


def _overrides() -> None:
    rows = _in_steps(
        "SELECT seq, CAST(options AS TEXT) AS options FROM batches WHERE seq > :after "
        "AND CAST(options AS TEXT) LIKE '%x-tfy-%' ORDER BY seq LIMIT :step"
    )
    update = sa.text("UPDATE batches SET options = :options WHERE seq = :seq")
    for step in rows:
        changes: list[dict[str, Any]] = []
        for row in step:
            options = json.loads(row.options)
            given = options["overrides"]
            options["overrides"] = {
                field: given[name] for name, field in FIELDS.items() if name in given
            }
            changes.append({"seq": row.seq, "options": json.dumps(options)})
        op.get_bind().execute(update, changes)


def _in_steps(query: str) -> Iterator[list[sa.Row[Any]]]:
    """The rows of a query with `:after` and `:step`, by `seq`, never many at a time."""
    connection, after = op.get_bind(), 0
    while step := list(connection.execute(sa.text(query), {"after": after, "step": STEP}).all()):
        yield step
        after = step[-1].seq
