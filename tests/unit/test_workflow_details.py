"""`workflows.details`: what stays of why a batch waited, without promises for a future."""

import pytest

from batchway.results.endings import past

SINCE = "since 2026-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("waits", "kept"),
    [
        (
            f"The provider 'x' has been unreachable {SINCE}; it is tried again at least once a "
            "minute.",
            f"The provider 'x' has been unreachable {SINCE}.",
        ),
        (
            "Batchway cannot write to its storage at the moment; it will go on.",
            "Batchway cannot write to its storage at the moment.",
        ),
        (
            "The provider 'v' answered 503. Batchway goes on trying.",
            "The provider 'v' answered 503.",
        ),
        (
            "The provider 'v' says wait! Batchway goes on trying. Requests wait for the rate limit "
            "of the provider 'a'.",
            "The provider 'v' says wait! Requests wait for the rate limit of the provider 'a'.",
        ),
        (
            "An internal error interrupted this batch. It will be tried again.",
            "An internal error interrupted this batch.",
        ),
        (
            "The provider 'x' asked for a pause until 10:00:00 UTC.",
            "The provider 'x' asked for a pause until 10:00:00 UTC.",
        ),
        (None, None),
    ],
)
def test_promises_are_taken_off(waits: str | None, kept: str | None) -> None:
    assert past(waits) == kept
    assert past(kept) == kept
