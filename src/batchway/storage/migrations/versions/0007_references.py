"""What a job has at its provider is a reference, not an OpenAI file: its input, and its results.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Rename the input's column; move output and errors into a table of their own, in that order.

    Jobs in every stage go on: a stage that is new here names a step that none of them is in.
    """
    for name in ("input_file_id", "output_file_id", "error_file_id"):
        op.drop_index(f"ix_remote_jobs_provider_{name}", "remote_jobs")
    # Alembic would copy the table on SQLite; both databases can do it by themselves.
    op.execute("ALTER TABLE remote_jobs RENAME COLUMN input_file_id TO reference")
    op.create_index("ix_remote_jobs_provider_reference", "remote_jobs", ["provider", "reference"])
    op.create_table(
        "remote_results",
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("shard", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "shard", "position", name="pk_remote_results"),
        sa.ForeignKeyConstraint(
            ["batch_id", "shard"],
            ["remote_jobs.batch_id", "remote_jobs.shard"],
            name="fk_remote_results_batch_id_shard",
        ),
    )
    op.create_index(
        "ix_remote_results_provider_reference", "remote_results", ["provider", "reference"]
    )
    op.execute(
        "INSERT INTO remote_results (batch_id, shard, position, provider, reference) "
        "SELECT batch_id, shard, 0, provider, output_file_id FROM remote_jobs "
        "WHERE output_file_id IS NOT NULL"
    )
    # Positions begin at 0. A provider may give both by the same name: it is one file.
    op.execute(
        "INSERT INTO remote_results (batch_id, shard, position, provider, reference) "
        "SELECT batch_id, shard, CASE WHEN output_file_id IS NULL THEN 0 ELSE 1 END, provider, "
        "error_file_id FROM remote_jobs WHERE error_file_id IS NOT NULL "
        "AND (output_file_id IS NULL OR error_file_id != output_file_id)"
    )
    for name in ("output_file_id", "error_file_id"):
        op.drop_column("remote_jobs", name)
