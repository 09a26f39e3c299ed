"""What loads a server from outside: many creates at once beside polls, and many uploads at once.

    python -m bench.load create HOST PORT '{"batches": 1000, ...}'     # prints JSON

A process of its own, and plain sockets with requests made beforehand: a client that shares its
interpreter with anything, or takes a millisecond a request, would measure itself. Owns requests and
clocks; what is compared with what is in `bench.__main__`.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Final

_ENDPOINT: Final = "/v1/chat/completions"
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_POLL_SECONDS: Final = 0.01
_PATIENCE: Final = 300.0


class LoadError(Exception):
    """The server answered otherwise than it must."""


class Connection:
    """One keep-alive connection that speaks just enough HTTP/1.1."""

    def __init__(self, host: str, port: int) -> None:
        self._host = f"{host}:{port}"
        self._socket = socket.create_connection((host, port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> dict[str, Any]:
        """Send a request and read its JSON. Raises `LoadError` unless it is a 200."""
        head = f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\n"
        if body:
            head += f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        self._socket.sendall(head.encode() + b"\r\n" + body)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        data = self._left
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head, data = data[:end].lower(), data[end + 4 :]
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        while len(data) < length:
            data += self._more()
        body, self._left = data[:length], data[length:]
        if not head.startswith(b"http/1.1 200"):
            raise LoadError(f"{head[:30]!r} {body[:300]!r}")
        return json.loads(body)

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise LoadError("the server closed the connection")
        return data

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def upload(connection: Connection, data: bytes) -> str:
    """Upload an input file; its id."""
    mark = "batchway-bench-boundary"
    body = (
        f'--{mark}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{mark}\r\ncontent-disposition: form-data; name="file"; filename="in.jsonl"\r\n'
        "content-type: application/octet-stream\r\n\r\n"
    ).encode() + b"%b\r\n--%b--\r\n" % (data, mark.encode())
    made = connection.ask("POST", "/v1/files", body, f"multipart/form-data; boundary={mark}")
    return str(made["id"])


def create(host: str, port: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Create `batches` batches of the file at `path` over `connections`, polling all the while."""
    file_id = upload(Connection(host, port), Path(given["path"]).read_bytes())
    body = json.dumps(
        {"input_file_id": file_id, "endpoint": _ENDPOINT, "completion_window": "24h"}
    ).encode()
    most = int(given["batches"])
    numbers = count()
    made: list[tuple[str, float, float]] = []  # id, when its request began and ended
    started = time.perf_counter()
    watch = _Watch(Connection(host, port), made, most)
    watching = threading.Thread(target=watch.run)
    watching.start()

    def keep_creating(_: int) -> None:
        connection = Connection(host, port)
        while next(numbers) < most:
            began = time.perf_counter()
            batch = connection.ask("POST", "/v1/batches", body)
            made.append((batch["id"], began, time.perf_counter()))

    with ThreadPoolExecutor(int(given["connections"])) as pool:
        list(pool.map(keep_creating, range(int(given["connections"]))))
    created = time.perf_counter() - started
    watching.join()
    return {
        "seconds": watch.ended - started,
        "create_seconds": created,
        "creates": [end - begin for _, begin, end in made],
        "polls": watch.latencies,
        "turnarounds": watch.turnarounds,
        "overtaken_by_seconds": _overtaken(Connection(host, port), most),
    }


class _Watch:
    """Polls the oldest batch that is not known to have ended, on one connection."""

    def __init__(
        self, connection: Connection, made: list[tuple[str, float, float]], most: int
    ) -> None:
        self._connection = connection
        self._made = made
        self._most = most
        self.latencies: list[float] = []
        self.turnarounds: list[float] = []
        self.ended = 0.0

    def run(self) -> None:
        """Until all of them have ended."""
        deadline = time.perf_counter() + _PATIENCE
        while len(self.turnarounds) < self._most:
            at = len(self.turnarounds)
            if at < len(self._made) and self._has_ended(*self._made[at]):
                continue
            if time.perf_counter() > deadline:
                raise LoadError(f"{at} of {self._most} batches have ended")
            time.sleep(_POLL_SECONDS)

    def _has_ended(self, batch_id: str, _: float, created: float) -> bool:
        began = time.perf_counter()
        batch = self._connection.ask("GET", f"/v1/batches/{batch_id}")
        self.ended = time.perf_counter()
        self.latencies.append(self.ended - began)
        if batch["status"] not in _ENDED:
            return False
        counts = batch["request_counts"]
        if batch["status"] != "completed" or counts["completed"] != counts["total"]:
            raise LoadError(f"batch {batch_id} ended {batch['status']} with {counts}")
        self.turnarounds.append(self.ended - created)
        return True


def _overtaken(connection: Connection, most: int) -> int:
    """By how many seconds a batch began before one that was created before it, at most."""
    begins: list[int] = []
    after = ""
    while len(begins) < most:
        page = connection.ask("GET", f"/v1/batches?limit=100{after}")
        begins += [batch["in_progress_at"] for batch in page["data"]]
        after = f"&after={page['last_id']}"
    worst, latest = 0, 0
    for began in reversed(begins[:most]):  # from the first that was created
        worst = max(worst, latest - began)
        latest = max(latest, began)
    return worst


def upload_many(host: str, port: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Upload the file at `path` so many times at once, each on a connection of its own."""
    data = Path(given["path"]).read_bytes()
    uploads = int(given["uploads"])
    together = threading.Barrier(uploads)

    def one(_: int) -> None:
        connection = Connection(host, port)
        together.wait()
        upload(connection, data)
        connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(uploads) as pool:
        list(pool.map(one, range(uploads)))
    return {"seconds": time.perf_counter() - started}


def main() -> None:
    """Do as told and print what came of it."""
    what, host, port, given = sys.argv[1:]
    do = {"create": create, "upload": upload_many}[what]
    print(json.dumps(do(host, int(port), json.loads(given))))


if __name__ == "__main__":
    main()
