"""A real Batchway API on a socket for the other `test_api_*` modules, and its plain routes.

The server runs in a thread of its own with a real ledger and real blobs; only the clock can be
set, and blobs can be made to fail.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from os import urandom
from pathlib import Path
from typing import Any, TypeVar

import openai
import pytest
import uvicorn
from tests.parts import new_services

from batchway.api.app import create_app
from batchway.api.doors import DoorLimits, Doors
from batchway.api.parsing import behind
from batchway.domain.errors import Unavailable
from batchway.domain.ids import Ids
from batchway.domain.keys import ApiKey
from batchway.domain.routing import RoutingTable
from batchway.ports import BatchAccount, Blobs, BlobWriter
from batchway.service.auth import Auth
from batchway.service.batches import BatchService
from batchway.service.files import FileService
from batchway.service.keys import KeyService, configured_key
from batchway.service.limits import Limits
from batchway.service.models import ModelService
from batchway.service.remote import Remote
from batchway.service.uploads import UploadService
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger

T = TypeVar("T")

LINE = (
    b'{"custom_id":"1","method":"POST","url":"/v1/chat/completions",'
    b'"body":{"model":"m","messages":[]}}\n'
)
UNKNOWN_FILE = "file-" + "0" * 22
UNKNOWN_BATCH = "batch_" + "0" * 32
UNKNOWN_UPLOAD = "upload_" + "0" * 32


class TestClock:
    """Real time, which a test can push on."""

    __test__ = False

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FailingWriter:
    """A writer on a disk that is full after so many bytes."""

    def __init__(self, writer: BlobWriter, blobs: "SwitchableBlobs") -> None:
        self._writer = writer
        self._blobs = blobs

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._blobs.failure is not None:
            raise self._blobs.failure
        self._writer.write(data)

    def commit(self) -> None:
        self._writer.commit()

    def abort(self) -> None:
        self._writer.abort()


class SwitchableBlobs:
    """Local blobs that fail while `failure` is set."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.failure: Exception | None = None

    def writer(self, key: str) -> BlobWriter:
        return FailingWriter(self._blobs.writer(key), self)

    def read(self, key: str, start: int, length: int) -> bytes:
        if self.failure is not None:
            raise self.failure
        return self._blobs.read(key, start, length)

    def size(self, key: str) -> int | None:
        return self._blobs.size(key)

    def delete(self, key: str) -> None:
        if self.failure is not None:
            raise self.failure
        self._blobs.delete(key)

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        return self._blobs.keys(prefix)

    def sweep(self, before: float) -> int:
        return self._blobs.sweep(before)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer read to its end; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def an_error(
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    type: str = "invalid_request_error",
) -> dict[str, object]:
    """An error's whole body."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


@dataclass(slots=True, kw_only=True)
class Server:
    """A running API and its parts."""

    port: int
    root: Path
    loop: asyncio.AbstractEventLoop
    ledger: SqlLedger
    blobs: SwitchableBlobs
    clock: TestClock
    files: FileService
    batches: BatchService
    uploads: UploadService
    keys: KeyService
    woken: list[str]
    unready: list[Exception] = field(default_factory=list[Exception])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's own loop, which the ledger belongs to."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def client(self, key: str = "none", *, retries: int = 0) -> openai.OpenAI:
        return openai.OpenAI(api_key=key, base_url=f"{self.url}/v1", max_retries=retries)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One plain request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def post(self, path: str, value: object, **headers: str) -> Reply:
        """Send JSON. Header names are written with underscores."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.ask("POST", path, body=json.dumps(value), headers=named)

    def send_form(
        self, path: str, *parts: tuple[str, bytes], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a multipart form; a part is its Content-Disposition parameters and its bytes."""
        named = {"content-type": "multipart/form-data; boundary=b", **(headers or {})}
        return self.ask("POST", path, body=form(*parts), headers=named)

    def upload(
        self, content: bytes = LINE, *, filename: str = "in.jsonl", purpose: str = "batch"
    ) -> str:
        """A file's id."""
        reply = self.send_form(
            "/v1/files",
            ('name="purpose"', purpose.encode()),
            (f'name="file"; filename="{filename}"', content),
        )
        assert reply.status == 200, reply.body
        return reply.json()["id"]

    def stored(self) -> list[str]:
        """Everything in the blob store, half-written blobs included."""
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if path.is_file()
        )


