"""Fixtures of the journeys: servers and simulators that end with the test, or with the worker.

A failed test shows the end of the log of every process that it could have met.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.journeys.processes import Server, Simulator, eventually

_SHOWN: Final = 6_000
_alive: Final[list[Path]] = []  # logs of the processes of the running test and of the session

Configuration = dict[str, Any]
NewSimulator = Callable[..., Simulator]
NewServer = Callable[..., Server]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the ends of the logs to a failed test's report."""
    report = yield
    if report.failed:
        for log in _alive:
            text = log.read_text(errors="replace") if log.exists() else ""
            report.sections.append((f"the end of {log}", text[-_SHOWN:]))
    return report


def configuration(*providers: Configuration, **sections: Any) -> Configuration:
    """A configuration for tests: any free port, commits that one need not wait for."""
    return {
        "data_dir": "data",
        "server": {"port": 0},
        "providers": list(providers),
        **sections,
        "execution": {"commit_interval": 0.05, "drain_timeout": 2, **sections.get("execution", {})},
    }


def provider(simulator: Simulator, name: str = "sim", **further: Any) -> Configuration:
    """A simulator as a provider."""
    return {
        "name": name,
        "type": "openai-compatible",
        "base_url": simulator.base_url,
        **further,
    }


@contextmanager
def running_simulators(directory: Path) -> Generator[NewSimulator]:
    started: list[Simulator] = []

    def start(**dials: object) -> Simulator:
        name = f"simulator-{len(started)}"
        _alive.append(directory / f"{name}.log")
        started.append(Simulator(directory=directory, name=name, dials=dials))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            each.process.stop()


@contextmanager
def running_servers(directory: Path) -> Generator[NewServer]:
    started: list[Server] = []

    def start(*providers: Configuration, **sections: Any) -> Server:
        home = directory / f"server-{len(started)}"
        _alive.append(home / "server.log")
        started.append(Server(directory=home, configuration=configuration(*providers, **sections)))
        return started[-1]

    try:
        yield start
    finally:
        codes = [each.stop() for each in started if each.process.running]
    assert not any(codes), "a server did not end in order"


@pytest.fixture(autouse=True)
def forget_logs() -> Generator[None]:
    """Logs are shown with the tests that could have written them."""
    before = len(_alive)
    yield
    del _alive[before:]


@pytest.fixture
def new_simulator(tmp_path: Path) -> Iterator[NewSimulator]:
    """Starts simulators that end with the test: `new_simulator(latency=0.1)`."""
    with running_simulators(tmp_path) as start:
        yield start


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[NewServer]:
    """Starts servers that end with the test: `new_server(provider(simulator), auth=...)`."""
    with running_servers(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def plain_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator without any trouble but what prompts ask for, shared by a worker's tests."""
    with running_simulators(tmp_path_factory.mktemp("plain-simulator")) as start:
        yield start()


@pytest.fixture(scope="session")
def plain_server(
    plain_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server without keys over one provider, shared by a worker's tests."""
    with running_servers(tmp_path_factory.mktemp("plain-server")) as start:
        yield start(
            provider(plain_simulator, limits={"max_attempts": 2, "timeout": 2}),
            limits={"max_line_bytes": 100_000, "max_file_bytes": 50_000_000},
        )


@pytest.fixture
def nothing_is_left(plain_server: Server) -> Iterator[None]:
    """Whatever a test sends to the shared server, its blobs are afterwards as they were before."""
    before = plain_server.kept()
    yield
    eventually("nothing is left behind", lambda: plain_server.kept() == before, within=10)
