"""Servers and simulators of the journeys, in processes that find the toy."""

import os
from collections.abc import Iterator

import pytest
from tests.journeys.conftest import forget_logs, pytest_runtest_makereport
from tests.on_disk import remember_failure
from tests.toy.fake import search_path

__all__ = ["forget_logs", "pytest_runtest_makereport", "remember_failure"]


@pytest.fixture(scope="session", autouse=True)
def toy_is_importable() -> Iterator[None]:
    """Of every process that a test starts."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = search_path()
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
