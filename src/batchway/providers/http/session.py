"""HTTP to a provider's batch API: short calls, an upload, a download.

Owns connections, timeouts, bounds and redirects; every failure leaves as `RemoteError`. Does not
own what is asked (`jobs`) or what an answer means (`reading`).

    call       the whole exchange within `Timeouts.call`
    head       the same, of which only the status and the headers are wanted
    upload     any length, as long as bytes move
    download   any length, as long as bytes move, from where an earlier one broke; redirects are
               followed (not into this network), the authorization stays with the provider's host
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from multidict import CIMultiDict
from yarl import URL

from batchway.domain.http_status import REDIRECTS
from batchway.domain.remote import FileMark, RemoteError, Trouble
from batchway.ports import Clock
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.body import read_body
from batchway.providers.http.download import Verdict, judge, packing, range_of
from batchway.providers.http.form import PIECE, Form
from batchway.providers.http.headers import with_defaults
from batchway.providers.http.proxies import proxy_for
from batchway.providers.http.redirects import PublicResolver, joined, leads_inside, literal_of
from batchway.providers.http.secrets import SentSecrets
from batchway.providers.http.timing import CONNECT_SECONDS
from batchway.providers.http.transport import new_session
from batchway.providers.http.unpacking import source_of

_MOST_ANSWER_BYTES: Final = 32 << 20  # a page of lists, with room
_MOST_ERROR_BYTES: Final = 64 << 10
_MOST_HOPS: Final = 5
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_UNPACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, for a short call as a whole, and without a byte in a transfer."""

    connect: float = CONNECT_SECONDS
    call: float = 60.0
    idle: float = 120.0


TIMEOUTS: Final = Timeouts()


