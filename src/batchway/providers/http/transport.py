"""`ports.Transport` over aiohttp: one request, and exactly what became of it.

Owns connections, their limits, and the translation of every way a request can fail into a
`Failure`. Does not own retries or what an answer means (`dispatch`), nor addresses and keys
(the providers).

aiohttp repeats a request by itself when a kept connection turns out closed, but idempotent methods
only: a POST is written once.

HTTP/1.1, all that aiohttp speaks: over HTTP/2 the provider's `MAX_CONCURRENT_STREAMS` (often 100)
would silently become the concurrency.
"""

import asyncio
import re
import socket
from base64 import b64encode
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from batchway.dispatch.limits import MOST_ANSWER_BYTES
from batchway.ports import Failure
from batchway.providers.http.body import read_within
from batchway.providers.http.budget import Budget, Share
from batchway.providers.http.descriptors import Shortage, lacking, none_left
from batchway.providers.http.headers import with_defaults
from batchway.providers.http.posting import MOST_BYTES as MOST_POSTED
from batchway.providers.http.posting import Form, Posted, head_of, post
from batchway.providers.http.proxies import proxy_for
from batchway.providers.http.timing import CONNECT_SECONDS
from batchway.providers.http.unpacking import PackedTooTightly

# uvicorn, and vLLM with it, closes idle connections after 5 seconds. Letting go first means that
# no request is ever written to a connection that is being closed.
_IDLE_SECONDS: Final = 4.0

# Generations are silent for minutes; a NAT that forgot the connection must be noticed before the
# timeout of the exchange is.
_KEEPALIVE_SECONDS: Final = 30

# A provider that moves to another address is followed within a minute.
_DNS_SECONDS: Final = 60

# aiohttp warns of bytes above this size; of a stream it writes piece by piece.
_MOST_AT_ONCE: Final = 1 << 20

_MOST_REMEMBERED: Final = 4096

_MOST_SMALL: Final = 1 << 20

# A path that holds nothing which is still to be escaped.
_ESCAPED: Final = re.compile(r"(?:[!$&-;=@-Z\[\]_a-z~]|%[0-9A-Fa-f]{2})*")
_AUTHORIZATION: Final = "authorization"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")


class HttpAnswer:
    """`ports.Answer`."""

    __slots__ = ("_headers", "body", "status")

    def __init__(self, status: int, body: bytes, headers: CIMultiDictProxy[str]) -> None:
        self.status = status
        self.body = body
        self._headers = headers

    def header(self, name: str) -> str | None:
        """First value of a header, by any case."""
        return self._headers.get(name)

    def plain_headers(self) -> dict[str, str]:
        """The first value of every header by its name in lower case, as text that can be encoded.

        aiohttp keeps bytes that are no UTF-8 as lone surrogates.
        """
        plain: dict[str, str] = {}
        for name, value in self._headers.items():
            plain.setdefault(name.lower(), value if value.isascii() else _as_text(value))
        return plain


