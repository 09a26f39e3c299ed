"""What is said of failed lines at the end of a run."""

import pytest

from batchway.cli.causes import Cause
from batchway.cli.conclusion import what_next


def of(what: str, count: int) -> Cause:
    return Cause(what=what, message="", count=count)


@pytest.mark.parametrize(
    ("failed", "begins", "holds"),
    [
        ([of("500", 2)], "`batchway retry` with", ""),
        ([of("unsupported_parameter", 2)], "Lines with unsupported_parameter fail again", "Then"),
        ([of("unsupported_parameter", 2), of("500", 1)], "`batchway retry` with", "`mode` to"),
    ],
)
def test_a_retry_is_advised_where_it_can_help(failed: list[Cause], begins: str, holds: str) -> None:
    told = what_next(failed)
    assert told.startswith(begins)
    assert holds in told
