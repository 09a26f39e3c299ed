"""A server with few file descriptors: clients must not take those that batches need."""

import resource
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.journeys.conftest import NewSimulator, configuration, provider
from tests.journeys.lines import chats, completed, reached, submit
from tests.journeys.processes import Process, Server
from tests.journeys.wire import call

_LIMITED = (
    "import resource, runpy; "
    "resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
    "runpy.run_module('batchway', run_name='__main__')"
)


class _Limited(Server):
    """A server that may have 256 descriptors, and would have 100 if it did not ask for more."""

    def start(self) -> None:
        self.process = Process(
            ["-c", _LIMITED.format(soft=100, hard=256), "serve"],
            log=self.directory / "server.log",
            cwd=self.directory,
        )
        line = self.process.line("Batchway listens on ")
        self.base_url = line.partition("Batchway listens on ")[2].strip()
        self.origin = self.base_url.removesuffix("/v1")
        self.port = int(self.origin.rpartition(":")[2])


@pytest.fixture(params=[0, 1], ids=["one process", "two processes"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, new_simulator: NewSimulator
) -> Generator[Server]:
    """Such a server, with a provider that takes a while."""
    simulator = new_simulator(latency=0.3)
    account = provider(simulator, limits={"concurrency": 150})
    server = _Limited(
        directory=tmp_path / "limited",
        configuration=configuration(account, execution={"sending_processes": request.param}),
    )
    yield server
    server.stop()


def test_three_hundred_silent_connections(server: Server) -> None:
    soft = Path(f"/proc/{server.process.pid}/limits").read_text().split("Max open files")[1]
    assert soft.split()[0] == "256"
    client = server.client()
    asked = chats(600)
    batch = submit(client, asked)
    reached(client, batch, completed=20)
    with ExitStack() as open_ones:
        for _ in range(300):
            each = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            open_ones.enter_context(each)
        slowest = 0.0
        for _ in range(10):
            since = time.monotonic()
            assert call(server, "GET", "/healthz").status == 200
            slowest = max(slowest, time.monotonic() - since)
        assert (
            slowest < 15
        )  # without a place of its own it would wait for the head deadline of 20 s
        completed(client, batch, asked)
    said = server.process.output()
    for trouble in ("Too many open files", "unreachable", "out of file descriptors", "Traceback"):
        assert trouble not in said
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 256  # this process's own is untouched
