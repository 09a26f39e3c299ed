"""Bodies on the wire, both ways: read to disk, and sent from it, in every way in which that breaks.

Owns ranges (RFC 9110, section 14) and troubles with the bytes of a transfer.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

from batchway.simulator.batches.front import Cut
from batchway.simulator.google.behaviour import Rule
from batchway.simulator.google.objects import StoredObject
from batchway.simulator.google.refusals import Refused

_PIECE: Final = 1 << 20
_ODD: Final = (1, 2, 3, 5, 7, 11)
_PAGE: Final = b"<!DOCTYPE html><html><body>Bad gateway, please log in</body></html>"


async def received(request: web.BaseRequest, path: Path, rule: Rule | None) -> int:
    """Append a request's body to a file; answers its size. Raises `Cut`."""
    most = rule.bytes if rule is not None and rule.do == "cut" else None
    size = 0
    with path.open("ab") as file:
        async for piece in request.content.iter_any():
            size += len(piece)
            if most is not None and size >= most:
                raise Cut
            file.write(piece)
    return size


async def sent(
    request: web.BaseRequest,
    stored: StoredObject,
    rule: Rule | None,
    *,
    headers: Mapping[str, str],
) -> web.StreamResponse:
    """Answer a download. Raises `Cut`, and `Refused`: 416."""
    doing = None if rule is None else rule.do
    if doing == "page":
        return web.Response(body=_PAGE, content_type="text/html")
    start, end = _range(request.headers.get("Range", ""), stored.size)
    response = web.StreamResponse(headers=dict(headers))
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Type"] = stored.content_type
    if (start, end) != (0, stored.size) or "Range" in request.headers:
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
    response.content_length = end - start
    await response.prepare(request)
    if request.method == "HEAD":
        await response.write_eof()
        return response
    limit = rule.bytes if rule is not None and rule.do == "cut" else None
    at = start
    with stored.path.open("rb") as file:
        file.seek(start)
        while at < end:
            size = _ODD[at % len(_ODD)] if doing == "chop" else _PIECE
            if limit is not None:
                size = min(size, limit - (at - start))
            piece = file.read(min(size, end - at))
            await response.write(piece)
            at += len(piece)
            if limit is not None and at - start >= limit and at < end:
                # What was written has to leave before the connection goes.
                await asyncio.sleep(0.05)
                raise Cut
    await response.write_eof()
    return response


def _range(header: str, size: int) -> tuple[int, int]:
    """The first byte and the one behind the last."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if asked is None or asked[0] == "bytes=-":
        return 0, size
    if not asked[1]:
        return max(0, size - int(asked[2])), size
    start = int(asked[1])
    if start >= size:
        raise Refused(
            416,
            "The requested range cannot be satisfied.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, min(size, int(asked[2]) + 1) if asked[2] else size
