"""Reading the body of an answer, unpacked, within a bound.

Owns that no answer is held beyond its bound, and that large ones share a budget where there is one
(`budget`). Does not own unpacking (`unpacking`), nor what is too large for whom.
"""

from collections.abc import Callable

from aiohttp import ClientResponse

from batchway.providers.http.budget import FREE_BYTES, Budget, Share
from batchway.providers.http.posting import Posted
from batchway.providers.http.unpacking import source_of


async def read_body(response: ClientResponse | Posted, most: int) -> bytes | None:
    """The body; `None` when it is longer than `most` bytes.

    Raises `ClientError` and `TimeoutError`.
    """
    if _announces_more(response, most):
        return None
    source = source_of(response)
    pieces: list[bytes] = []
    size = 0
    while piece := await source.readany():
        size += len(piece)
        if size > most:
            return None
        pieces.append(piece)
    return b"".join(pieces)


async def read_within(
    response: ClientResponse | Posted, most: int, budget: Budget, read: Callable[[Share], None]
) -> bytes | None:
    """As `read_body`; a body that is not a small one takes its room from `budget`.

    `read` is handed that share, to be closed when the bytes have been handed on.
    """
    if _announces_more(response, most):
        return None
    source = source_of(response)
    pieces: list[bytes] = []
    size = 0
    small = min(most, FREE_BYTES)
    while piece := await source.readany():
        size += len(piece)
        pieces.append(piece)
        if size > small:
            break
    else:
        return b"".join(pieces)
    share = budget.share(response.close)
    try:
        while piece:
            if size > most:
                return None
            await share.take(len(piece))
            piece = await source.readany()
            size += len(piece)
            pieces.append(piece)
        data = b"".join(pieces)
        share.read = True
    finally:
        if not share.read:
            share.close()
    read(share)
    return data


def _announces_more(response: ClientResponse | Posted, most: int) -> bool:
    # What is announced may be packed: of the rest, only what was unpacked counts.
    length = response.headers.get("content-length")
    return length is not None and int(length) > most
