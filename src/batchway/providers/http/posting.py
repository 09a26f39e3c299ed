"""A short POST, written straight to a connection of aiohttp's.

    connector --connection--> head + body --> [socket] --> head of the answer --> `Posted`

`ClientSession.request` can ask for anything in any way and makes each request anew: with it a line
cost the sending process 145 µs, without it 76 (256 in flight, busy machine). Of requests that are
alike only the length and the body differ; the rest is made once (`Form`, `head_of`). aiohttp still
connects, keeps connections, speaks TLS and reads answers.

Owns the bytes that are sent. Does not own timeouts, failures or reading the body (`transport`).
What is longer than `MOST_BYTES`, or goes through a proxy, is sent by the session.
"""

import asyncio
from typing import Final

from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientRequest,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    StreamReader,
)
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

# A transport takes so much without asking its writer to wait.
MOST_BYTES: Final = 64 << 10

# Headers that say how a body is framed, or what is done with a connection: the session's affair.
_FRAMING: Final = frozenset(
    {"connection", "content-encoding", "content-length", "expect", "host", "transfer-encoding"}
)


class Form:
    """What all requests to one address share. Belongs to one session."""

    __slots__ = ("connector", "request")

    def __init__(self, session: ClientSession, url: URL) -> None:
        connector = session.connector
        if connector is None:
            raise ClientConnectionError("the session is closed")
        self.connector = connector
        # By this the connector knows where to connect to, and which connections lead there.
        self.request = ClientRequest("POST", url, loop=asyncio.get_running_loop(), session=session)


def head_of(url: URL, headers: CIMultiDict[str]) -> bytes | None:
    """The head of a POST with these headers, but for the number of its bytes.

    `None` where the headers say what only the session knows to do.
    """
    if not _FRAMING.isdisjoint(name.lower() for name in headers):
        return None
    lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += (f"{name}: {value}" for name, value in headers.items())
    if "content-type" not in headers:
        lines.append("Content-Type: application/octet-stream")
    return "\r\n".join([*lines, "Content-Length: "]).encode()


class Posted:
    """An answer whose head has come; its body is to be read from `content`.

    To be closed when that is done; a connection whose answer was not read to its end is not used
    again.
    """

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self,
        connection: Connection,
        status: int,
        headers: CIMultiDictProxy[str],
        content: StreamReader,
    ) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers
        self.content = content

    def close(self) -> None:
        """Keep the connection for the next request, or close it. Harmless a second time."""
        content = self.content
        if content.is_eof():
            self._connection.release()
            return
        # Whoever still reads would take the end of the connection for the end of the body.
        if content.exception() is None:
            content.set_exception(ClientPayloadError("the answer was given up"))
        self._connection.close()


async def post(form: Form, head: bytes, body: bytes, timeout: ClientTimeout) -> Posted:
    """Send once, and wait for the head of the answer; of `timeout`, what is about connecting.

    Raises `ClientError`; being cancelled closes the connection.
    """
    try:
        connection = await form.connector.connect(form.request, traces=[], timeout=timeout)
    except TimeoutError as error:
        raise ConnectionTimeoutError("no connection in time") from error
    protocol, stream = connection.protocol, connection.transport
    if protocol is None or stream is None or stream.is_closing():
        connection.close()
        raise ClientConnectionError("the connection was closed before anything was sent")
    try:
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        stream.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        while True:
            message, content = await protocol.read()
            if message.code >= 200 or message.code == 101:
                return Posted(connection, message.code, message.headers, content)
    except (HttpProcessingError, OSError) as error:
        connection.close()
        raise ClientPayloadError("the connection broke, or what came is not HTTP") from error
    except BaseException:
        connection.close()
        raise
