"""Somebody who types the commands of a text, in an empty directory.

A block whose last command stays in the foreground runs on while the next ones do, as in a terminal
of its own. Addresses are moved to free ports; nothing else is changed.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.journeys.processes import environment, eventually

FOREGROUND: Final = ("batchway simulate", "batchway serve", "python -m batchway.simulator.")
INSTALLING: Final = ("python3 -m venv", ". .venv/bin/activate", "pip install", "make demo")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Reader:
    """Somebody who types what a text says. `ports` are those that stand in it."""

    def __init__(self, directory: Path, ports: Sequence[str]) -> None:
        self.directory = directory
        self.ports = {port: free_port() for port in ports}
        commands = directory / "bin"
        commands.mkdir()
        for name, arguments in (("batchway", "-m batchway "), ("python", "")):
            (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments}"$@"\n')
            (commands / name).chmod(0o755)
        self.environ = {
            **environment(),
            "PATH": f"{commands}:{os.environ['PATH']}",
            # The server's port is 8080 unless it is told otherwise, and so is its clients'.
            "BATCHWAY_SERVER__PORT": str(self.ports["8080"]),
            "BATCHWAY_URL": f"http://127.0.0.1:{self.ports['8080']}",
        }
        self.work = directory / "work"
        self.work.mkdir()
        self.terminals: list[subprocess.Popen[bytes]] = []

    def type(self, kind: str, text: str) -> str:
        """Run a block; its output."""
        for port, free in self.ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
            text = text.replace(f"port {port}", f"port {free}")
        if kind == "python":
            (self.work / "client.py").write_text(text)
            text = "python client.py\n"
        lines = text.strip().splitlines()
        if lines[-1].startswith(FOREGROUND):
            self._in_a_terminal_of_its_own(text)
            return ""
        done = subprocess.run(
            ["bash", "-e", "-c", text],
            cwd=self.work,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        return done.stdout

    def _in_a_terminal_of_its_own(self, text: str) -> None:
        log = self.directory / f"terminal-{len(self.terminals)}.log"
        with log.open("wb") as output:
            *before, last = text.strip().splitlines()
            script = "\n".join([*before, f"exec {last}"])
            self.terminals.append(
                subprocess.Popen(
                    ["bash", "-e", "-c", script],
                    cwd=self.work,
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            )
        eventually(f"{last} listens", lambda: "http://" in log.read_text())


@contextmanager
def reader(directory: Path, *, ports: Sequence[str]) -> Generator[Reader]:
    """A reader of a text that names these ports, whose terminals are closed at the end."""
    person = Reader(directory, ports)
    try:
        yield person
    finally:
        for terminal in person.terminals:
            terminal.terminate()
        for terminal in person.terminals:
            terminal.wait(30)
