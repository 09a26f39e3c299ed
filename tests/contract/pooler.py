"""A connection pooler in front of PostgreSQL, as small as one can be: by session or transaction.

It does what PgBouncer does as far as clients can tell: it greets each with a process id of its own
making, and in transaction mode lends a session of the server until a transaction ends.
"""

import shutil
import socket
import struct
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from sqlalchemy.engine import make_url

_NO_ENCRYPTION: Final = {80877103, 80877104}  # SSLRequest, GSSENCRequest
_FAKE_KEY: Final = b"K" + struct.pack("!iii", 12, 4711, 4711)


class Pooler:
    """Listens at `url` from `with` on; every connection ends with it."""

    def __init__(self, url: str, *, by: Literal["session", "transaction"]) -> None:
        parsed = make_url(url)
        host = parsed.query.get("host") or parsed.host
        assert isinstance(host, str)
        self._server = str(Path(host) / f".s.PGSQL.{parsed.port or 5432}")
        self._by = by
        self._directory = tempfile.mkdtemp(prefix="batchway-pool-")
        self._listener = socket.socket(socket.AF_UNIX)
        self._idle: list[socket.socket] = []
        self._clients: list[socket.socket] = []
        self._greeting = b""
        self._open: list[socket.socket] = [self._listener]
        query = {**parsed.query, "host": self._directory}
        self.url = parsed.set(host=None, port=None, query=query).render_as_string(False)

    def __enter__(self) -> Self:
        self._listener.bind(f"{self._directory}/.s.PGSQL.5432")
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        shutil.rmtree(self._directory)

    def forget(self) -> None:
        """Break off with every client; the server hears nothing of it."""
        for client in self._clients:
            client.shutdown(socket.SHUT_RDWR)
        self._clients.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            while True:
                (length,) = struct.unpack("!i", _exactly(client, 4))
                body = _exactly(client, length - 4)
                if struct.unpack("!i", body[:4])[0] not in _NO_ENCRYPTION:
                    break
                client.sendall(b"N")
            startup = struct.pack("!i", length) + body
            if self._by == "session":
                self._lend(client, startup)
            else:
                self._share(client, startup)

    def _connect(self, startup: bytes) -> tuple[socket.socket, bytes]:
        """A session of the server, and its greeting with another key."""
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        self._open.append(server)
        server.sendall(startup)
        greeting = b""
        while True:
            kind, message = _message(server)
            greeting += _FAKE_KEY if kind == b"K" else message
            if kind == b"Z":
                return server, greeting

    def _lend(self, client: socket.socket, startup: bytes) -> None:
        server, greeting = self._connect(startup)
        client.sendall(greeting)
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)
        # The session stays until `with` ends: a client that vanished has said no goodbye.

    def _share(self, client: socket.socket, startup: bytes) -> None:
        if not self._greeting:
            server, self._greeting = self._connect(startup)
            self._idle.append(server)
        client.sendall(self._greeting)
        lent: socket.socket | None = None
        while True:
            kind, message = _message(client)
            if kind == b"X":
                return
            if lent is None:
                lent = self._idle.pop() if self._idle else self._connect(startup)[0]
            lent.sendall(message)
            while kind in (b"Q", b"S"):
                answer, message = _message(lent)
                client.sendall(message)
                if answer == b"Z":
                    if message[-1:] == b"I":
                        self._idle.append(lent)
                        lent = None
                    break


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(source, 5)
    return head[:1], head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data
