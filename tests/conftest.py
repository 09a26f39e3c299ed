"""What holds for every test."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from tests import authorities

# Started in the background of a shell without job control, this process ignores Ctrl-C, and so
# would every process that it starts. With a handler here, those get the default again.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The suite starts servers by the hundred. On a machine whose environment forbids bytecode each of
# them, and each worker, would compile every module again: half a second of processor for a server.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Modules, SDKs and eight thousand tests are made once and stay. To look for garbage among them is a
# sixth of the time in which they are collected, and as much of many a test's.
gc.disable()

# Every commit of a database waits until the disk has it, five milliseconds, and tests commit by the
# ten thousand. No test cuts the power, so memory keeps as much as a disk: what a killed process has
# written is there. A session leaves half a gigabyte, and three of them are kept. Tests that kill at
# random moments stay where a commit takes its time (`on_disk`): it is what a kill should meet.
_MEMORY = Path("/dev/shm")
if (
    "TMPDIR" not in os.environ
    and os.access(_MEMORY, os.W_OK)
    and shutil.disk_usage(_MEMORY).free > 4 << 30
):
    os.environ["TESTS_ON_DISK"] = tempfile.gettempdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

authorities.trust_one()

# Hypothesis fails an example that takes longer than 200 ms. On a busy machine any of them may, and
# pytest-timeout already ends a test that hangs.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is given more time than is usual starts first: none is left to one worker at the end."""

    def given(item: pytest.Item) -> float:
        longer = item.get_closest_marker("timeout")
        return 0.0 if longer is None else float(longer.args[0])

    items.sort(key=given, reverse=True)


def pytest_collection_finish() -> None:
    """What was collected is not looked at again; what tests leave is, as ever."""
    gc.collect()
    gc.freeze()
    gc.enable()
