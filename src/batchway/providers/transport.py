"""`ports.Transport` over pyreqwest: one POST, and exactly what became of it.

Owns connections, their limits, and the translation of every way a request can fail into a
`Failure`. Does not own retries or what an answer means (`dispatch`), nor addresses and keys
(the providers).

A cancelled call ends at once, but not the exchange: pyreqwest (0.11 to 0.15.1, all of them) lets
a request whose answer has not begun run on in its own threads, until the answer comes or the
timeout, and drops the answer. Nothing of it reaches a later call.

HTTP/1.1 on purpose: over HTTP/2 reqwest keeps one connection to a host, so that the provider's
`MAX_CONCURRENT_STREAMS` (often 100) would silently become the concurrency.
"""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Final

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, DetailedPyreqwestError, RequestTimeoutError
from pyreqwest.http import Url
from pyreqwest.response import Response

from batchway.dispatch.limits import MOST_ANSWER_BYTES
from batchway.ports import Failure

_CONNECT_SECONDS: Final = 10.0

# uvicorn, and vLLM with it, closes idle connections after 5 seconds. Letting go first means that
# no request is ever written to a connection that is being closed.
_IDLE_SECONDS: Final = 4.0

# Generations are silent for minutes; a NAT that forgot the connection must be noticed before the
# timeout of the exchange is.
_KEEPALIVE_SECONDS: Final = 30.0

# How hyper names the phase before anything of a request is sent (reqwest's `is_connect`).
_CONNECTING: Final = "client error (Connect)"

_MOST_REMEMBERED_URLS: Final = 4096


class PyreqwestAnswer:
    """`ports.Answer`."""

    __slots__ = ("_response", "body", "status")

    def __init__(self, status: int, body: bytes, response: Response) -> None:
        self.status = status
        self.body = body
        self._response = response

    def header(self, name: str) -> str | None:
        """First value of a header, by any case."""
        return self._response.get_header(name)


class PyreqwestTransport:
    """`ports.Transport`. Belongs to the event loop it is first used on.

    Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`),
    except that this machine itself is always reached directly. Redirects are not followed.
    """

    def __init__(
        self,
        *,
        most_answer_bytes: int = MOST_ANSWER_BYTES,
        connect_timeout: float = _CONNECT_SECONDS,
    ) -> None:
        self._most = most_answer_bytes
        self._connect_timeout = timedelta(seconds=connect_timeout)
        self._proxied = self._builder().build()
        self._direct = self._builder().no_proxy().build()
        self._clients: dict[str, tuple[Client, Url]] = {}  # by URL
        self._timeouts: dict[float, timedelta] = {}

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> PyreqwestAnswer | Failure:
        """Send once; see `ports.Transport`.

        Raises:
            ValueError: the URL or a header cannot be sent at all. Repeats neither.
        """
        client, address = self._clients.get(url) or self._client(url)
        limit = self._timeouts.get(timeout) or self._timeout(timeout)
        try:
            request = (
                client.post(address)
                .headers(headers)
                .body_bytes(body)
                .timeout(limit)
                .build_streamed()
            )
        except ValueError:
            # The message of the original holds the header's value.
            raise ValueError("a header of the request is malformed") from None
        try:
            async with request as response:
                # A small body has arrived with its head. The length is known unless the body is
                # chunked or compressed; only then is it read piece by piece.
                length = response.get_header("content-length")
                if length is None:
                    data = await self._read(response)
                elif int(length) <= self._most:
                    data = (await response.bytes()).to_bytes()
                else:
                    return Failure.TOO_LARGE
                if isinstance(data, Failure):
                    return data
                return PyreqwestAnswer(response.status, data, response)
        except BuilderError:
            raise ValueError("the URL of the request is malformed") from None
        except DetailedPyreqwestError as error:
            return _failure_of(error)

    async def close(self) -> None:
        """Close every connection; requests under way end as interrupted."""
        await self._proxied.close()
        await self._direct.close()

    def _builder(self) -> ClientBuilder:
        return (
            ClientBuilder()
            .http1_only()
            .runtime_multithreaded(enable=True)
            .follow_redirects(enable=False)
            .referer(enable=False)
            .user_agent(f"batchway/{version('batchway')}")
            .connect_timeout(self._connect_timeout)
            .pool_idle_timeout(timedelta(seconds=_IDLE_SECONDS))
            .tcp_keepalive(timedelta(seconds=_KEEPALIVE_SECONDS))
            .tcp_keepalive_interval(timedelta(seconds=_KEEPALIVE_SECONDS))
        )

    def _client(self, url: str) -> tuple[Client, Url]:
        try:
            address = Url(url)  # parsed once, not for every request
        except ValueError:
            raise ValueError("the URL of the request is malformed") from None
        client = self._direct if _is_this_machine(address.host_str) else self._proxied
        if len(self._clients) < _MOST_REMEMBERED_URLS:
            self._clients[url] = client, address
        return client, address

    def _timeout(self, seconds: float) -> timedelta:
        timeout = timedelta(seconds=seconds)
        if len(self._timeouts) < _MOST_REMEMBERED_URLS:
            self._timeouts[seconds] = timeout
        return timeout

    async def _read(self, response: Response) -> bytes | Failure:
        """A body of unknown length, as far as the limit."""
        pieces: list[bytes] = []
        size = 0
        reader = response.body_reader
        while (piece := await reader.read_chunk()) is not None:
            size += len(piece)
            if size > self._most:
                return Failure.TOO_LARGE  # leaving the context drops the rest with its connection
            pieces.append(piece.to_bytes())
        return b"".join(pieces)


def _failure_of(error: DetailedPyreqwestError) -> Failure:
    """The failure that an exception of pyreqwest stands for.

        causes name the connecting phase            UNREACHABLE   refused, DNS, TLS, connect timeout
        RequestTimeoutError and those below it      TIMEOUT
        NetworkError, DecodeError, ClientClosedError, RequestPanicError
                                                    INTERRUPTED   something may have been sent

    The classes alone do not tell: `ConnectError` is raised for a refused connection and for one
    that broke after the request was written, `ConnectTimeoutError` for a slow answer too.
    """
    for cause in error.details["causes"] or ():
        if cause["message"] == _CONNECTING:
            return Failure.UNREACHABLE
    return Failure.TIMEOUT if isinstance(error, RequestTimeoutError) else Failure.INTERRUPTED


def _is_this_machine(host: str | None) -> bool:
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