def _as_text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class _Address:
    """A URL as aiohttp wants it, with the headers last sent there."""

    __slots__ = ("_auth", "_form", "_given", "_head", "_made", "_unsigned", "proxy", "url")

    def __init__(self, url: str) -> None:
        try:
            parsed = URL(url)
            path = urlsplit(url).path
            if "%" in path and _ESCAPED.fullmatch(path):
                # It stays as it is: yarl takes escapes off that a path need not have (%3A), and a
                # signature is over the path as it is written.
                parsed = parsed.with_path(path, encoded=True, keep_query=True)
            usable = parsed.scheme in {"http", "https"} and parsed.raw_host and parsed.port
        except ValueError:
            usable, parsed = False, URL()
        if not usable:
            raise ValueError("the URL of the request is malformed") from None
        # A name and password in the address are `authorization`, unless a header is that.
        self._auth = None
        if parsed.raw_user or parsed.raw_password:
            secret = f"{parsed.user or ''}:{parsed.password or ''}".encode()
            self._auth = f"Basic {b64encode(secret).decode()}"
        self.url = parsed.with_user(None)
        self.proxy = proxy_for(self.url)
        self._given: dict[str, str] | None = None
        self._made: CIMultiDict[str] = CIMultiDict()
        self._head: bytes | None = None
        self._unsigned: tuple[bytes, bytes] | None = None  # the head around its authorization
        self._form: Form | None = None

    def headers(self, given: Mapping[str, str]) -> CIMultiDict[str]:
        """What to send, made anew only when it differs from the last request's."""
        if given == self._given:
            return self._made
        checked = self._given or {}
        for name, value in given.items():
            if checked.get(name) == value:
                continue  # of a signed request, some change and most do not
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError("a header of the request is malformed") from None
        made = with_defaults(given)
        if self._auth is not None:
            made.setdefault("authorization", self._auth)
        # Copied: the caller may change its own between two requests.
        self._given, self._made = dict(given), made
        self._head = self._unsigned = None
        return made

    def head(self, given: Mapping[str, str]) -> bytes | None:
        """The head of a short request with these headers, if it is `posting` that sends it.

        Of requests that are signed, mostly the signature alone is another one: the rest of the head
        is kept (7 to 8 µs of CPU a head made anew, 1 to 2 of one that is kept).
        """
        if self.proxy is not None:
            return None
        known, unsigned = self._given, self._unsigned
        if unsigned is not None and known is not None and given != known:
            authorization = given.get(_AUTHORIZATION, "")
            alike = given == {**known, _AUTHORIZATION: authorization}
            if alike and authorization.isascii() and _VALUE.fullmatch(authorization):
                return authorization.encode().join(unsigned)
        made = self.headers(given)
        if self._head is None:
            self._head = head_of(self.url, made)
            written = given.get(_AUTHORIZATION, "").encode()
            if self._head is not None and written and self._head.count(written) == 1:
                before, _, after = self._head.partition(written)
                self._unsigned = before, after
        return self._head

    def form(self, session: ClientSession) -> Form:
        """What `posting` needs besides; the session is always the same."""
        if self._form is None:
            self._form = Form(session, self.url)
        return self._form


