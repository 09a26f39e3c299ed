"""Jobs that hold a part of their shard.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the part and its size to `remote_jobs`; jobs from before hold all of their shard."""
    for name in ("first_line", "tokens"):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column("remote_jobs", column)
    op.add_column("remote_jobs", sa.Column("before_line", sa.BigInteger))
