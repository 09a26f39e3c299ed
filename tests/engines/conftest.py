"""Fixtures of the tests on a real engine: `make engines` installs it and says where it is."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.journeys.conftest import NewServer, running_servers
from tests.journeys.processes import eventually

_PYTHON: Final = os.environ.get("BATCHWAY_ENGINE_PYTHON", "")
_LLAMA: Final = Path(__file__).with_name("llama.py")


class Llama:
    """llama.cpp's server in a process of its own, restartable at the same address."""

    def __init__(self, *, directory: Path, embeddings: bool) -> None:
        self._log = directory / f"llama-{embeddings}.log"
        self._model = directory / "random.gguf"
        self._embeddings = embeddings
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self._port}/v1"
        self.start()

    def start(self) -> None:
        """Start it; returns when it answers."""
        further = ["--embeddings"] if self._embeddings else []
        with self._log.open("ab") as log:
            seen = log.tell()
            self._process = subprocess.Popen(
                [_PYTHON, str(_LLAMA), str(self._port), str(self._model), *further],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        address = f"http://127.0.0.1:{self._port}\n".encode()
        eventually("the engine answers", lambda: address in self._log.read_bytes()[seen:])

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="session", autouse=True)
def engine_installed() -> None:
    """These tests are asked for by name: without the engine they cannot pass."""
    if not _PYTHON:
        pytest.fail("the engine is not installed: run these tests with `make engines`")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for logs and the model."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def llama(home: Path) -> Iterator[Llama]:
    """An engine that generates text."""
    engine = Llama(directory=home, embeddings=False)
    yield engine
    engine.kill()


@pytest.fixture(scope="module")
def embedder(home: Path) -> Iterator[Llama]:
    """An engine that embeds text."""
    engine = Llama(directory=home, embeddings=True)
    yield engine
    engine.kill()


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[NewServer]:
    """Starts Batchway servers that end with the test."""
    with running_servers(tmp_path) as start:
        yield start
