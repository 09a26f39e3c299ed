"""The blob store that a database belongs to, and the last reason that a batch waited for.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add `stores`, empty until the database is opened with its blobs, and a column."""
    op.create_table(
        "stores",
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_stores"),
    )
    op.add_column("batches", sa.Column("waited_for", sa.Text))
