"""The toy's envelopes: text, one space between its parts.

r0000000042-1 BODY        a line of input
r0000000042-1 + BODY      it was answered
r0000000042-1 - OOPS      it was not; the word tells for how long
r0000000042-1 .           the oven went cold before
"""

import re
from typing import Final

from tests.toy.dialect import STATUS, error_of

from batchway.domain.fate import Fate, fate_of
from batchway.ports import Row

_ROW: Final = re.compile(rb"r([0-9]{10})(?:-([0-9]{1,5}))? (?:([+-]) (\{.*\})|\.)", re.DOTALL)


class ToyFraming:
    """Envelopes of every endpoint."""

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """See `ports.Framing`."""
        return (b"r%010d-%d %b" % (line, part, body)) if part else (b"r%010d %b" % (line, body))

    def row(self, raw: bytes) -> Row | None:
        """See `ports.Framing`."""
        match = _ROW.fullmatch(raw)
        if match is None:
            return None
        line, part, mark, body = int(match[1]), int(match[2] or 0), match[3], match[4]
        if mark is None:
            message = "The toy's oven went cold."
            return Row(line, part, Fate.UNTRIED, code="batch_expired", message=message)
        if mark == b"+":
            return Row(line, part, Fate.ANSWERED, 200, body)
        word = error_of(body)[0]
        status = STATUS.get(word, 500)
        return Row(line, part, fate_of(status, of_account=word == "broke"), status, body)
