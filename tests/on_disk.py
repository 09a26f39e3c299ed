"""Directories of tests that kill: on a disk, though other tests write to memory.

There a commit takes milliseconds and files go one after the other, so that a kill at a random
moment meets what it is there to meet. The directory of a failed test stays.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True, specname="pytest_runtest_makereport")
def remember_failure(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a test failed; belongs into the `conftest` of those that use `tmp_path`."""
    report = yield
    item.stash[_failed] = report.failed or item.stash.get(_failed, False)
    return report


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest) -> Generator[Path]:
    """An empty directory on a disk."""
    disk = os.environ.get("TESTS_ON_DISK") or tempfile.gettempdir()
    path = Path(tempfile.mkdtemp(prefix="batchway-kills-", dir=disk))
    print(f"in {path}")
    yield path
    if not request.node.stash.get(_failed, False):
        shutil.rmtree(path)
