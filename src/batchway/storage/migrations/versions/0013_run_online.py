"""How many lines of a batch run online though jobs were preferred, and why.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column, unset: nothing is known of earlier batches."""
    op.add_column("batches", sa.Column("run_online", sa.JSON(none_as_null=True)))
