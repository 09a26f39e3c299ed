"""Reading packed answers in bounded steps: never more at once than a step, never a bomb.

Owns which encodings are read (gzip and deflate, though neither is asked for: some servers pack
whatever they are told) and how far they may be packed. An answer in another encoding is handed on
as it came, and is garbage to whoever reads it.
"""

import asyncio
import zlib
from typing import Final, Protocol

from aiohttp import ClientPayloadError, ClientResponse

from batchway.providers.http.posting import Posted

_STEP: Final = 256 << 10

# JSON packs 10 to 30 times, a page of the same word 100 times and more, a bomb 1000 times.
MOST_RATIO: Final = 100
_FROM_BYTES: Final = 1 << 20

_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIPS: Final = frozenset({"gzip", "x-gzip"})


class PackedTooTightly(ClientPayloadError):
    """The body unpacks to far more than any answer of its size: a bomb."""


class Source(Protocol):
    """A body that is being read."""

    async def readany(self) -> bytes:
        """The next piece; empty at the end. Raises `ClientPayloadError`."""
        ...


def source_of(response: ClientResponse | Posted, *, most_ratio: int | None = MOST_RATIO) -> Source:
    """The body of an answer whose session does not unpack, unpacked.

    `most_ratio` is how many times its own size it may unpack to; `None` for a body that is never
    held whole, such as a file's.
    """
    encoding = response.headers.get("content-encoding")
    if encoding is None:
        return response.content
    encoding = encoding.strip().lower()
    if encoding in _GZIPS or encoding == "deflate":
        return _Unpacking(response.content, gzip=encoding != "deflate", most_ratio=most_ratio)
    return response.content


class _Unpacking:
    """A packed body, read piece by piece."""

    def __init__(self, packed: Source, *, gzip: bool, most_ratio: int | None) -> None:
        self._packed = packed
        self._most_ratio = most_ratio
        self._gzip = gzip
        self._unpacker = zlib.decompressobj(_GZIP) if gzip else None
        self._left = b""
        self._taken = 0
        self._given = 0

    async def readany(self) -> bytes:
        """See `Source`."""
        while True:
            if not self._left:
                self._left = await self._packed.readany()
                self._taken += len(self._left)
                if not self._left:
                    if self._unpacker is not None and not self._unpacker.eof and self._taken:
                        raise ClientPayloadError("a packed body ends in the middle")
                    return b""
            else:
                await asyncio.sleep(0)  # a step takes a millisecond: others have their turn
            piece = self._step(self._left)
            if piece:
                return piece

    def _step(self, data: bytes) -> bytes:
        unpacker = self._unpacker
        if unpacker is None:
            # "deflate" is zlib's format (RFC 9110), but some send it without zlib's header.
            unpacker = zlib.decompressobj(zlib.MAX_WBITS if data[0] & 15 == 8 else -zlib.MAX_WBITS)
        elif unpacker.eof:
            if not self._gzip:
                raise ClientPayloadError("a packed body goes on after its end")
            unpacker = zlib.decompressobj(_GZIP)  # gzip files may be put one behind the other
        self._unpacker = unpacker
        try:
            piece = unpacker.decompress(data, _STEP)
        except zlib.error as error:
            raise ClientPayloadError("a packed body cannot be unpacked") from error
        self._left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        self._given += len(piece)
        most = self._most_ratio
        if most is not None and self._given > max(_FROM_BYTES, most * self._taken):
            raise PackedTooTightly("a packed body unpacks to more than is believed")
        return piece
