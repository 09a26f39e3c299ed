"""How file descriptors are divided, and what is said when there are none."""

import errno
import os
import sys
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientConnectorError

from batchway.domain.remote import Trouble
from batchway.providers.http import descriptors
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.descriptors import Division, division

resource: Any = pytest.importorskip("resource")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (256, Division(clients=56, turned_away=16, backlog=32, requests=56, requests_of_child=149)),
        (
            1024,
            Division(clients=384, turned_away=32, backlog=128, requests=384, requests_of_child=661),
        ),
        (
            1 << 20,
            Division(
                clients=4096,
                turned_away=32,
                backlog=2048,
                requests=1_042_304,
                requests_of_child=699_029,
            ),
        ),
    ],
)
def test_what_descriptors_are_for(limit: int, expected: Division) -> None:
    assert division(limit) == expected


def test_everybody_together_stays_below_the_limit() -> None:
    for limit in range(200, 20_000, 37):
        d = division(limit)
        assert d.clients + d.turned_away + d.backlog + d.requests + 96 <= limit
        assert d.requests_of_child + 32 <= limit
        assert min(d.clients, d.requests, d.requests_of_child) >= 16
    assert division(None) == division(1 << 20)


@pytest.fixture
def own_limit() -> Iterator[tuple[int, int]]:
    """The limit of this process, given back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.skipif(sys.platform != "linux", reason="how far it can be raised differs")
def test_the_limit_is_raised_as_far_as_it_goes(own_limit: tuple[int, int]) -> None:
    _, hard = own_limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    assert descriptors.limit() == 512
    descriptors.raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    descriptors.raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            errno.EMFILE,
            "The provider 'p' cannot be asked: Batchway's process is out of file descriptors. "
            "Raise its limit (`ulimit -n`).",
        ),
        (errno.ECONNREFUSED, "The provider 'p' cannot be reached: connection refused."),
    ],
)
def test_a_batch_api_is_not_unreachable_for_want_of_descriptors(number: int, said: str) -> None:
    error = ClientConnectorError(Mock(), OSError(number, os.strerror(number)))
    trouble = remote_trouble.of_failure("p", error)
    assert (trouble.trouble, str(trouble)) == (Trouble.UNREACHABLE, said)