class RemoteHttp:
    """One account's connections. Belongs to the event loop it is first used on.

    `headers` gives the provider's headers for the next request, authorization included, and may
    raise `RemoteError`; `read_error` is what reads the provider's error bodies.
    """

    def __init__(
        self,
        *,
        provider: str,
        headers: Callable[[], Awaitable[Mapping[str, str]]],
        read_error: remote_trouble.ReadError,
        clock: Clock,
        timeouts: Timeouts,
    ) -> None:
        self._provider = provider
        self._headers = headers
        self._read_error = read_error
        self._clock = clock
        self._timeouts = timeouts
        self._session: ClientSession | None = None
        self._public: ClientSession | None = None  # for redirects out of a provider's own host
        self._sent = SentSecrets()
        self._closed = False

    def secrets(self) -> tuple[str, ...]:
        """Credentials that were sent lately: they are cut out of everything a provider says."""
        return self._sent.all()

    async def _own(self) -> Mapping[str, str]:
        own = await self._headers()
        self._sent.note(own)
        return own

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = _NONE,
        read_error: remote_trouble.ReadError | None = None,
    ) -> bytes:
        """The body of a 2xx. Raises `RemoteError`.

        `headers` are this request's alone and win over the account's: a signature over its body.
        `read_error` reads what is refused in the place of the account's own.
        """
        own = await self._own()
        self._sent.note(headers)
        sent = _sendable(own) if body is None else _sendable(own, "application/json")
        sent.update(headers)
        timeout = ClientTimeout(total=self._timeouts.call, connect=self._timeouts.connect)
        async with (
            self._failures(),
            self._request(method, URL(url, encoded=True), sent, body, timeout) as response,
        ):
            if not 200 <= response.status < 300:
                raise await self._error(response, read_error)
            return await self._read(response)

    async def head(self, url: str, *, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        """The status and the headers of whatever is answered. Raises `RemoteError` without that.

        `headers` are this request's alone. Those of the answer ignore case.
        """
        own = await self._own()
        self._sent.note(headers)
        sent = _sendable(own)
        sent.update(headers)
        timeout = ClientTimeout(total=self._timeouts.call, connect=self._timeouts.connect)
        async with (
            self._failures(),
            self._request("HEAD", URL(url, encoded=True), sent, None, timeout) as response,
        ):
            return response.status, response.headers

    async def upload(
        self, url: str, *, fields: Mapping[str, str], filename: str, path: Path
    ) -> bytes:
        """Send a file as a form's `file`, streaming; the body of a 2xx. Raises `RemoteError`."""
        own = await self._own()
        idle = self._timeouts.idle
        source, size = await asyncio.to_thread(_opened, path)
        try:
            form = Form(fields=fields, filename=filename, size=size)
            headers = _sendable(own, form.content_type)
            headers["content-length"] = str(form.length)
            loop = asyncio.get_running_loop()
            async with self._failures(), asyncio.timeout(idle) as limit:

                def moved() -> None:
                    # aiohttp times only reading; a peer that stops taking would hold us for ever.
                    limit.reschedule(loop.time() + idle)

                timeout = ClientTimeout(total=None, connect=self._timeouts.connect)
                sent = _pieces(form, source, size, moved)
                async with self._request(
                    "POST", URL(url, encoded=True), headers, sent, timeout
                ) as (response):
                    if not 200 <= response.status < 300:
                        raise await self._error(response)
                    return await self._read(response)
        finally:
            await asyncio.to_thread(source.close)

    async def download(self, url: str, mark: FileMark | None = None) -> AsyncGenerator[bytes]:
        """The body of a 2xx in pieces as they arrive, from where `mark` says that reading is.

        Cut short, it raises `RemoteError`; `mark` then tells how much came.
        """
        own = await self._own()
        mark = mark or FileMark()
        timeout = ClientTimeout(
            total=None, connect=self._timeouts.connect, sock_read=self._timeouts.idle
        )
        first = target = URL(url, encoded=True)
        for _ in range(_MOST_HOPS):
            elsewhere = target.origin() != first.origin()
            # Storage behind a redirect has its authorization in the address, refuses a second one,
            # and must not learn the provider's.
            headers = _sendable({} if elsewhere else own)
            headers.update(range_of(mark))
            guarded = elsewhere and await self._guarded(first, target)
            async with (
                self._failures(),
                self._request("GET", target, headers, None, timeout, guarded=guarded) as response,
            ):
                if response.status in REDIRECTS:
                    target = self._redirected(target, response)
                    continue
                match judge(mark, response.status, response.headers):
                    case Verdict.NOTHING_LEFT:
                        mark.finished = True
                        return
                    case Verdict.ASK_AGAIN:
                        continue
                    case Verdict.NO_FILE:
                        raise await self._error(response)
                    case Verdict.READ:
                        async with aclosing(self._body(response, mark)) as pieces:
                            async for piece in pieces:
                                mark.offset += len(piece)
                                yield piece
                        mark.finished = True
                        return
        raise RemoteError(
            Trouble.REFUSED, f"The provider '{self._provider}' redirects a download for ever."
        )

    async def _body(self, response: ClientResponse, mark: FileMark) -> AsyncGenerator[bytes]:
        """The bytes of a file as they were before they were packed. Raises when they are cut."""
        how = packing(response.headers)
        if how not in {"", *_UNPACKED}:
            raise remote_trouble.uncertain(
                self._provider, f"packs a file in a way ({how[:20]}) that was not asked for"
            )
        # Read as it comes and never held whole, so it may be packed as tightly as it likes.
        source = source_of(response, most_ratio=None)
        while data := await source.readany():
            yield data
        if mark.total is not None and mark.offset < mark.total:
            raise remote_trouble.uncertain(self._provider, "ended a file before its end")

    async def close(self) -> None:
        """Close every connection; calls under way fail."""
        self._closed = True
        for session in (self._session, self._public):
            if session is not None:
                await session.close()

    def _redirected(self, before: URL, response: ClientResponse) -> URL:
        target = joined(before, response.headers.get("location", ""))
        if target is None:
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self._provider}' redirects a download to an address that cannot "
                "be used.",
            )
        return target

    async def _guarded(self, first: URL, target: URL) -> bool:
        """Whether a redirect is to be followed to public addresses only.

        Raises `RemoteError` when it leads from a provider out there into this network.
        """
        if await leads_inside(first):
            return False
        proxied = proxy_for(target) is not None
        # Behind a proxy names are the proxy's to know; an address is what it is everywhere.
        if (literal_of(target.host or "") is not None or not proxied) and await leads_inside(
            target
        ):
            raise RemoteError(
                Trouble.REFUSED,
                f"The provider '{self._provider}' redirects a download to an address inside this "
                "network, which is not followed.",
            )
        return not proxied

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
        timeout: ClientTimeout,
        *,
        guarded: bool = False,
    ) -> AsyncGenerator[ClientResponse]:
        """`guarded` connects to public addresses only."""
        if self._closed:
            raise remote_trouble.unreachable(self._provider, "its connections are closed")
        try:
            proxy = proxy_for(url)
        except ValueError as error:
            raise remote_trouble.unreachable(self._provider, str(error)) from error
        async with self._opened(guarded=guarded).request(
            method,
            url,
            data=body,
            headers=headers,
            proxy=proxy,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            try:
                yield response
            finally:
                # A body that is not read to its end would otherwise be waited for.
                response.close()

    def _opened(self, *, guarded: bool) -> ClientSession:
        if guarded:
            if self._public is None:
                self._public = new_session(PublicResolver())
            return self._public
        if self._session is None:
            self._session = new_session()
        return self._session

    @asynccontextmanager
    async def _failures(self) -> AsyncGenerator[None]:
        try:
            yield
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            # ValueError: a name that DNS cannot hold, a header that aiohttp cannot read.
            raise remote_trouble.of_failure(self._provider, error) from error

    async def _read(self, response: ClientResponse) -> bytes:
        data = await read_body(response, _MOST_ANSWER_BYTES)
        if data is None:
            raise remote_trouble.uncertain(self._provider, "sent an answer that is far too long")
        return data

    async def _error(
        self, response: ClientResponse, read_error: remote_trouble.ReadError | None = None
    ) -> RemoteError:
        try:
            body = await read_body(response, _MOST_ERROR_BYTES) or b""
        except (ClientError, TimeoutError):
            body = b""  # the status says enough: a 401 stays one although its text was cut off
        return remote_trouble.of_answer(
            self._provider,
            response.status,
            body,
            response.headers,
            read=read_error or self._read_error,
            secrets=self.secrets(),
            now=self._clock.now(),
        )


async def _pieces(
    form: Form, source: BinaryIO, size: int, moved: Callable[[], None]
) -> AsyncIterator[bytes]:
    """The form; `moved` is called whenever the last piece has been taken."""
    yield form.head
    left = size
    while left:
        moved()
        piece = await asyncio.to_thread(source.read, min(PIECE, left))
        if not piece:
            raise OSError("the file to upload became shorter while it was sent")
        left -= len(piece)
        yield piece
    moved()
    yield form.tail


def _opened(path: Path) -> tuple[BinaryIO, int]:
    return path.open("rb"), path.stat().st_size


def _sendable(own: Mapping[str, str], content_type: str | None = None) -> CIMultiDict[str]:
    """What to send; of what kind a body is, the request knows, and not the account."""
    headers = with_defaults(own)
    headers.popall("content-type", None)
    if content_type is not None:
        headers["content-type"] = content_type
    return headers
