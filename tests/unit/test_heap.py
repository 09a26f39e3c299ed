"""Threads of a process share a few heaps of the C library, which give back what is free."""

import os
import subprocess
import sys

import pytest

from batchway.bootstrap.heap import HeapKeeper

# Eight threads, each of which holds a block from the heap at the same time as the others.
_PROGRAM = """
import ctypes, threading
from batchway.bootstrap.heap import share_heap

if __import__("sys").argv[1] == "shared":
    share_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
meeting = threading.Barrier(8)

def hold():
    meeting.wait()
    for _ in range(200):
        libc.malloc(10_000)
    meeting.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
"""


def heaps(how: str, **environ: str) -> int:
    """How many heaps such a process has."""
    plain = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how],
        env={**plain, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.count("<heap ")


@pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}),
    reason="only glibc gives each thread a heap of its own",
)
def test_threads_share_two_heaps_unless_the_environment_says_otherwise() -> None:
    assert heaps("apart") > 2
    assert heaps("shared") == 2
    assert heaps("shared", MALLOC_ARENA_MAX="1") == 1


@pytest.mark.parametrize(
    ("megabytes", "given_back"),
    [
        pytest.param([100, 100, 100], [], id="idle"),
        pytest.param([100, 300, 400, 400, 100, 100], [3, 5], id="after a burst"),
        pytest.param([100, 300, 280, 300, 280], [], id="not in the middle of one"),
        pytest.param([100, 300, 300, 120, 120, 120], [2, 4], id="again after each change"),
    ],
)
def test_memory_is_given_back_when_it_has_moved_and_stands_still(
    megabytes: list[int], given_back: list[int]
) -> None:
    now = megabytes[0] << 20
    keeper = HeapKeeper(resident=lambda: now, give_back=lambda: None)
    seen: list[int] = []
    for look, size in enumerate(megabytes):
        now = size << 20
        if keeper.look():
            seen.append(look)
    assert seen == given_back
