"""Native batches: the jobs at providers, and what batches show and are listed by.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import json
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

JSON: Final = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Add `remote_jobs`, three columns and an index to `batches`; write metadata to be searched.

    Batches from before have no remote jobs, and nothing says which providers ran them: a list by
    provider leaves them out.
    """
    _remote_jobs()
    _batches()
    _metadata()


def _remote_jobs() -> None:
    op.create_table(
        "remote_jobs",
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.BigInteger, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("remote_id", sa.Text),
        sa.Column("input_file_id", sa.Text),
        sa.Column("output_file_id", sa.Text),
        sa.Column("error_file_id", sa.Text),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("completed", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "shard", name="pk_remote_jobs"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_remote_jobs_batch_id"),
    )
    for column in ("remote_id", "input_file_id", "output_file_id", "error_file_id"):
        op.create_index(f"ix_remote_jobs_provider_{column}", "remote_jobs", ["provider", column])


def _batches() -> None:
    for name in ("remote_completed", "remote_failed"):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column("batches", column)
    op.add_column("batches", sa.Column("providers", JSON))
    op.create_index("ix_batches_tenant_status_seq", "batches", ["tenant", "status", "seq"])


def _metadata() -> None:
    """The same values with a line break between pairs, by which a search knows where one begins."""
    connection = op.get_bind()
    encode = json.JSONEncoder(separators=(",\n", ":")).encode
    query = sa.text("SELECT seq, CAST(metadata AS TEXT) FROM batches WHERE metadata IS NOT NULL")
    for seq, metadata in connection.execute(query).all():
        connection.execute(
            sa.text("UPDATE batches SET metadata = :metadata WHERE seq = :seq"),
            {"seq": seq, "metadata": encode(json.loads(metadata))},
        )
