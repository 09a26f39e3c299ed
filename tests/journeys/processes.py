"""Real processes for the journeys: a Batchway server and a simulated model server.

Owns their address, their logs and their end; `fork_server` starts them. Every process is ended by
its own id, first asked (SIGTERM), then killed. Logs stay in the test's directory; `conftest` shows
their ends when a test fails. Does not own what runs through them.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.request import Request, urlopen

import openai
import yaml
from tests.fork_server import Started, spawn

from batchway.storage.blobs.identity import NAME
from batchway.storage.migrations import upgrade
from batchway.storage.private import make_database

T = TypeVar("T")

START_SECONDS: Final = 40.0
STOP_SECONDS: Final = 20.0
_LISTENS: Final = "Batchway listens on "
_FOREIGN: Final = ("BATCHWAY_", "OPENAI_", "AZURE_OPENAI_", "GOOGLE_")


def eventually(what: str, look: Callable[[], T], *, within: float = 30.0) -> T:
    """Look every few milliseconds until something true is seen; what was seen is returned."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within:g} seconds, last seen {seen!r}")
        time.sleep(0.02)


def environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without the settings and keys of whoever runs the tests."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "PYTHONUNBUFFERED": "1", **(further or {})}


def run_batchway(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, within: float = START_SECONDS
) -> subprocess.CompletedProcess[str]:
    """A `batchway` command that is expected to end by itself."""
    command = ["-m", "batchway", *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = spawn(
            command, cwd=cwd, env=environment(env), stdout=out.fileno(), stderr=err.fileno()
        )
        try:
            code = process.wait(within)
        except BaseException:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            command, code, stdout=out.read().decode(), stderr=err.read().decode()
        )


@cache
def _tables() -> bytes:
    """A database of this release that nothing is in yet."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "batchway.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()


class Process:
    """A child process with its output in a log. `ended` processes are stopped once only."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._seen = output.tell()
            self._process: Started = spawn(
                arguments,
                cwd=cwd,
                env=environment(env),
                stdout=output.fileno(),
                stderr=output.fileno(),
            )

    @property
    def pid(self) -> int:
        """The id by which it is ended."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def output(self) -> str:
        """Everything it wrote, both streams as they came."""
        with self.log.open("rb") as log:
            log.seek(self._seen)
            return log.read().decode("utf-8", "replace")

    def line(self, holding: str) -> str:
        """The first line of its output that holds a text; waits for it."""

        def look() -> str | None:
            *whole, _ = self.output().split("\n")
            found = next((line for line in whole if holding in line), None)
            if found is None and not self.running:
                raise AssertionError(f"{self.log.name}: it ended at its start:\n{self.output()}")
            return found

        return cast(str, eventually(f"{holding!r} in {self.log}", look, within=START_SECONDS))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def wait(self, within: float = STOP_SECONDS) -> int:
        """Its exit code."""
        return self._process.wait(within)

    def kill(self) -> None:
        """End it with no chance to tidy up, as a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """Ask it to end, insist after a while; returns its exit code."""
        if self.running:
            self.signal(signal.SIGTERM)
            try:
                return self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
        return self.wait()


class Simulator:
    """An OpenAI-compatible model server in a process of its own. Dials: `SimulatorSettings`."""

    def __init__(self, *, directory: Path, name: str, dials: Mapping[str, object]) -> None:
        self._log = directory / f"{name}.log"
        self._directory = directory
        self._dials = dict(dials)
        self._start()

    def _start(self) -> None:
        arguments = ["-m", "batchway.simulator.online"]
        for dial, value in self._dials.items():
            flag = "--" + dial.replace("_", "-")
            if value is False:
                arguments.append("--no-" + flag[2:])
            else:
                arguments += [flag] if value is True else [flag, str(value)]
        self.process = Process(arguments, log=self._log, cwd=self._directory)
        self.base_url = self.process.line("http://").strip()
        self.origin = self.base_url.removesuffix("/v1")

    def restart(self) -> None:
        """Start again at the same address after it was killed; its counts begin anew."""
        self._dials["port"] = self.base_url.rpartition(":")[2].partition("/")[0]
        self._start()

    def stats(self) -> dict[str, Any]:
        """What it served."""
        return self._control("stats")

    def dial(self, **dials: object) -> None:
        """Change dials while it runs."""
        self._control("settings", dials)

    def _control(self, name: str, body: object = None) -> dict[str, Any]:
        request = Request(
            f"{self.origin}/_simulator/{name}",
            data=None if body is None else json.dumps(body).encode(),
        )
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)


class Server:
    """`batchway serve` with a configuration, restartable over the same data directory."""

    def __init__(self, *, directory: Path, configuration: Mapping[str, Any]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.data = directory / "data"
        self.configuration = configuration
        (directory / "batchway.yaml").write_text(yaml.safe_dump(dict(configuration)))
        own = configuration["data_dir"] == self.data.name and "database" not in configuration
        if own and not self.data.exists():
            # To make the tables is a third of a start. `test_readme` and the tests of commands, of
            # migrations and of kills begin with nothing.
            make_database(self.data / "batchway.db")
            (self.data / "batchway.db").write_bytes(_tables())
        self._clients: list[openai.OpenAI] = []
        self.start()

    def start(self) -> None:
        """Start the process and read its address, which is another one after each start."""
        self.process = Process(
            ["-m", "batchway", "serve"], log=self.directory / "server.log", cwd=self.directory
        )
        line = self.process.line(_LISTENS)
        self.base_url = line.partition(_LISTENS)[2].strip()
        self.origin = self.base_url.removesuffix("/v1")
        self.port = int(self.origin.rpartition(":")[2])

    def stop(self) -> int:
        """End it in order; returns the exit code."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        return self.process.stop()

    def client(self, key: str = "unused", *, versioned: bool = True) -> openai.OpenAI:
        """The official SDK, which retries nothing so that tests see every answer."""
        client = openai.OpenAI(
            base_url=self.base_url if versioned else self.origin, api_key=key, max_retries=0
        )
        self._clients.append(client)
        return client

    def blobs(self) -> list[str]:
        """Every blob of the store, half-written ones included; not the store's own id."""
        root = self.data / "blobs"
        files = [path for path in root.rglob("*") if path.is_file() and path.name != NAME]
        return sorted(str(path.relative_to(root)) for path in files)

    def kept(self) -> list[str]:
        """The same without segments, of which an earlier batch's may be going away just now."""
        return [name for name in self.blobs() if not name.startswith("segments/")]
