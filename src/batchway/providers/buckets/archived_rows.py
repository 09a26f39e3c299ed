"""Rows of a job's results as OpenAI's lines, for the pass-through.

    pieces of a file --rows--> `RowForm` --dialect--> lines, some at a time, in a thread

Every row comes to a line: one that cannot be read, for its length, for how deep it nests or because
it is cut off, to an error under its id where that can be found. Empty rows are left out.

Owns these lines, and how much of a file is held for them. Does not own what a row means (its vendor
does, see `RowForm`), nor bodies (`dialects`).
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import msgspec

from batchway.domain.batch_errors import LineText
from batchway.ports import Dialect, Refused, Row

# A row repeats its request, which may be the longest line that Batchway takes, beside the answer.
_LONGEST_ROW: Final = 40 << 20
# Lines that are made before the event loop has its turn: what a reader gets at a time.
_ENOUGH: Final = 64 << 10

# Where an id is looked for in a row that cannot be read: among its first and last fields, before
# and after the one that is too much. Inside a text, the quotes around a name would be escaped.
_EDGE: Final = 4 << 10
_PLAIN_FIELD: Final = (
    rb'"(?:[^"\\]|\\.)*+"\s*:\s*(?:"(?:[^"\\]|\\.)*+"|-?[0-9][0-9.eE+-]*+|true|false|null)'
)

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class RowForm:
    """A vendor's rows. Neither function raises.

    `read` gives a row its own id, empty where it has none, and what it came to; `None` for what is
    no row. `id_at_edges` gives the id of what cannot be read, empty where it is not seen.
    """

    read: Callable[[bytes], tuple[str, Row] | None]
    id_at_edges: Callable[[bytes], str]


class IdAtEdges:
    """Finds the id of a row that cannot be read near its beginning or its end: in these fields.

    What it is given may lack what is between.
    """

    def __init__(self, *fields: str) -> None:
        names = b"|".join(field.encode() for field in fields)
        named = rb'"(?:%b)"\s*:\s*("(?:[^"\\]|\\.)*+"|-?[0-9]{1,20})' % names
        self._first = re.compile(rb"\s*\{\s*(?:%b\s*,\s*)*?%b\s*[,}]" % (_PLAIN_FIELD, named))
        self._last = re.compile(rb"[,{]\s*%b(?:\s*,\s*%b)*\s*\}\s*$" % (named, _PLAIN_FIELD))

    def __call__(self, raw: bytes) -> str:
        """The id; empty where there is none. Never raises."""
        found = self._first.match(raw[:_EDGE]) or self._last.search(raw[-_EDGE:])
        if found is None:
            return ""
        given = found[1]
        if given[:1] != b'"':
            return given.decode()
        try:
            return msgspec.json.decode(given, type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ""


class ArchivedRows:
    """Takes a file piece by piece; `named` is what it is called. All methods block."""

    def __init__(self, dialect: Dialect, *, form: RowForm, named: str) -> None:
        self._dialect = dialect
        self._form = form
        self._named = named
        self._number = 0
        self._carry: list[bytes] = []  # pieces of a row whose end has not come
        self._carried = 0  # their bytes, also those that were dropped of a row that is too long

    @property
    def held(self) -> int:
        """Bytes that are held of a row whose end has not come."""
        return sum(map(len, self._carry))

    def take(self, data: bytes, *, last: bool = False) -> Generator[bytes]:
        """Lines of the rows that end in the next piece, some at a time.

        Without the last piece, the last row may be missing.
        """
        made: list[bytes] = []
        size = start = 0
        while (end := data.find(b"\n", start)) >= 0 or (last and start <= len(data)):
            end = end if end >= 0 else len(data)
            self._keep(data[start:end])
            start = end + 1
            line = self._line()
            if line:
                made.append(line)
                size += len(line)
                del line  # it may be long, and whoever reads it is slow
            if size >= _ENOUGH:
                piece = b"".join(made)
                made.clear()
                size = 0
                yield piece
        if not last:
            self._keep(data[start:])
        if made:
            yield b"".join(made)

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        self._carried += len(piece)
        self._carry.append(piece)
        if self._carried > _LONGEST_ROW:
            held = b"".join(self._carry)
            self._carry = [held[:_EDGE], held[-_EDGE:]]  # its id may stand there

    def _line(self) -> bytes:
        """The line of the row that has come whole; empty for an empty one."""
        raw = self._carry[0] if len(self._carry) == 1 else b"".join(self._carry)
        too_long = self._carried > _LONGEST_ROW
        self._carry.clear()
        self._carried = 0
        number, self._number = self._number, self._number + 1
        if not raw or raw.isspace():
            return b""
        # The same row has the same ids again.
        noise = hashlib.sha256(f"{self._named}#{number}".encode()).hexdigest().encode()
        found = None if too_long else self._form.read(raw)
        if found is None:
            text = LineText.ROW_TOO_LONG if too_long else LineText.ROW_UNREADABLE
            code, message = text.pair(limit=_LONGEST_ROW)
            return _error(noise, self._form.id_at_edges(raw), code, message)
        del raw
        custom_id, row = found
        status = row.status
        if status is None:
            code, message = LineText.JOB_NOT_JSON.pair()
            return _error(noise, custom_id, row.code or code, row.message or message)
        read = self._dialect.decode(status, row.body, b"", at=row.at)
        if read is None:
            return _error(noise, custom_id, *LineText.JOB_NOT_JSON.pair())
        if isinstance(read, Refused) and 200 <= status < 300:
            status = read.status
        return (
            b'{"id":"batch_req_%b","custom_id":%b,"response":'
            b'{"status_code":%d,"request_id":"%b","body":%b},"error":null}\n'
            % (noise[:32], _encode(custom_id), status, noise[32:], read.body)
        )


async def lines_of(
    pieces: AsyncGenerator[bytes], dialect: Dialect, *, form: RowForm, named: str
) -> AsyncGenerator[bytes]:
    """Lines of the rows of a file. Nothing of the work is done on the event loop."""
    rows = ArchivedRows(dialect, form=form, named=named)
    async with aclosing(pieces) as stream:
        async for piece in stream:
            made = rows.take(piece)
            while (lines := await asyncio.to_thread(next, made, None)) is not None:
                yield lines
    made = rows.take(b"", last=True)
    while (lines := await asyncio.to_thread(next, made, None)) is not None:
        yield lines


def _error(noise: bytes, custom_id: str, code: str, message: str) -> bytes:
    return b'{"id":"batch_req_%b","custom_id":%b,"response":null,"error":%b}\n' % (
        noise[:32],
        _encode(custom_id),
        _encode({"code": code, "message": message}),
    )
