"""A served batch from outside: `batchway serve` as a process of its own, used over HTTP.

Owns starting and stopping the server in a temporary directory, and running one batch while
watching its memory and polling it. What is compared with what is in `bench.managed`.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bench.figures import Memory, PeakMemory
from bench.upstream import API_KEY
from openai import OpenAI

_ENDPOINT: Final = "/v1/chat/completions"
_TERMINAL: Final = ("completed", "failed", "expired", "cancelled")


class ServedError(Exception):
    """The server did not start, or a batch did not end as it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRun:
    """One batch: seconds from create to completed, seconds of upload, memory, poll latencies."""

    lines: int
    seconds: float
    upload_seconds: float
    memory: Memory
    polls: tuple[float, ...]

    @property
    def lines_per_second(self) -> float:
        """Lines with a durable result, by the time from create to completed."""
        return self.lines / self.seconds


def online(upstream: str, *, concurrency: int | str) -> dict[str, Any]:
    """The entry of a provider that is sent one request a line."""
    return {
        "name": "upstream",
        "type": "openai-compatible",
        "base_url": upstream + "/v1",
        "api_key": API_KEY,
        "limits": {"concurrency": concurrency},
    }


class Served:
    """A running server on one provider: `with Served(online(url, concurrency=128)) as served`.

    `settings` are further ones of its configuration, such as `database`.
    """

    def __init__(self, provider: Mapping[str, Any], **settings: Any) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="batchway-bench-")
        self._configuration = {"providers": [provider], **settings}
        self._process: subprocess.Popen[str] | None = None
        self.address = ("127.0.0.1", 0)

    def __enter__(self) -> Self:
        directory = Path(self._directory.name)
        (directory / "batchway.yaml").write_text(json.dumps(self._configuration))
        environ = {k: v for k, v in os.environ.items() if not k.startswith("BATCHWAY_")}
        with (directory / "serve.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "batchway", "serve", "--port", "0"],
                cwd=directory,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        for line in self._process.stdout or ():
            if "http://" in line:
                host, port = line.split("http://")[1].split("/")[0].split(":")
                self.address = (host, int(port))
                return self
        raise ServedError((directory / "serve.log").read_text())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._directory.cleanup()

    @property
    def pid(self) -> int:
        """The server's process."""
        if self._process is None:
            raise ServedError("the server is not running")
        return self._process.pid

    def client(self) -> OpenAI:
        """The official SDK on this server."""
        host, port = self.address
        return OpenAI(base_url=f"http://{host}:{port}/v1", api_key="none")

    def run(self, path: Path, lines: int, *, poll_every: float = 0.05) -> ServedRun:
        """Upload `path`, run it to `completed`, and check that every line succeeded."""
        client = self.client()
        with PeakMemory(self.pid) as memory:
            started = time.perf_counter()
            with path.open("rb") as file:
                uploaded = client.files.create(file=file, purpose="batch")
            upload_seconds = time.perf_counter() - started
            started = time.perf_counter()
            batch = client.batches.create(
                input_file_id=uploaded.id, endpoint=_ENDPOINT, completion_window="24h"
            )
            last, polls = self._watch(batch.id, poll_every)
            seconds = time.perf_counter() - started
        counts = last["request_counts"]
        if last["status"] != "completed" or counts["completed"] != lines:
            raise ServedError(f"batch {batch.id} ended {last['status']} with {counts}")
        return ServedRun(
            lines=lines,
            seconds=seconds,
            upload_seconds=upload_seconds,
            memory=memory.peak,
            polls=tuple(polls),
        )

    def poll(self, batch_id: str, times: int) -> list[float]:
        """Latency in seconds of so many `GET /batches/{id}` on one connection."""
        connection = http.client.HTTPConnection(*self.address)
        latencies: list[float] = []
        for _ in range(times):
            _, latency = _get(connection, batch_id)
            latencies.append(latency)
        connection.close()
        return latencies

    def _watch(self, batch_id: str, every: float) -> tuple[dict[str, Any], list[float]]:
        """Poll until the batch ends; the last answer and the latencies while it ran."""
        connection = http.client.HTTPConnection(*self.address)
        polls: list[float] = []
        pause = threading.Event()
        while True:
            batch, latency = _get(connection, batch_id)
            if batch["status"] in _TERMINAL:
                connection.close()
                return batch, polls
            if batch["status"] == "in_progress":
                polls.append(latency)
            pause.wait(every)


def _get(connection: http.client.HTTPConnection, batch_id: str) -> tuple[dict[str, Any], float]:
    started = time.perf_counter()
    connection.request("GET", f"/v1/batches/{batch_id}")
    body = connection.getresponse().read()
    return json.loads(body), time.perf_counter() - started
