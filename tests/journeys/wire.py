"""Requests that no SDK would send: raw HTTP for the tests of bad input.

Owns the writing of forms byte by byte and of requests that break off. Does not judge answers.
"""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Final

from tests.journeys.processes import Server

BOUNDARY: Final = "the-boundary"
FORM: Final = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; `error` is OpenAI's envelope, opened."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error of an answer that must have nothing else."""
        envelope = json.loads(self.body)
        assert list(envelope) == ["error"]
        assert list(envelope["error"]) == ["message", "type", "param", "code"]
        return envelope["error"]


def call(
    server: Server,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Reply(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
        )
    finally:
        connection.close()


def field(name: str, value: str) -> bytes:
    """A plain field of a form."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return f"{head}{value}\r\n".encode()


def file(content: bytes, *, name: str = "file", filename: str = "in.jsonl") -> bytes:
    """A file of a form."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def abandon(server: Server, path: str, sent: bytes, *, announced: int) -> None:
    """Announce a form of so many bytes, send some of it, and go."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM['content-type']}\r\n"
            f"Content-Length: {announced}\r\n\r\n"
        )
        connection.sendall(head.encode() + sent)