class HttpTransport:
    """`ports.Transport`. Belongs to the event loop it is first used on.

    Proxies are those of the environment (`proxies`). Redirects are not followed. Above
    `most_requests` a request waits for its connection, for as long as that takes, before its
    timeout begins. `read` is handed what a large answer holds of the `budget`, to be closed when
    its bytes have been handed on.
    """

    def __init__(
        self,
        *,
        most_answer_bytes: int = MOST_ANSWER_BYTES,
        connect_timeout: float = CONNECT_SECONDS,
        most_requests: int | None = None,
        budget: Budget | None = None,
        shortage: Shortage | None = None,
        read: Callable[[Share], None] = Share.close,
    ) -> None:
        self._most = most_answer_bytes
        self._room = None if most_requests is None else asyncio.Semaphore(most_requests)
        self._budget = budget or Budget()
        self._shortage = shortage or Shortage(quiet=True)
        self._read_to_its_end = read
        self._connect_timeout = connect_timeout
        self._session: ClientSession | None = None
        self._addresses: dict[str, _Address] = {}
        self._timeouts: dict[float, ClientTimeout] = {}

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> HttpAnswer | Failure:
        """Send once; see `ports.Transport`.

        Raises:
            ValueError: the URL or a header cannot be sent at all. Repeats neither.
        """
        data = body if len(body) <= _MOST_AT_ONCE else BytesIO(body)
        if self._room is None:
            return await self._request(
                "POST", url, headers, data=data, timeout=timeout, most=self._most
            )
        async with self._room:
            return await self._request(
                "POST", url, headers, data=data, timeout=timeout, most=self._most
            )

    async def get(
        self, url: str, headers: Mapping[str, str], *, timeout: float
    ) -> HttpAnswer | Failure:
        """Ask once for something small; see `ports.Transport`. Raises as `post` does."""
        most = min(self._most, _MOST_SMALL)
        return await self._request("GET", url, headers, data=None, timeout=timeout, most=most)

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        data: bytes | BytesIO | None,
        timeout: float,
        most: int,
    ) -> HttpAnswer | Failure:
        address = self._addresses.get(url) or self._address(url)
        head = None
        if isinstance(data, bytes) and len(data) <= MOST_POSTED:
            head = address.head(headers)
        prepared = address.headers(headers) if head is None else None
        session = self._session
        if session is None:
            session = self._session = new_session()
        elif session.closed:
            return Failure.INTERRUPTED
        times = self._timeouts.get(timeout) or self._timeout(timeout)
        response: ClientResponse | Posted
        try:
            async with asyncio.timeout(timeout):
                if head is not None and isinstance(data, bytes):
                    response = await post(address.form(session), head, data, times)
                else:
                    response = await session.request(
                        method,
                        address.url,
                        data=data,
                        headers=prepared,
                        proxy=address.proxy,
                        timeout=times,
                        allow_redirects=False,
                    )
                if self._shortage.lasts:
                    self._shortage.ends()
                try:
                    read = await read_within(response, most, self._budget, self._read_to_its_end)
                    if read is None:
                        return Failure.TOO_LARGE
                    return HttpAnswer(response.status, read, response.headers)
                except PackedTooTightly:
                    return Failure.TOO_LARGE
                finally:
                    # After its last byte the connection is kept for the next request; before it
                    # (too large, broken, cancelled), this closes it.
                    response.close()
        except (ClientError, TimeoutError) as error:
            failure = _failure_of(error)
            if failure is Failure.NO_DESCRIPTORS:
                self._shortage.begins()
            return failure

    async def close(self) -> None:
        """Close every connection; requests under way end as interrupted."""
        if self._session is not None:
            await self._session.close()

    def _address(self, url: str) -> _Address:
        address = _Address(url)
        if len(self._addresses) < _MOST_REMEMBERED:
            self._addresses[url] = address
        return address

    def _timeout(self, seconds: float) -> ClientTimeout:
        # `_request` keeps the time of the whole. By default aiohttp rounds what is above five
        # seconds up to whole ones; a deadline is one.
        timeout = ClientTimeout(
            total=None,
            connect=self._connect_timeout,
            ceil_threshold=float("inf"),
        )
        if len(self._timeouts) < _MOST_REMEMBERED:
            self._timeouts[seconds] = timeout
        return timeout


def new_session(resolver: AbstractResolver | None = None) -> ClientSession:
    """A session for the running loop: as many connections as there are requests under way.

    It does not unpack answers: `unpacking` does, within bounds.
    """
    return ClientSession(
        connector=TCPConnector(
            limit=0,
            resolver=resolver,
            ttl_dns_cache=_DNS_SECONDS,
            keepalive_timeout=_IDLE_SECONDS,
            socket_factory=_socket,
        ),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
    )


def _socket(address: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # not on every system
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_SECONDS)
    return made


def _failure_of(error: ClientError | TimeoutError) -> Failure:
    """The failure that an exception of aiohttp stands for.

    any, and no descriptor left  NO_DESCRIPTORS
    ClientConnectorError        UNREACHABLE   refused, DNS, TLS; the same of a proxy
    ClientHttpProxyError        UNREACHABLE   the proxy would not connect
    ConnectionTimeoutError      UNREACHABLE   no connection in time
    any other TimeoutError      TIMEOUT
    any other ClientError       INTERRUPTED   something may have been sent
    """
    match error:
        case ClientConnectorError() | ClientHttpProxyError() | ConnectionTimeoutError():
            # Looking a name up takes descriptors, too, and says only that it failed.
            if lacking(error) or none_left():
                return Failure.NO_DESCRIPTORS
            return Failure.UNREACHABLE
        case TimeoutError():
            return Failure.TIMEOUT
        case _:
            return Failure.INTERRUPTED
