"""Which lines of its range a shard has, where lines of one model go different ways; and how many
lines of a batch a parameter was left out of, by its name.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the columns, unset: every shard has all lines of its models, and nothing was left out."""
    op.add_column("shards", sa.Column("members", sa.LargeBinary))
    op.add_column("batches", sa.Column("warnings", sa.JSON(none_as_null=True)))
