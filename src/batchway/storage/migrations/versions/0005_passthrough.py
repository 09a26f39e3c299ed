"""The right to look up what others made at a provider; files listed by their time.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a column to `keys`, unset for the keys there are; replace two indexes of `files`.

    Jobs are looked for by their stage when somebody asks whose a file at a provider is.
    """
    op.add_column("keys", sa.Column("passthrough", sa.Boolean))
    op.drop_index("ix_files_tenant_seq", "files")
    op.drop_index("ix_files_tenant_purpose_seq", "files")
    op.create_index("ix_files_tenant_created_at_seq", "files", ["tenant", "created_at", "seq"])
    op.create_index(
        "ix_files_tenant_purpose_created_at_seq",
        "files",
        ["tenant", "purpose", "created_at", "seq"],
    )
    op.create_index(
        "ix_remote_jobs_stage_batch_id_shard", "remote_jobs", ["stage", "batch_id", "shard"]
    )
