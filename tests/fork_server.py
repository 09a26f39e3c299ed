"""Starts `python -m MODULE` by forking an interpreter that has imported the product already.

The tests start servers, commands and simulators by the hundred, and four fifths of such a start
are imports, the same each time. A forked process is one of its own in all that tests look at: a
pid, signals, descriptors, a working directory, an environment, an exit code. What it does not show
is whether the product can be imported from nothing; `test_readme`, `test_sdks` and the kills while
a server starts begin with a new interpreter.

Run as a script this file is the server:

    test -- arguments, directory, environment, stdin, stdout, stderr --> server
    test <-- pid ------------------------------------------------------- server (forks)
    test -- the pid of a process that has ended -----------------------> server
    test <-- wait status ----------------------------------------------- server (reaps)

A forked process ends as any does: threads are waited for, what `atexit` holds is called, streams
are flushed. Only the last step is left out: an interpreter takes its modules apart, one by one, and
a forked one would copy the memory of all of them for it, a quarter of a short server's time.

The server reaps only what it is told to, so a pid stays that of its process until then. It ends
with its socket, that is, with the test worker.
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

_LARGEST: Final = 1 << 17  # bytes of a message; an environment is most of it
_PROGRAMS: Final = ("__main__", "migrations.env")  # to import these is to run them
# What is imported by others, when a server starts.
_LATE: Final = (
    *("aiosqlite", "alembic.command", "dbos", "encodings.idna", "pydantic.v1"),
    *("uvicorn.lifespan.off",),
)


class Started(Protocol):
    """What tests use of a process, `subprocess.Popen` or `Forked`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...


def spawn(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: int,
    stderr: int,
    cold: bool = False,
) -> Started:
    """Start Python with these arguments and no input; forked if they are `-m MODULE ...`.

    `stdout` and `stderr` are descriptors, which stay the caller's. A `cold` process is a new
    interpreter in any case.
    """
    if arguments[0] == "-m" and not cold and hasattr(os, "pidfd_open"):
        return _server().fork(arguments[1:], cwd=cwd, env=env, outputs=(stdout, stderr))
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )


class Forked:
    """A process that the fork server started."""

    def __init__(self, server: "_ForkServer", pid: int) -> None:
        self._server = server
        self._pid = pid
        self._descriptor = os.pidfd_open(pid)
        self._code: int | None = None

    @property
    def pid(self) -> int:
        """Its id."""
        return self._pid

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """The same, once it has ended. Raises `subprocess.TimeoutExpired`."""
        code = self._ended(None if timeout is None else max(0, int(timeout * 1000)))
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self._pid}", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal; none to a process that was reaped."""
        if self._code is None:
            signal.pidfd_send_signal(self._descriptor, sig)

    def _ended(self, milliseconds: int | None) -> int | None:
        if self._code is None:
            ended = select.poll()
            ended.register(self._descriptor, select.POLLIN)
            if not ended.poll(milliseconds):
                return None
            self._code = os.waitstatus_to_exitcode(self._server.reap(self._pid))
            os.close(self._descriptor)
        return self._code


class _ForkServer:
    """The server as tests see it; one a worker."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(other.fileno())],
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        atexit.register(self._close)

    def fork(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        outputs: tuple[int, int],
    ) -> Forked:
        wanted = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
        message = json.dumps(wanted).encode()
        assert len(message) < _LARGEST
        return Forked(self, self._asked(message, outputs))

    def reap(self, pid: int) -> int:
        return self._asked(json.dumps(pid).encode(), ())

    def _asked(self, message: bytes, descriptors: Sequence[int]) -> int:
        with self._asking:
            socket.send_fds(self._socket, [message], descriptors)
            answer = self._socket.recv(64)
        assert answer, f"the fork server ended with {self._process.wait()}"
        return int(answer)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def _server() -> _ForkServer:
    return _ForkServer()


# ------------------------------------------------------------------------------ the server itself


def _warm() -> None:
    """Import whatever any command imports."""
    package = import_module("batchway")
    for module in pkgutil.walk_packages(package.__path__, "batchway."):
        if not module.name.endswith(_PROGRAMS):
            import_module(module.name)
    for name in _LATE:
        import_module(name)
    gc.collect()
    gc.freeze()  # or each child's first collection would copy all of it


def _serve(connection: socket.socket) -> list[str]:
    """Fork and reap until the tests are gone; in a child, return the arguments of its command."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, _LARGEST, 2)
        if not message:
            os._exit(0)  # whatever modules registered for the end is not this process's business
        asked = json.loads(message)
        if isinstance(asked, int):
            connection.send(str(os.waitpid(asked, 0)[1]).encode())
            continue
        pid = os.fork()
        if pid == 0:
            connection.close()
            _become(asked, descriptors)
            return asked["arguments"]
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(str(pid).encode())


def _become(asked: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Be like a new interpreter in the place that was asked for."""
    for target, descriptor in zip((1, 2), descriptors, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    found = [place for place in asked["env"].get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:1] = [asked["cwd"], *(place for place in found if place not in sys.path)]


class _End:
    """The last of a forked process. Registered before all else, it is called after all else."""

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.code is None:
            return
        gc.collect()  # whatever was left open complains
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # the interpreter has words and a code for this
        os._exit(self.code)


def _main() -> None:
    end = _End()
    connection = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _warm()
    assert threading.active_count() == 1, "a thread does not live through a fork"
    module, *arguments = _serve(connection)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            end.code = (ended.code or 0) & 0xFF
        raise
    end.code = 0


if __name__ == "__main__":
    _main()
