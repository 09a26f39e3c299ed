"""What pages are made of: tables, code, and the notice at the top."""

from collections.abc import Iterable, Sequence
from typing import Final

_NOTICE: Final = "<!-- Made from the code by docs/generate.py; change it there. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are kept on one line."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def code(value: object) -> str:
    """Text as code, empty for nothing."""
    return "" if value in {None, ""} else f"`{value}`"


def page(title: str, *blocks: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", _NOTICE, *blocks]) + "\n"
