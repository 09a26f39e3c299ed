"""Times of providers, in every form that was seen."""

import pytest

from batchway.domain.timestamps import unix_seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-11-01T18:13:16Z", 1_793_556_796),
        ("2026-11-01T18:13:16.826+00:00", 1_793_556_796),
        ("2026-11-01T18:13:16.123456789Z", 1_793_556_796),
        ("2026-11-01T20:13:16+02:00", 1_793_556_796),
        (" 2026-11-01 18:13:16 ", 1_793_556_796),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1970-01-01T00:00:00Z", None),
        ("soon", None),
        ("", None),
        (1_793_556_796, None),
        (None, None),
    ],
)
def test_seconds_of_a_time(value: object, seconds: int | None) -> None:
    assert unix_seconds(value) == seconds
