"""Overrides of batches by the names of their fields.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"

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
    """Write overrides anew, in the rows that have some."""
    _overrides()


def _overrides() -> None:
    connection = op.get_bind()
    rows = _in_steps(
        "SELECT seq, CAST(options AS TEXT) AS options FROM batches WHERE seq > :after "
        "AND CAST(options AS TEXT) LIKE '%x-tfy-%' ORDER BY seq LIMIT :step"
    )
    for step in rows:
        changes: list[dict[str, Any]] = []
        for row in step:
            options = json.loads(row.options)
            given = options["overrides"]
            options["overrides"] = {
                field: given[name] for name, field in FIELDS.items() if name in given
            }
            changes.append({"seq": row.seq, "options": json.dumps(options)})
        connection.execute(
            sa.text("UPDATE batches SET options = :options WHERE seq = :seq"), changes
        )


def _in_steps(query: str) -> Iterator[list[sa.Row[Any]]]:
    """The rows of a query with `:after` and `:step`, by `seq`, never many at a time."""
    connection = op.get_bind()
    after = 0
    while step := list(connection.execute(sa.text(query), {"after": after, "step": STEP}).all()):
        yield step
        after = step[-1].seq
