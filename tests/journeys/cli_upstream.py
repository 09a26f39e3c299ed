"""A model server whose answers a test writes, for what a real one gives only on a bad day."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def said(text: str = "yes") -> Reply:
    """A chat completion."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return Reply(body=json.dumps(body).encode())


def refused(status: int, code: str | None = None, message: str = "No.") -> Reply:
    """An error in OpenAI's envelope."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Reply(status=status, body=json.dumps({"error": error}).encode())


class Upstream:
    """Answers POSTs by `answer`, GETs of `/v1/models` by `models`; keeps what was asked."""

    def __init__(self, answer: Callable[[dict[str, Any]], Reply], models: list[str]) -> None:
        self.answer = answer
        self.models = models
        self.asked: list[dict[str, Any]] = []
        self.at_once = 0
        self._now = 0
        self._lock = Lock()
        self.base_url = ""

    def take(self, body: dict[str, Any]) -> Reply:
        """One request."""
        with self._lock:
            self.asked.append(body)
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        try:
            return self.answer(body)
        finally:
            with self._lock:
                self._now -= 1


@contextmanager
def upstream(
    answer: Callable[[dict[str, Any]], Reply], models: list[str] | None = None
) -> Generator[Upstream]:
    """A running upstream."""
    script = Upstream(answer, models or [])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._reply(script.take(json.loads(body)))

        def do_GET(self) -> None:
            listed = {"object": "list", "data": [{"id": name} for name in script.models]}
            self._reply(Reply(body=json.dumps(listed).encode()))

        def _reply(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
