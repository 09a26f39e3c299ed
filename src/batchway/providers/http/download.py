"""Reading a file at a provider, from where an earlier transfer of it broke.

    nothing read yet   200                      the file from its start
    N bytes read       206 from N, same file    the rest of it
                       206 of another file      asked for again, from its start
                       200                      the file from its start: the provider knows no
                                                ranges, or it is another file; rows come again
                       416, N is its length     nothing is left

Owns what a `FileMark` is worth against an answer. Does not own connections (`session`), nor
unpacking (`unpacking`). Pure. Source: RFC 9110, sections 14 and 15.3.7.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from batchway.domain.remote import FileMark

_RANGE: Final = re.compile(r"bytes +(?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)")


class Verdict(Enum):
    """What to do with the body of an answer."""

    READ = "read"
    NOTHING_LEFT = "nothing left"
    ASK_AGAIN = "ask again"  # from the first byte: the mark has been set back
    NO_FILE = "no file"  # an error, or something that was not asked for


def range_of(mark: FileMark) -> dict[str, str]:
    """The header that asks for what has not been read."""
    if not mark.plain:
        mark.restart()
    return {"range": f"bytes={mark.offset}-"} if mark.offset else {}


def judge(mark: FileMark, status: int, headers: Mapping[str, str]) -> Verdict:
    """What an answer is to the question of `range_of`. `headers` ignore case."""
    start, total = _content_range(headers)
    match status:
        case 206 if not mark.offset and start:
            return Verdict.NO_FILE
        case 206 if start != mark.offset or packing(headers) or not _same(mark, headers, total):
            if not mark.offset:
                return Verdict.NO_FILE
            mark.restart()
            return Verdict.ASK_AGAIN
        case 206:
            mark.etag, mark.total = _etag(headers) or mark.etag, total or mark.total
            return Verdict.READ
        case 416 if mark.offset:
            if total == mark.offset and _same(mark, headers, total):
                return Verdict.NOTHING_LEFT
            mark.restart()
            return Verdict.ASK_AGAIN
        case _ if 200 <= status < 300:
            mark.restart()
            mark.etag, mark.plain = _etag(headers), not packing(headers)
            mark.total = _number(headers.get("content-length", "")) if mark.plain else None
            return Verdict.READ
        case _:
            return Verdict.NO_FILE


def packing(headers: Mapping[str, str]) -> str:
    """How the body was packed, empty where it was not. Nobody asked for it; some pack anyway."""
    name = headers.get("content-encoding", "").strip().lower()
    return "" if name == "identity" else name


def _same(mark: FileMark, headers: Mapping[str, str], total: int | None) -> bool:
    """Whether an answer is about the file that was read before, as far as anybody can tell."""
    etag = _etag(headers)
    if mark.etag is not None and etag is not None and mark.etag != etag:
        return False
    return mark.total is None or total is None or mark.total == total


def _etag(headers: Mapping[str, str]) -> str | None:
    return headers.get("etag", "").strip().removeprefix("W/") or None


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """The first byte of the part, and the length of the whole."""
    found = _RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return None, None
    return _number(found[1] or ""), _number(found[2])


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
