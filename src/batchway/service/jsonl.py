"""The check that a file for a batch gets at once; the validator reads all the rest later.

Owns what a file that is no JSONL is told to be, and what to do about it. OpenAI's service looks at
the name and the first line as well and says "Must be .jsonl", which these answers begin with.
Blank lines are nothing, as they are to the validator, wherever they stand.
"""

import json
import re
from typing import Final, NoReturn

from batchway.domain.errors import ApiError, ApiText

_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# What a file begins with, and what it is then.
_KINDS: Final = (
    (b"\x1f\x8b", "The file is compressed with gzip: unpack it and upload the .jsonl inside"),
    (b"\x28\xb5\x2f\xfd", "The file is compressed with zstd: unpack it first"),
    (b"BZh", "The file is compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "The file is compressed with xz: unpack it first"),
    (
        b"PK\x03\x04",
        "The file is a zip archive, as Excel and Word files are: unpack it, or export its rows as "
        "JSON, one request a line",
    ),
    (b"\xd0\xcf\x11\xe0", "The file is an old Excel or Word file: export its rows as JSON lines"),
    (b"%PDF-", "The file is a PDF: write one request as JSON on each line"),
    (b"PAR1", "The file is in Parquet's format: write its rows as JSON, one request a line"),
)
_BINARY: Final = "The file is binary: write one request as JSON on each line, in UTF-8"
_LONGEST_SHOWN: Final = 100


def check_jsonl_name(filename: str) -> None:
    """Raises `ApiError` unless the name ends in `.jsonl`, in any case."""
    if not filename.lower().endswith(".jsonl"):
        shown = filename if len(filename) <= _LONGEST_SHOWN else filename[:_LONGEST_SHOWN] + "…"
        _refuse(f"The file is named '{shown}': give it a name that ends in .jsonl")


def end_of_first_line(head: bytes | bytearray) -> int | None:
    """How many bytes the file takes up to the end of its first line that is not blank.

    `None` when that line goes on beyond `head`.
    """
    start = len(_BOM) if head.startswith(_BOM) else 0
    while (end := head.find(b"\n", start)) != -1:
        if head[start:end].strip():
            return end + 1
        start = end + 1
    return None


def check_first_line(head: bytes, *, size: int) -> None:
    """Raises `ApiError` unless the first line that is not blank is JSON, and no array.

    `head` is the start of a file of `size` bytes. A line that ends beyond it passes: keeping it
    would make memory grow with the file, and the validator reads it.
    """
    if not size:
        _refuse("The file is empty")
    _check_kind(head)
    number, line, whole = _first_line(head.removeprefix(_BOM), more=size > len(head))
    if line is None:
        if whole:
            _refuse("The file holds nothing but blank lines")
        return
    if not whole:
        return
    _check_line(line, number)


def _check_kind(head: bytes) -> None:
    for start, found in _KINDS:
        if head.startswith(start):
            _refuse(found)
    # UTF-16 without a mark has a zero in every other byte of what is ASCII.
    zeros = [byte == 0 for byte in head[:4]]
    if head.startswith(_UTF16) or zeros in ([True, False] * 2, [False, True] * 2):
        _refuse("The file is in UTF-16, as Windows calls Unicode: save it as UTF-8")
    if b"\0" in head[:4_096]:
        _refuse(_BINARY)


def _first_line(head: bytes, *, more: bool) -> tuple[int, bytes | None, bool]:
    """The first line that is not blank: its number, its bytes, and whether that is all of it."""
    number = start = 0
    while start < len(head):
        number += 1
        end = head.find(b"\n", start)
        line = head[start:] if end == -1 else head[start:end]
        if line.strip():
            return number, line, end != -1 or not more
        if end == -1:
            break
        start = end + 1
    return number, None, not more


def _check_line(line: bytes, number: int) -> None:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(
            f"Line {number} is not UTF-8: its byte {error.start + 1} is 0x{line[error.start]:02X}. "
            "Save the file as UTF-8; Latin-1 and Windows-1252 are what it often is instead"
        )
    try:
        # Without `parse_int`, a number of 5,000 digits is a ValueError although it is JSON.
        value: object = json.loads(text, parse_constant=_refuse_constant, parse_int=str)
    except RecursionError:
        return  # JSON nested too deep to read: the validator says so, with the line number
    except ValueError as error:
        found = _why_no_json(text.strip(), error)
        raise ApiError(ApiText.NOT_JSONL, found=f"Line {number} {found}.") from error
    if isinstance(value, list):
        _refuse(
            f"Line {number} is a JSON array: write each of its elements on a line of its own, "
            "without brackets and commas around them"
        )
    # Any other JSON that is no object is the validator's to refuse, as at OpenAI: with its line.


def _why_no_json(text: str, error: ValueError) -> str:
    """What is wrong with a line that is no JSON, and what to do, after the line's number."""
    if isinstance(error, _ConstantError):
        return f"holds {error}, which JSON does not have: write null, or leave the field out"
    if text.startswith("<"):
        return "begins like HTML or XML: this may be an error page that was saved as the file"
    if text.startswith("["):
        return (
            "begins a JSON array: write each of its elements on a line of its own, without "
            "brackets and commas around them"
        )
    if not text.startswith("{"):
        if text.count(",") or text.count("\t") or text.count(";"):
            return "is not JSON; it looks like CSV: write each row as a JSON object, one a line"
        return "is not JSON: every line is one JSON object, a request"
    return _why_no_object(text, error)


def _why_no_object(text: str, error: ValueError) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return "is not valid JSON"
    if error.msg == "Extra data":
        if text[error.pos :].strip() == ",":
            return "ends with a comma: lines are not separated by commas"
        return "holds more than one JSON value: write each object on a line of its own"
    if re.match(r"\{\s*'", text):
        return (
            "has single quotes, as Python prints a dict: write it with json.dumps, in double quotes"
        )
    if error.pos >= len(text):
        return (
            "ends before its JSON object does: write each request on one line, without line breaks "
            "between its fields"
        )
    return f"is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]} at character {error.pos + 1}"


class _ConstantError(ValueError):
    """A name that Python reads as a number and JSON does not have."""


def _refuse_constant(name: str) -> object:
    raise _ConstantError(name)


def _refuse(found: str) -> NoReturn:
    raise ApiError(ApiText.NOT_JSONL, found=f"{found}.")
