"""One request to a server and its answer, over a connection of their own.

    exchange --NotConnected            refused, DNS, TLS, a proxy that would not connect
       |-----Cut                       sent, and no answer; or only a part of it
       +-----Answer                    whatever its status

The standard library's client: to import aiohttp takes longer than all else that `batchway status`
does (0.17 s, measured), and a command makes one request at a time. It needs no event loop, so
Ctrl-C ends it anywhere.

Owns connections, proxies of the environment, redirects and time limits. Does not own what is asked
or what an answer means (`client`). Proxies that are themselves reached over TLS are for servers
without TLS only: this client has no TLS within TLS.
"""

import socket
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ssl import SSLCertVerificationError, SSLError
from typing import Final
from urllib.parse import urljoin

from yarl import URL

from batchway.domain.http_status import REDIRECTS
from batchway.providers.http.proxies import proxy_for
from batchway.providers.http.timing import CONNECT_SECONDS

_SILENT_SECONDS: Final = 300.0  # long enough for a server that hashes the end of a large upload
_PIECE: Final = 256 << 10
_MOST_HOPS: Final = 10
_KEEP_METHOD: Final = frozenset({307, 308})


class NotConnected(Exception):
    """There is no connection: nothing was sent. The message says why, without a full stop."""


class Cut(Exception):
    """There is no answer, or only a part of one. The message says why, without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent: `length` bytes of `content_type`; `pieces` gives them from the first one on."""

    content_type: str
    length: int
    pieces: Callable[[], Iterable[bytes]]


class Answer:
    """An answer whose body has not been read yet."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self._response = response

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. Raises `Cut`."""
        packing = self._response.headers.get("content-encoding", "identity").strip().lower()
        if packing != "identity":
            raise Cut(f"it packs its answers ({packing[:20]}), which was not asked for")
        while piece := self._read():
            yield piece
        if self._response.length:
            raise Cut("it ended before the answer did")

    def body(self) -> bytes:
        """The whole body. Raises `Cut`."""
        return b"".join(self.pieces())

    def _read(self) -> bytes:
        with _cut():
            return self._response.read1(_PIECE)


@contextmanager
def exchange(
    method: str, url: str, headers: Mapping[str, str], body: Body | None = None
) -> Generator[Answer]:
    """Ask once. Redirects are followed; to another origin without `authorization`.

    Raises:
        NotConnected, Cut: see the module.
    """
    target, sent = URL(url), dict(headers)
    for _ in range(_MOST_HOPS):
        connection, path = _connected(target, sent)
        try:
            response = _asked(connection, method, path, sent, body)
            with closing(response):  # which outlives a connection that its server closes
                location = response.headers.get("location")
                if response.status not in REDIRECTS or not location:
                    yield Answer(response)
                    return
            before, target = target, _joined(target, location)
        finally:
            connection.close()
        if response.status not in _KEEP_METHOD:
            method, body = "GET", None
        if target.origin() != before.origin():
            sent.pop("authorization", None)
    raise Cut("it redirects for ever")


def _connected(url: URL, headers: dict[str, str]) -> tuple[HTTPConnection, str]:
    """A connection, and what to ask for over it; a proxy's credentials are put into `headers`."""
    headers.pop("proxy-authorization", None)
    try:
        proxy = proxy_for(url, host="the server's host")
    except ValueError as error:
        raise NotConnected(str(error)) from error
    tls = url.scheme == "https"
    end = proxy or url
    make = HTTPSConnection if tls or end.scheme == "https" else HTTPConnection
    connection = make(end.host or "", end.port, timeout=CONNECT_SECONDS)
    path = url.raw_path_qs
    if proxy is not None:
        secret = f"{proxy.user or ''}:{proxy.password or ''}".encode()
        own = {"proxy-authorization": f"Basic {b64encode(secret).decode()}"}
        own = own if proxy.user or proxy.password else {}
        if not tls:
            path = str(url.with_user(None).with_fragment(None))
            headers.update(own)
        elif proxy.scheme == "https":
            raise NotConnected("a proxy with an https:// address cannot be used for https://")
        else:
            connection.set_tunnel(url.raw_host or "", url.port, headers=own)
    try:
        connection.connect()
        connection.sock.settimeout(_SILENT_SECONDS)
    except (OSError, HTTPException) as error:
        connection.close()
        raise NotConnected(_reason(error)) from error
    return connection, path


def _asked(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Body | None,
) -> HTTPResponse:
    length = body.length if body is not None else 0 if method == "POST" else None
    with _cut():
        connection.putrequest(method, path)  # with `host`, and `accept-encoding: identity`
        for name, value in headers.items():
            connection.putheader(name, value.encode())
        if body is not None:
            connection.putheader("content-type", body.content_type)
        if length is not None:
            connection.putheader("content-length", str(length))
        connection.endheaders()
    for piece in body.pieces() if body is not None else ():
        try:
            with _cut():
                connection.send(piece)
        except Cut as error:
            if not isinstance(error.__cause__, BrokenPipeError | ConnectionResetError):
                raise
            break  # a server that refuses an upload answers before it has read it
    with _cut():
        return connection.getresponse()


@contextmanager
def _cut() -> Generator[None]:
    try:
        yield
    except (OSError, HTTPException) as error:
        raise Cut(_reason(error)) from error
    except ValueError as error:
        raise Cut("the request holds characters that cannot be sent") from error


def _joined(before: URL, location: str) -> URL:
    try:
        target = URL(urljoin(str(before), location), encoded=True)  # it may be signed as it is
    except ValueError as error:
        raise Cut("it redirects to an address that cannot be used") from error
    if not target.host or target.scheme not in {"https", before.scheme}:
        raise Cut("it redirects to an address that cannot be used")
    return target


def _reason(error: OSError | HTTPException) -> str:
    match error:
        case socket.gaierror():
            return "its name is not known"
        case SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case SSLError():
            return f"TLS failed: {error.reason or 'unknown reason'}"
        case TimeoutError():
            return "no answer in time"
        case OSError() if error.strerror:
            return error.strerror.lower()
        case _:
            return str(error) or "the connection was closed"
