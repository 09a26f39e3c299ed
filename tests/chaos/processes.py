"""Processes that a chaos test starts, and ends by their own pid only.

Owns signalling and reaping; `fork_server` starts them. Does not own what is asked of them over HTTP
(`client`).
"""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fork_server import Started, spawn

_START_SECONDS = 60.0
_FOREIGN = ("BATCHWAY_", "OPENAI_", "AZURE_OPENAI_")


class Child:
    """One command, which may be started, killed and started again. Output goes to `log`."""

    def __init__(self, arguments: Sequence[str | Path], *, log: Path) -> None:
        self._arguments = ["-m", *map(str, arguments)]
        self.log = log
        self._process: Started | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs (or is stopped, which is no end)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The pid of the last start."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, cold: bool = False) -> None:
        """Start it; what it says is added to the log. `cold`: with nothing imported beforehand."""
        assert not self.alive
        plain = {n: value for n, value in os.environ.items() if not n.startswith(_FOREIGN)}
        with self.log.open("ab") as log:
            self._process = spawn(
                self._arguments,
                cwd=self.log.parent,
                env={**plain, "PYTHONUNBUFFERED": "1"},
                stdout=log.fileno(),
                stderr=log.fileno(),
                cold=cold,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to a process that runs."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and reap; harmless when it has ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return self._process.wait(seconds)

    def end(self, seconds: float = 60.0) -> int:
        """SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def said(self) -> str:
        """Everything that its lives have said so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Simulator(Child):
    """The simulated provider as a process of its own."""

    def __init__(self, *, log: Path, **dials: str | float) -> None:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in dials.items()]
        super().__init__(["batchway.simulator.online", "--record", *flags], log=log)

    @property
    def url(self) -> str:
        """Its base URL."""
        return self.said().split()[0]

    def start(self, *, cold: bool = False) -> None:
        """Start it; returns when it listens."""
        super().start(cold=cold)
        deadline = time.monotonic() + _START_SECONDS
        while "\n" not in self.said():
            assert self.alive, self.said()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stats(self) -> dict[str, Any]:
        """What it has served since the last reset."""
        return self._ask("GET", "stats")

    def dial(self, **dials: object) -> None:
        """Change dials while it runs."""
        self._ask("POST", "settings", json.dumps(dials).encode())

    def reset(self) -> None:
        """Start counting anew."""
        self._ask("POST", "reset")

    def _ask(self, method: str, name: str, body: bytes | None = None) -> dict[str, Any]:
        host, _, port = self.url.removeprefix("http://").removesuffix("/v1").rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request(method, f"/_simulator/{name}", body)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, said
            return json.loads(said)
        finally:
            connection.close()


class Server(Child):
    """`batchway serve` on one port and one data directory, through all of its lives."""

    def __init__(self, *, config: Path, data: Path, port: int, log: Path) -> None:
        super().__init__(
            [
                *("batchway", "serve"),
                *("--config", config),
                *("--data-dir", data),
                *("--port", str(port)),
            ],
            log=log,
        )
        self.data = data
        self.port = port

    def start_and_wait(self) -> None:
        """Start it; returns when it answers."""
        self.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            assert self.alive, f"the server did not start:\n{self.said()[-4000:]}"
            assert time.monotonic() < deadline, (
                f"the server does not answer:\n{self.said()[-4000:]}"
            )
            time.sleep(0.02)

    def answers(self) -> bool:
        """Whether it answers now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
