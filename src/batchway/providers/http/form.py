"""A multipart form with one file: its bytes around the file, and its length before it is sent.

aiohttp has a form of its own. It is not used: the part that it makes of a file goes on quietly when
the file became shorter while it was sent, so that the peer waits for the rest, and tells nothing of
what the peer has taken, which bounds how long an upload may stand still. And the command line,
whose client knows no event loop, sends the same form.

Owns the encoding. Does not own the file, nor how it is read and sent. Pure.
"""

from collections.abc import Mapping
from secrets import token_hex
from typing import Final

PIECE: Final = 256 << 10  # bytes of the file that are read and sent at once


class Form:
    """`head`, then a file of `size` bytes, then `tail`; `length` is that of all three.

    Of the filename everything stays but control characters; it may be in any script.
    """

    __slots__ = ("content_type", "head", "length", "tail")

    def __init__(self, *, fields: Mapping[str, str], filename: str, size: int) -> None:
        boundary = f"batchway-{token_hex(16)}"
        self.content_type = f"multipart/form-data; boundary={boundary}"
        head = "".join(
            f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += (
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; '
            f'filename="{_quoted(filename)}"\r\ncontent-type: application/jsonl\r\n\r\n'
        )
        # A name that is not in the file system's encoding has lone surrogates.
        self.head = head.encode(errors="replace")
        self.tail = f"\r\n--{boundary}--\r\n".encode()
        self.length = len(self.head) + size + len(self.tail)


def _quoted(filename: str) -> str:
    kept = "".join(each for each in filename if each >= " " and each != "\x7f")
    return kept.replace("\\", "\\\\").replace('"', '\\"')
