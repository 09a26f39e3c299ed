"""What holds for every test."""

import os
import signal
import sys

import pytest
from hypothesis import settings

# Started in the background of a shell without job control, this process ignores Ctrl-C, and so
# would every process that it starts. With a handler here, those get the default again.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The suite starts servers by the hundred. On a machine whose environment forbids bytecode each of
# them, and each worker, would compile every module again: half a second of processor for a server.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

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
