"""Runs `batchway` as people do: a process of its own, in a directory of its own."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without anything that configures Batchway."""
    foreign = ("BATCHWAY_", "OPENAI_", "AZURE_OPENAI_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**plain, "PYTHONUNBUFFERED": "1", **(extra or {})}


def batchway(*arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "batchway", *map(str, arguments)],
        cwd=cwd,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A command that stays: where it answers, and its process."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def started(
    arguments: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str] | None = None
) -> Generator[Running]:
    """Start a command that prints its address; stop it, and wait, at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "batchway", *map(str, arguments)],
        cwd=cwd,
        env=environment(environ),
        stdout=subprocess.PIPE,
    )
    try:
        yield Running(url=_address(process), process=process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _address(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + _START_SECONDS
    seen = b""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 1.0)
        if not ready:
            continue
        line = process.stdout.readline()
        if not line:
            break
        seen += line
        for word in line.decode().split():
            if word.startswith("http://"):
                return word.rstrip(".")
    raise AssertionError(f"no address; it printed {seen!r} and ended with {process.poll()}")
