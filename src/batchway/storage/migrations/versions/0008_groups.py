"""Groups: where the lines of a batch go, decided when it begins.

Batches that run already get theirs the first time they are run by a process that knows of groups.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add `groups`, empty."""
    op.create_table(
        "groups",
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("primaries", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("fallbacks", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("traits", sa.JSON(none_as_null=True)),
        sa.Column("rescue", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "name", name="pk_groups"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_groups_batch_id"),
    )
