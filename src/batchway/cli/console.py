"""What people read: lines on standard output, notes on standard error, numbers in human units.

Owns the look of text. Nothing here writes control codes; `progress` does, to terminals only.
"""

import difflib
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO


def say(text: str) -> None:
    """A line of the command's result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line about how it goes, which a pipe must not mix with the result."""
    sys.stderr.write(folded(text, columns_of(sys.stderr)) + "\n")
    sys.stderr.flush()


def folded(text: str, width: int | None) -> str:
    """Long sentences cut between words; whole where there is no width, as editors want paths."""
    if width is None or width < 20:
        return text
    indent = " " * (len(text) - len(text.lstrip(" ")))
    return "\n".join(
        part
        for line in text.split("\n")
        for part in textwrap.wrap(
            line,
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
        or [""]
    )


def printable(text: object) -> str:
    """Text from elsewhere without control codes, which a terminal would obey."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text))


def nearest(given: str, known: Sequence[str]) -> str:
    """` (did you mean '...'?)` when something known is close, else nothing."""
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


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


def minute(timestamp: object) -> str:
    """A Unix time as local date and time, for people."""
    if not isinstance(timestamp, int):
        return "-"
    return datetime.fromtimestamp(timestamp, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def columns_of(stream: TextIO) -> int | None:
    """How wide the stream's terminal is; `None` for what is no terminal."""
    if not stream.isatty():
        return None
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"])
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    spare: Sequence[str] = (),
) -> str:
    """Columns as wide as they need to be, two spaces apart.

    Where `width` is not enough the columns of `spare` are left out, the first one first. One that
    is narrow enough for what is left then comes back. Where there is a width, a column of `spare`
    that says nothing (`-` in every row) is left out, too.
    """
    if width is not None and rows:
        said = [
            index
            for index, name in enumerate(head)
            if name not in spare or any(row[index] != "-" for row in rows)
        ]
        head = [head[index] for index in said]
        rows = [[row[index] for index in said] for row in rows]
    shown = [list(head), *[[printable(cell) for cell in row] for row in rows]]
    widths = {name: max(len(row[index]) for row in shown) for index, name in enumerate(head)}

    def fits(name: str | None = None) -> bool:
        more = 0 if name is None else full[name] + 2
        return width is None or sum(widths.values()) + 2 * (len(widths) - 1) + more <= width

    full = dict(widths)
    for name in spare:
        if fits():
            break
        widths.pop(name, None)
    for name in reversed(spare):
        if name in full and name not in widths and fits(name):
            widths[name] = full[name]
    kept = [(index, widths[name]) for index, name in enumerate(head) if name in widths]
    return "\n".join(
        "  ".join(row[index].ljust(columns) for index, columns in kept).rstrip() for row in shown
    )


def pairs(values: Mapping[str, object], *, width: int | None = None) -> str:
    """`name  value` lines, leaving out what is not set; long values go on below themselves."""
    column = max(len(name) for name in values)
    lines: list[str] = []
    for name, value in values.items():
        if value is None or value == "":
            continue
        room = None if width is None else max(width - column - 2, 20)
        first, *more = folded(printable(value), room).split("\n")
        lines.append(f"{name.ljust(column)}  {first}")
        lines += [" " * (column + 2) + each for each in more]
    return "\n".join(lines)
