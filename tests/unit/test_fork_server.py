"""`tests.fork_server`: a forked process is like a new interpreter in all that tests look at."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.fork_server import Started, spawn

SAYS = """
import os, signal, sys
print(__name__, sys.argv[1:], os.getcwd(), os.environ["OF_THE_TEST"], os.environ.get("HOME"))
print(os.isatty(0), os.isatty(1), sys.stdin.read(), file=sys.stderr)
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGPIPE))
"""
ENDS = {
    "by itself": "",
    "in order": "sys.exit()",
    "after all else": """
import atexit, threading, time
def late(): time.sleep(0.05); print('a thread')
atexit.register(print, 'at exit', end='')
threading.Thread(target=late).start()
sys.exit(1000)""",
    "with nobody to hear": "sys.stdout.close(); os.close(1); sys.exit(2)",
    "with a code": "sys.exit(7)",
    "with a sentence": "sys.exit('Error: no.')",
    "with an error": "raise ValueError('no')",
    "at once": "os._exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "interrupted": "os.kill(os.getpid(), signal.SIGINT)",
}


def ran(directory: Path, *, cold: bool) -> tuple[int, bytes, bytes]:
    """How `python -m says one two` ended, and what it said on both streams."""
    out, err = directory / "out", directory / "err"
    env = {"PATH": os.environ["PATH"], "OF_THE_TEST": "yes"}
    with out.open("wb") as output, err.open("wb") as errors:
        process = spawn(
            ["-m", "says", "one", "two"],
            cwd=directory,
            env=env,
            stdout=output.fileno(),
            stderr=errors.fileno(),
            cold=cold,
        )
        code = process.wait(60)
    assert process.poll() == code
    return code, out.read_bytes(), err.read_bytes().splitlines()[0]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_what_it_is_and_how_it_ends(tmp_path: Path, end: str) -> None:
    (tmp_path / "says.py").write_text(f"{SAYS}\nsys.stdout.flush()\n{end}\n")
    assert ran(tmp_path, cold=False) == ran(tmp_path, cold=True)


def sleeping(directory: Path, *, cold: bool) -> Started:
    (directory / "sleeps.py").write_text("import time\ntime.sleep(60)\n")
    with Path(os.devnull).open("wb") as nowhere:
        return spawn(
            ["-m", "sleeps"],
            cwd=directory,
            env={"PATH": os.environ["PATH"]},
            stdout=nowhere.fileno(),
            stderr=nowhere.fileno(),
            cold=cold,
        )


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc to look at processes")
@pytest.mark.parametrize("cold", [False, True])
def test_it_is_waited_for_and_signalled(tmp_path: Path, cold: bool) -> None:
    process = sleeping(tmp_path, cold=cold)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    while Path(f"/proc/{process.pid}/stat").read_text().split(")")[1].split()[0] != "T":
        assert time.monotonic() < began + 30
    assert process.poll() is None  # stopped is no end
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    process.send_signal(signal.SIGTERM)  # too late, and no error
    assert not Path(f"/proc/{process.pid}").exists()  # reaped
