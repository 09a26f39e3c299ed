"""Servers on a socket that answer, break, hang and flood as the transport's tests want them.

Owns what goes over the wire. Does not own what is expected of a transport.
"""

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from batchway.ports import Failure, Transport

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]

MOST = 1 << 20
BODY = b'{"question":"' + b"x" * 5000 + b'"}'
OK = b"HTTP/1.1 200 OK\r\n"


async def read_request(reader: Reader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return head, await reader.readexactly(length)


def reset(writer: Writer) -> None:
    """Close with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def says(*pieces: bytes, end: str = "close", pause: float = 0.0) -> Behaviour:
    """Read the request, write the pieces, then close, reset or hang."""

    async def behave(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if end == "hang":
            await asyncio.sleep(60)
        elif end == "reset":
            await asyncio.sleep(0.05)  # let the client read what was sent
            reset(writer)
        else:
            writer.close()

    return behave


async def hangs_up(reader: Reader, writer: Writer) -> None:
    reset(writer)


@asynccontextmanager
async def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left: several tests are about just that
        except asyncio.CancelledError:
            pass  # the test is over while this one still hangs
        finally:
            writer.close()
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http{'s' if tls else ''}://{host}:{port}/v1/chat/completions"
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def post(transport: Transport, url: str, *, timeout: float = 5.0) -> object:
    """`(status, body)` of an answer, or the failure."""
    answer = await transport.post(url, {"x-test": "1"}, BODY, timeout=timeout)
    return answer if isinstance(answer, Failure) else (answer.status, answer.body)


def sized(body: bytes, *, kept: bool = False) -> bytes:
    """An answer, after which the connection is `kept`. A client must know: or it may send another
    request while the connection is being closed, and that one is lost."""
    end = b"" if kept else b"Connection: close\r\n"
    return OK + end + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + framed


def zipped(body: bytes) -> bytes:
    packed = gzip.compress(body)
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
