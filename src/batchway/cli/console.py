"""What people read: lines on standard output, notes on standard error, numbers in human units.

Owns the look of text. Nothing here writes control codes; `progress` does, to terminals only.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime


def say(text: str) -> None:
    """A line of the command's result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line about how it goes, which a pipe must not mix with the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def printable(text: object) -> str:
    """Text from elsewhere without control codes, which a terminal would obey."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text))


def count(number: int, noun: str) -> str:
    """`1 line`, `1,319 lines`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def size(number: int) -> str:
    """Bytes in binary units."""
    value = float(number)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{number:,} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def duration(seconds: float) -> str:
    """`42s`, `3m 05s`, `2h 10m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def moment(timestamp: object) -> str:
    """A Unix time as local date and time with its offset, as `--created-after` takes it back."""
    if not isinstance(timestamp, int):
        return "-"
    return datetime.fromtimestamp(timestamp, UTC).astimezone().isoformat()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be, two spaces apart."""
    shown = [list(head), *[[printable(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    )


def pairs(values: Mapping[str, object]) -> str:
    """`name  value` lines, leaving out what is not set."""
    width = max(len(name) for name in values)
    return "\n".join(
        f"{name.ljust(width)}  {printable(value)}"
        for name, value in values.items()
        if value is not None and value != ""
    )