def form(*parts: tuple[str, bytes], end: bool = True) -> bytes:
    """A multipart body with the boundary `b`."""
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + name.encode() + b"\r\n\r\n" + data + b"\r\n"
        for name, data in parts
    )
    return body + b"--b--\r\n" if end else body


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another thread is about to do."""
    tick = threading.Event()
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came true"
        tick.wait(0.01)


@contextmanager
def serving(
    ledger_url: str,
    root: Path,
    *,
    keys: Sequence[ApiKey] = (),
    limits: Limits | None = None,
    doors: DoorLimits | None = None,
    open_pages: bool = True,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    providers: Sequence[str] = ("vllm", "openai-main"),
    natives: Mapping[str, BatchAccount] | None = None,
    routing: RoutingTable | None = None,
) -> Generator[Server]:
    """A server that is up inside the `with`."""
    # asyncio turns Nagle off only where the protocol is named: 40 ms a request otherwise.
    sock = socket.socket(proto=socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    started = threading.Event()
    made: list[Server] = []
    stopping: list[uvicorn.Server] = []

    async def serve() -> None:
        ledger = await SqlLedger.open(ledger_url)
        limit = limits or Limits()
        clock, ids, blobs = (
            TestClock(),
            Ids(random_bytes=urandom),
            SwitchableBlobs(LocalBlobs(root)),
        )
        services = new_services(ledger=ledger, blobs=blobs, clock=clock, ids=ids, limits=limit)
        files, uploads = services.files, services.uploads
        woken: list[str] = []
        batches = BatchService(
            ledger=ledger,
            clock=clock,
            ids=ids,
            files=files,
            providers=providers,
            wake=woken.append,
        )
        server = Server(
            port=sock.getsockname()[1],
            root=root,
            loop=asyncio.get_running_loop(),
            ledger=ledger,
            blobs=blobs,
            clock=clock,
            files=files,
            batches=batches,
            uploads=uploads,
            keys=KeyService(keys=ledger.keys, clock=clock, ids=ids),
            woken=woken,
        )

        async def health() -> None:
            if server.unready:
                raise server.unready[0]

        app = create_app(
            files=files,
            batches=batches,
            uploads=uploads,
            remote=Remote(
                batches=batches,
                files=files,
                ledger=ledger,
                providers={name: (natives or {}).get(name) for name in providers},
                configured=keys,
            ),
            models=ModelService(routing=routing or RoutingTable(providers={}, routes={})),
            auth=Auth(keys=ledger.keys, configured=keys, clock=clock),
            ids=ids,
            clock=clock,
            limits=limit,
            health=health,
            metrics=lambda: b"up 1\n",
            open_pages=open_pages,
        )
        config = uvicorn.Config(
            app,
            ws="none",  # as `serve` has it
            http=behind(Doors(doors)),
            log_level="warning",
            timeout_graceful_shutdown=2,
        )
        runner = uvicorn.Server(config)
        made.append(server)
        stopping.append(runner)
        started.set()
        try:
            await runner.serve(sockets=[sock])
        finally:
            await ledger.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as loop:
            loop.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(20), "the server did not start"
    try:
        eventually(lambda: stopping[0].started)
        yield made[0]
    finally:
        stopping[0].should_exit = True
        thread.join(20)
        sock.close()


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API that needs no key."""
    with serving(sqlite_url, tmp_path / "blobs") as server:
        yield server


def test_health_metrics_and_documents_need_no_key(sqlite_url: str, tmp_path: Path) -> None:
    key = configured_key(name="k", secret="sk-blue-0123456789", tenant="blue")
    with serving(sqlite_url, tmp_path / "blobs", keys=[key]) as api:
        assert api.ask("GET", "/healthz").json() == {"status": "ok"}
        assert api.ask("GET", "/readyz").json() == {"status": "ok"}
        metrics = api.ask("GET", "/metrics")
        assert (metrics.body, metrics.headers["content-type"]) == (
            b"up 1\n",
            "text/plain; version=0.0.4; charset=utf-8",
        )
        document = api.ask("GET", "/openapi.json").json()
        assert list(document["paths"]) == [
            "/v1/batches/{batch_id}",
            "/v1/batches",
            "/v1/batches/{batch_id}/cancel",
            "/v1/files",
            "/v1/files/{file_id}",
            "/v1/files/{file_id}/content",
            "/v1/uploads",
            "/v1/uploads/{upload_id}/parts",
            "/v1/uploads/{upload_id}/complete",
            "/v1/uploads/{upload_id}/cancel",
            "/v1/models",
            "/v1/models/{model}",
            "/healthz",
            "/readyz",
            "/metrics",
        ]


@pytest.mark.parametrize("path", ["/metrics", "/docs", "/openapi.json"])
def test_pages_that_are_not_open_need_a_key(sqlite_url: str, tmp_path: Path, path: str) -> None:
    key = configured_key(name="k", secret="sk-blue-0123456789", tenant="blue")
    with serving(sqlite_url, tmp_path / "blobs", keys=[key], open_pages=False) as api:
        assert api.ask("GET", path).status == 401
        wrong = {"authorization": "Bearer sk-blue-0123456780"}
        assert api.ask("GET", path, headers=wrong).status == 401
        right = {"authorization": "Bearer sk-blue-0123456789"}
        assert api.ask("GET", path, headers=right).status == 200
        assert [api.ask("GET", each).status for each in ("/healthz", "/readyz")] == [200, 200]


def test_readiness_says_no_without_saying_why(api: Server) -> None:
    api.unready.append(Unavailable("postgresql://user:secret@db is down"))
    reply = api.ask("GET", "/readyz")
    assert reply.status == 503
    assert reply.json() == an_error(
        "Batchway is not ready to serve. Its log says why.",
        code="not_ready",
        type="server_error",
    )


def test_the_documentation_page_needs_no_network(api: Server) -> None:
    page = api.ask("GET", "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    text = page.body.decode()
    assert "/v1/batches/{batch_id}/cancel" in text
    assert "<script" not in text
    assert "//" not in text.replace("<!doctype", "").split("<body>")[0]
    assert not [part for part in text.split('href="')[1:] if part.startswith(("http", "//"))]


def test_every_path_is_served_with_and_without_v1(api: Server) -> None:
    file_id = api.upload()
    for path in ("/files", f"/files/{file_id}", f"/files/{file_id}/content", "/batches"):
        with_v1, without = api.ask("GET", f"/v1{path}"), api.ask("GET", path)
        assert (with_v1.status, with_v1.body) == (200, without.body), path
