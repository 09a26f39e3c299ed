"""Builds and runs `upstream.c`, the compiled OpenAI-compatible upstream the benchmarks call.

Owns the process: it is stopped when the `with` block ends, and stops itself when this process dies
(it watches its standard input). Does not own what it answers; that is `upstream.c`.
"""

import http.client
import json
import os
import shutil
import subprocess
import zlib
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

HERE: Final = Path(__file__).parent
BUILD: Final = HERE / ".build"
API_KEY: Final = "sk-bench"


class UpstreamError(Exception):
    """The upstream could not be built or did not start."""


def build_upstream() -> Path:
    """Compile `upstream.c` when it changed and return the program.

    Raises `UpstreamError` when there is no C compiler (`$CC`, else `cc`) or it fails.
    """
    source, program = HERE / "upstream.c", BUILD / "upstream"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    name = os.environ.get("CC", "cc")
    compiler = shutil.which(name)
    if compiler is None:
        raise UpstreamError(
            f"the benchmarks need a C compiler and `{name}` is not on PATH: "
            "install gcc or clang (Debian: apt-get install gcc libc6-dev), or set CC"
        )
    BUILD.mkdir(exist_ok=True)
    # Renamed into place, or two benchmarks started together would run a half-written program.
    partial = BUILD / f"upstream.{os.getpid()}"
    command = [compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-o", str(partial), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UpstreamError(f"{name} could not compile {source}:\n{done.stderr}")
    partial.replace(program)
    return program


class Upstream:
    """A running upstream: `with Upstream(latency_ms=20) as base_url: ...`.

    The base url has no `/v1`: it is `http://127.0.0.1:PORT`. Every answer comes `latency_ms`
    after its request was read. Entering raises `UpstreamError` when it cannot be built or started.
    """

    def __init__(self, latency_ms: float = 0) -> None:
        self._latency_ms = latency_ms
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def __enter__(self) -> str:
        self.start()
        return self.base_url

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Build it, start it on a free port and wait until it listens."""
        command = [str(build_upstream()), "--until-eof", "--latency-ms", str(self._latency_ms)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert process.stdout is not None
        greeting = process.stdout.readline()
        if not greeting.startswith("listening "):
            process.kill()
            raise UpstreamError(f"upstream ended with status {process.wait()} before it listened")
        self._process = process
        self._port = int(greeting.rsplit(":", 1)[1])
        return self

    def stop(self) -> None:
        """End the process; harmless when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    @property
    def base_url(self) -> str:
        """Where it listens, without `/v1`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process, for measuring its share of the machine. Raises when not running."""
        if self._process is None:
            raise UpstreamError("the upstream is not running")
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Processor time it has used, user and system."""
        # The second field is the program's name in brackets and may hold spaces.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stats(self) -> dict[str, int]:
        """`GET /stats`: `requests` answered, `in_flight`, `max_in_flight`, `connections`,
        `max_connections`, `bytes_in`. In flight counts whole requests waiting for their answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/stats")
            return cast("dict[str, int]", json.loads(connection.getresponse().read()))
        finally:
            connection.close()


def expected_content(body: bytes) -> str:
    """What `choices[0].message.content` must be in the answer to this request body."""
    return f"The answer is {zlib.crc32(body):08x}-{len(body):07d}."
