"""Parameters that were left out of lines because they change nothing where these run, in words."""

from collections.abc import Mapping
from typing import Any

from batchway.cli.console import count, printable


def left_out(warnings: Mapping[str, Any] | None) -> str | None:
    """Such as `seed (120 lines), user (1 line)`; `None` where nothing was."""
    found = [
        f"{printable(name)} ({count(number, 'line')})"
        for name, number in sorted((warnings or {}).items())
        if isinstance(number, int)
    ]
    return ", ".join(found) or None


def sentence(warnings: Mapping[str, Any] | None) -> str | None:
    """The same as a sentence that stands alone."""
    names = left_out(warnings)
    return None if names is None else f"Left out, since it changes nothing there: {names}."
