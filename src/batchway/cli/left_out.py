"""Parameters that were left out of lines, in words: what changes nothing where these run, and what
asked for a promise that is not made there.
"""

from collections.abc import Mapping
from typing import Any, Final

from batchway.cli.console import count, printable

# What an answer may fail to keep without them: the rows of dialects with a `promise`.
NOT_PROMISED: Final = {
    "tools[].function.strict": "arguments of tool calls may differ from the schema",
}


def left_out(warnings: Mapping[str, Any] | None) -> str | None:
    """Such as `seed (120 lines), user (1 line)`; `None` where nothing was."""
    return ", ".join(_counted(name, number) for name, number in _numbers(warnings)) or None


def sentence(warnings: Mapping[str, Any] | None) -> str | None:
    """The same as sentences that stand alone."""
    found = _numbers(warnings)
    idle = [_counted(name, number) for name, number in found if name not in NOT_PROMISED]
    told = [f"Left out, since it changes nothing there: {', '.join(idle)}."] if idle else []
    told += [
        f"Not promised there, so {NOT_PROMISED[name]}: {_counted(name, number)}."
        for name, number in found
        if name in NOT_PROMISED
    ]
    return " ".join(told) or None


def _numbers(warnings: Mapping[str, Any] | None) -> list[tuple[str, int]]:
    return [(n, lines) for n, lines in sorted((warnings or {}).items()) if isinstance(lines, int)]


def _counted(name: str, lines: int) -> str:
    return f"{printable(name)} ({count(lines, 'line')})"
