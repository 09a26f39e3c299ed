"""What a provider calls one body of one of our lines: `r0000000042`, `r0000000042-1` for part 1.

    line_id               line and part --> the id, the same eleven characters for every first body
    read_line_id          a text --> line and part
    read_line_id_in       JSON of a row --> the same, also where an importer made a number of it

Ids come back in capitals and without their zeros, too. Owns how they are
written and read; every framing uses these. Pure, and on the path of every line.
"""

import re
from typing import Final

_NUMBERS: Final = r"0*([0-9]{1,10})(?:-0*([0-9]{1,5}))?"
_TEXT: Final = re.compile(rf"[rR]{_NUMBERS}")
_JSON: Final = re.compile(rf'\s*(?:"\s*[rR]?{_NUMBERS}\s*"|([0-9]{{1,10}})(?:\.0+)?)\s*'.encode())


def line_id(line: int, part: int) -> bytes:
    """The id of a body. It needs no escape in JSON."""
    return (b"r%010d-%d" % (line, part)) if part else (b"r%010d" % line)


def read_line_id(text: str) -> tuple[int, int] | None:
    """Line and part; `None` for what is no id of ours."""
    found = _TEXT.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2] or 0))


def read_line_id_in(raw: bytes) -> tuple[int, int] | None:
    """Line and part that a JSON value names: a string, or the number that was made of one."""
    found = _JSON.fullmatch(raw)
    return None if found is None else (int(found[1] or found[3]), int(found[2] or 0))
