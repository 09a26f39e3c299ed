"""Limits that `auto` found at each provider and model.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add `target_limits`, empty: what was found before was not kept."""
    op.create_table(
        "target_limits",
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("limit_found", sa.BigInteger, nullable=False),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", name="pk_target_limits"),
    )
