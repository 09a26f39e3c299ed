"""The C heap of a process whose threads pass large buffers around.

Owns how many heaps the threads share, and giving memory back to the system after a burst. Elsewhere
than on glibc both do nothing: other C libraries have neither arenas nor a need to be asked.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

_M_ARENA_MAX: Final = -8  # glibc's malloc.h
_ARENAS: Final = 2
_LOOK_SECONDS: Final = 5.0
_MOVED_BYTES: Final = 1 << 20


def share_heap() -> None:
    """Let all threads allocate from the same few arenas. To be called before there are any.

    By default glibc gives each thread an arena of its own, and what one thread frees another does
    not use: results that are read, joined and written in three threads then take up fifty
    megabytes more. Two arenas cost no time, since the interpreter lets one thread run at once. An
    own choice in the environment stands; elsewhere than on glibc this does nothing.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:  # musl has none, and no arenas
        mallopt(_M_ARENA_MAX, _ARENAS)


class HeapKeeper:
    """Gives free memory back to the system once a burst is over.

    glibc keeps what is freed in the middle of a heap: after 200 uploads at once a server that used
    120 MB before held 440 MB, for good. `resident` is the process's memory in bytes.
    """

    def __init__(self, *, resident: Callable[[], int], give_back: Callable[[], object]) -> None:
        self._resident = resident
        self._give_back = give_back
        self._last = resident()
        self._moved = False

    def look(self) -> bool:
        """Give back what is free if memory has moved since the last time and stands still now.

        In the middle of a burst the pages would be wanted again at once.
        """
        last, self._last = self._last, self._resident()
        if abs(self._last - last) > _MOVED_BYTES:
            self._moved = True
            return False
        if not self._moved:
            return False
        self._give_back()
        self._moved = False
        self._last = self._resident()
        return True


def keep_heap() -> None:
    """Start a thread that gives memory back after bursts, to the end of the process."""
    trim = _of_glibc("malloc_trim")
    if trim is None:
        return
    keeper = HeapKeeper(resident=_resident, give_back=lambda: trim(0))

    def run() -> None:
        rest = threading.Event()
        while not rest.wait(_LOOK_SECONDS):
            keeper.look()

    threading.Thread(target=run, name="batchway-heap", daemon=True).start()


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _of_glibc(name: str) -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return found
