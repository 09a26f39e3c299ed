"""`DataLock`: one process at a time, however that process ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchway.domain.errors import Unavailable
from batchway.storage.blobs.lock import DataLock

HOLD = (
    "import sys; from pathlib import Path; from batchway.storage.blobs.lock import DataLock\n"
    "lock = DataLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    first, second = DataLock(tmp_path), DataLock(tmp_path)
    first.acquire()
    first.acquire()
    with pytest.raises(Unavailable, match=rf"in use by another Batchway, process {os.getpid()}\."):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_the_kernel_gives_it_back_after_kill_9(tmp_path: Path) -> None:
    lock = DataLock(tmp_path / "new" / "data")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "new" / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Unavailable, match=rf"process {process.pid}\."):
            lock.acquire()
        os.kill(process.pid, signal.SIGKILL)
    lock.acquire()
    lock.release()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be locked: Not a directory"):
        DataLock(tmp_path / "file" / "data").acquire()


def test_a_platform_without_fcntl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(Unavailable, match="Linux, macOS or WSL"):
        DataLock(tmp_path).acquire()
