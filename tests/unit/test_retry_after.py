"""`Retry-After` in every form, wherever the machine stands."""

import time
from collections.abc import Iterator

import pytest

from batchway.domain.retry_after import parse_retry_after


@pytest.fixture(autouse=True)
def _own_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("milliseconds", "value", "expected"),
    [
        (None, None, None),
        (None, "7", 7.0),
        (None, " 1.5 ", 1.5),
        ("250", "7", 0.25),
        ("soon", "7", 7.0),
        (None, "Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        (None, "Tue, 14 Nov 2023 22:13:50 -0000", 30.0),
        (None, "Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        (None, "-3", None),
        (None, "nan", None),
        (None, "inf", None),
        (None, "tomorrow", None),
        (None, "", None),
        (None, "Tue, 99 Nov 2023 22:13:50 GMT", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/Anchorage"])
def test_reading_retry_after(
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    milliseconds: str | None,
    value: str | None,
    expected: float | None,
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    now = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
    assert parse_retry_after(milliseconds=milliseconds, value=value, now=now) == expected
