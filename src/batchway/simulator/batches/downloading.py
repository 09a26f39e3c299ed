"""Sending a file, whole or in part, and every way in which that breaks.

Owns the bytes of a download. Ranges: RFC 9110, section 14; providers serve files from object
storage, which answers them and names an ETag.
"""

import asyncio
import gzip
import re
from typing import Final

from aiohttp import web

from batchway.simulator.batches.behaviour import Rule
from batchway.simulator.batches.front import Cut
from batchway.simulator.batches.state import StoredFile

_PIECE: Final = 1 << 20
_ODD: Final = (1, 2, 3, 5, 7, 11)
_PAGE: Final = b"<!DOCTYPE html><html><body>Bad gateway, please log in</body></html>"


async def sent(
    request: web.BaseRequest, file: StoredFile, rule: Rule | None, *, ranges: str
) -> web.StreamResponse:
    """Answer a download. Raises `Cut`."""
    doing = None if rule is None else rule.do
    if doing == "page":
        return web.Response(body=_PAGE, content_type="text/html")
    name = file.filename.replace('"', "")
    etag = f'"{file.id}"'
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{name}"',
            "ETag": etag,
        }
    )
    data = file.path.read_bytes()
    start = 0
    asked = re.fullmatch(r"bytes=([0-9]+)-", request.headers.get("Range", ""))
    if asked is not None and ranges != "whole":
        start = int(asked[1])
        total = len(data) + (1 if ranges == "other" else 0)
        if start >= len(data):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{total}"})
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{total}"
        if ranges == "other":
            response.headers["ETag"] = '"another"'
    data = data[start:]
    if doing == "packed":
        data = gzip.compress(data)
        response.headers["Content-Encoding"] = "gzip"
        data = data[: -min(len(data) - 1, 20)]
    if doing not in {"unended", "chop", "packed"}:
        # With a length, a client can tell that it has not got everything.
        response.content_length = len(data)
    await response.prepare(request)
    cut = rule.bytes if rule is not None and doing in {"cut", "unended"} else None
    if cut is not None and cut < len(data):
        await response.write(data[:cut])
        # What was written has to leave before the connection goes.
        await asyncio.sleep(0.05)
        raise Cut
    at = 0
    while at < len(data):
        size = _ODD[at % len(_ODD)] if doing == "chop" else _PIECE
        await response.write(data[at : at + size])
        at += size
    if doing == "unended" and data:
        await asyncio.sleep(0.05)
        raise Cut
    await response.write_eof()
    return response
