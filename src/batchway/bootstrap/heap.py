"""The C heap of a process whose threads pass large buffers around."""

import ctypes
import os
import sys
from typing import Final

_M_ARENA_MAX: Final = -8  # glibc's malloc.h
_ARENAS: Final = 2


def share_heap() -> None:
    """Let all threads allocate from the same few arenas. To be called before there are any.

    By default glibc gives each thread an arena of its own, and what one thread frees another does
    not use: results that are read, joined and written in three threads then take up fifty
    megabytes more. Two arenas cost no time, since the interpreter lets one thread run at once. An
    own choice in the environment stands; elsewhere than on glibc this does nothing.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none, and no arenas
        mallopt(_M_ARENA_MAX, _ARENAS)
