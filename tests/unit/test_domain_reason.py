"""Reasons: how they are told, and what stays of them without promises for a future."""

import pytest

from batchway.domain.reason import Reason, ReasonKind, lasting, text_of

SINCE = "since 2026-01-01 00:00:00 UTC"

AWAY = Reason(
    kind=ReasonKind.UNREACHABLE,
    sentence=f"The provider 'x' has been unreachable {SINCE}.",
    promise="it is tried again at least once a minute.",
)
FULL = Reason(
    kind=ReasonKind.STORAGE,
    sentence="Batchway cannot write to its storage at the moment.",
    promise="it will go on.",
)
BUSY = Reason(
    kind=ReasonKind.CAPACITY,
    sentence="The provider 'v' says wait!",
    promise="Batchway goes on trying.",
)
RATE = Reason(
    kind=ReasonKind.CAPACITY, sentence="Requests wait for the rate limit of the provider 'a'."
)
KEY = Reason(
    kind=ReasonKind.ACCOUNT, sentence="The key is wrong.", promise="Batchway goes on trying."
)
GONE = Reason(kind=ReasonKind.CONFIGURATION, sentence="The provider 'x' is not configured any more")


@pytest.mark.parametrize(
    ("reasons", "text", "kind", "kept"),
    [
        (
            [AWAY],
            f"The provider 'x' has been unreachable {SINCE}; it is tried again at least once a "
            "minute.",
            ReasonKind.UNREACHABLE,
            f"The provider 'x' has been unreachable {SINCE}.",
        ),
        (
            [FULL],
            "Batchway cannot write to its storage at the moment; it will go on.",
            ReasonKind.STORAGE,
            "Batchway cannot write to its storage at the moment.",
        ),
        (
            [BUSY, RATE],
            "The provider 'v' says wait! Batchway goes on trying. Requests wait for the rate limit "
            "of the provider 'a'.",
            ReasonKind.CAPACITY,
            "The provider 'v' says wait! Requests wait for the rate limit of the provider 'a'.",
        ),
        ([RATE], RATE.sentence, ReasonKind.CAPACITY, RATE.sentence),
        (
            [RATE, KEY, RATE, AWAY],
            f"{RATE} {KEY} {AWAY}",
            ReasonKind.ACCOUNT,
            f"{RATE.sentence} {KEY.sentence} {AWAY.sentence}",
        ),
        (
            [RATE, GONE],
            f"{RATE} The provider 'x' is not configured any more",
            ReasonKind.CONFIGURATION,
            f"{RATE} The provider 'x' is not configured any more",
        ),
    ],
)
def test_a_promise_is_told_and_does_not_stay(
    reasons: list[Reason], text: str, kind: ReasonKind, kept: str
) -> None:
    assert text_of(reasons) == text
    stays = lasting(reasons)
    assert stays is not None
    assert stays == Reason(kind=kind, sentence=kept)
    assert lasting([stays]) == stays
    assert text_of([stays]) == str(stays) == kept


def test_without_a_reason_nothing_is_told_and_nothing_stays() -> None:
    assert (text_of([]), lasting([])) == (None, None)


def test_a_provider_s_own_words_are_bounded() -> None:
    long = [Reason(kind=ReasonKind.OUTAGE, sentence=letter * 900) for letter in "ab"]
    kept = lasting(long)
    assert kept is not None
    assert text_of(long) == kept.sentence == "a" * 900 + " " + "b" * 99
