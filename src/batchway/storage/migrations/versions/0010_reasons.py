"""What a batch waited for: its kind, and its sentence without what it promised.

Owns nothing of today's tables: a revision is history, and spells everything out.
"""

import re
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# "; it is tried again at least once a minute.", " Batchway goes on trying.", and their like, as the
# releases before this one put them into the text.
_PROMISES: Final = re.compile(
    r"(?:;|(?<=[.!?]))\s[^.;!?]*\b(?:goes on|will go on|go on|tried again|tries again|trying|"
    r"will be (?:tried|asked|looked)|asked again|is probed|once a minute)\b[^.;]*(?=\.|;)\.?"
)
_ROWS_AT_ONCE: Final = 1_000


def upgrade() -> None:
    """Add the kind, unknown of what was told before; take promises off what was told."""
    op.add_column("batches", sa.Column("waited_kind", sa.Text))
    batches = sa.table(
        "batches",
        sa.column("seq", sa.BigInteger),
        sa.column("status_details", sa.Text),
        sa.column("waited_for", sa.Text),
    )
    page = (
        sa.select(batches)
        .where(sa.or_(batches.c.status_details.is_not(None), batches.c.waited_for.is_not(None)))
        .order_by(batches.c.seq)
        .limit(_ROWS_AT_ONCE)
    )
    connection = op.get_bind()
    rows = connection.execute(page).all()
    while rows:
        for seq, details, waited_for in rows:
            kept = _without_promises(waited_for if details is None else details)
            if kept != waited_for:
                change = sa.update(batches).where(batches.c.seq == seq).values(waited_for=kept)
                connection.execute(change)
        rows = connection.execute(page.where(batches.c.seq > rows[-1].seq)).all()


def _without_promises(text: str) -> str | None:
    text = _PROMISES.sub(".", text)
    return " ".join(re.sub(r"([.!?])\.+", r"\1", text).split()) or None
