"""What a provider calls one body of one of our lines.

    r0000000042           line 42: its first body, as of nearly every line the only one
    p000002a001           its second: line and part in hexadecimal, seven digits and three

    line_id               line and part --> the id
    read_line_id          a text --> line and part
    read_line_id_in       JSON of a row --> the same, also where an importer made a number of it

Every id is eleven letters and digits, since no provider allows less: older pages of Bedrock's say
that a `recordId` is an "11 character alphanumeric string"; labels at Google hold small letters,
digits, `_` and `-`. It begins with a letter, so that nothing takes it for a number, and is the same
in capitals. Ids of first bodies come back without their zeros, too.

Owns how they are written and read; every framing uses these. Pure, and on the path of every line.
"""

import re
from typing import Final

# A file has at most 10,000,000 lines unless a setting says more, a job of any provider 5,000,000;
# a line of embeddings has at most 2,048 texts, of one body each.
MOST_LINES: Final = 1 << 28  # with several bodies; of others 10,000,000,000
MOST_PARTS: Final = 1 << 12

_FIRST: Final = r"0*([0-9]{1,10})"
_OTHER: Final = r"[pP]([0-9a-fA-F]{7})([0-9a-fA-F]{3})"
_TEXT: Final = re.compile(rf"[rR]{_FIRST}|{_OTHER}")
_JSON: Final = re.compile(
    rf'\s*(?:"\s*(?:[rR]?{_FIRST}|{_OTHER})\s*"|([0-9]{{1,10}})(?:\.0+)?)\s*'.encode()
)


def line_id(line: int, part: int) -> bytes:
    """The id of a body. It needs no escape in JSON.

    Raises:
        ValueError: there are no more ids: the line has more than `MOST_PARTS` bodies, or is beyond
            `MOST_LINES` and has several.
    """
    if not part:
        return b"r%010d" % line
    if part >= MOST_PARTS or line >= MOST_LINES:
        raise ValueError("a line becomes more requests than can be told apart")
    return b"p%07x%03x" % (line, part)


def read_line_id(text: str) -> tuple[int, int] | None:
    """Line and part; `None` for what is no id of ours."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    first, line, part = found.groups()
    return (int(first), 0) if first else (int(line, 16), int(part, 16))


def read_line_id_in(raw: bytes) -> tuple[int, int] | None:
    """Line and part that a JSON value names: a string, or the number that was made of one."""
    found = _JSON.fullmatch(raw)
    if found is None:
        return None
    first, line, part, number = found.groups()
    return (int(line, 16), int(part, 16)) if line else (int(first or number), 0)
