"""The README's commands, in their order, in an empty directory: a stranger needs no guess.

A block whose last command stays in the foreground runs on while the next ones do, as in a terminal
of its own. Addresses are moved to free ports; nothing else is changed.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.processes import environment, eventually

from batchway.settings import load

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python|yaml)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
FOREGROUND = ("batchway simulate", "batchway serve")
INSTALLING = ("python3 -m venv", ". .venv/bin/activate", "pip install", "make demo")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Reader:
    """Somebody who types what the README says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {"9000": free_port(), "8080": free_port()}
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
            text = text.replace(f"--port {port}", f"--port {free}")
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
def reader(directory: Path) -> Generator[Reader]:
    person = Reader(directory)
    try:
        yield person
    finally:
        for terminal in person.terminals:
            terminal.terminate()
        for terminal in person.terminals:
            terminal.wait(30)


def test_the_steps_work_word_by_word(tmp_path: Path) -> None:
    commands = [(kind, text) for kind, text in BLOCKS if kind != "yaml"]
    typed = 0
    with reader(tmp_path) as person:
        for kind, text in commands:
            if text.startswith(INSTALLING):
                assert all(line.startswith(INSTALLING) for line in text.splitlines())
                continue
            typed += 1
            output = person.type(kind, text)
            if kind == "python":
                assert "completed BatchRequestCounts(completed=3, failed=0, total=3)" in output
        names = {path.name for path in person.work.iterdir()}
    assert typed >= 6
    assert {"in.jsonl", "out.jsonl", "answers.jsonl"} <= names
    assert "failures.jsonl" not in names
    for name in ("out.jsonl", "answers.jsonl"):
        results = [json.loads(line) for line in (person.work / name).read_text().splitlines()]
        assert [result["custom_id"] for result in results] == ["sum", "sky", "haiku"]


def test_the_configuration_is_one(tmp_path: Path) -> None:
    text = "".join(text for kind, text in BLOCKS if kind == "yaml")
    path = tmp_path / "batchway.yaml"
    path.write_text(text)
    environ = {"OPENAI_API_KEY": "k", "AZURE_KEY": "k"}
    settings = load(path, {}, environ, tmp_path)
    assert [provider.name for provider in settings.providers] == ["openai-main", "azure-eu", "vllm"]
    assert [route.model for route in settings.routes] == ["fast"]
