"""CRC-32C, as Cloud Storage keeps of every object: big-endian, in Base64.

Uses Google's compiled package when it is there. The table below is the Castagnoli polynomial of
RFC 3720, appendix B.4, reflected; about 10 MB a second.
"""

import base64
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_entry(byte) for byte in range(256))
_COMPILED: Final[Any] = (
    import_module("google_crc32c") if find_spec("google_crc32c") is not None else None
)


class Crc32c:
    """The running sum of some bytes."""

    def __init__(self) -> None:
        self._sum = 0

    def update(self, data: bytes) -> None:
        """Take in further bytes."""
        if _COMPILED is not None:
            self._sum = _COMPILED.extend(self._sum, data)
            return
        running = self._sum ^ 0xFFFFFFFF
        for byte in data:
            running = _TABLE[(running ^ byte) & 0xFF] ^ (running >> 8)
        self._sum = running ^ 0xFFFFFFFF

    def base64(self) -> str:
        """The sum as Cloud Storage writes it."""
        return base64.b64encode(self._sum.to_bytes(4, "big")).decode()
