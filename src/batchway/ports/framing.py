"""Framings: a provider's envelope around bodies, in the input of its jobs and in their results.

    line    one body of one of our lines --> a line of input
    row     a row of results --> whose it is, and how it went

A line of a native batch is framing x dialect: the dialect (`ports.dialect`) makes bodies and reads
them, the framing says whose they are. Everything here is pure and on the path of every line.
"""

from typing import Protocol

import msgspec

from batchway.domain.fate import Fate


class Row(msgspec.Struct, frozen=True, gc=False):
    """The envelope of one row. `line` is the 0-based line of our file, `part` which body of it.

    With a `status` there was an HTTP answer, and `body` is what it held (any bytes). Without one
    there was none, and `code` and `message` (short, UTF-8) say why. `at` is when the provider had
    worked on it, in Unix seconds, where the row says.
    """

    line: int
    part: int
    fate: Fate
    status: int | None = None
    body: bytes = b""
    request_id: str | None = None
    code: str = ""
    message: str = ""
    at: int = 0


class Framing(Protocol):
    """An envelope, bound to one endpoint."""

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """A line of input without its line break; `body` is one line of JSON.

        The provider sees a number of ours (`r0000000042`; `p000002a001` for the second body of the
        line), never the user's `custom_id`.
        """
        ...

    def row(self, raw: bytes) -> Row | None:
        """A row of results; `None` when it is torn, or not one of ours. Never raises."""
        ...
