"""The group of a short batch in the row of its one shard.

A batch that began before has its row of `groups`, which is read first.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column, unset."""
    op.add_column("shards", sa.Column("only_group", sa.JSON(none_as_null=True)))
