"""How one request of a remote job went, whatever the provider calls it. Pure."""

from enum import StrEnum


class Fate(StrEnum):
    """How a request went."""

    ANSWERED = "answered"  # a 2xx; what its body is, its dialect tells
    FAILED = "failed"  # for good: the same request draws the same again
    PASSING = "passing"  # it may come out differently another time
    UNTRIED = "untried"  # the provider says that it did not get to it
    ACCOUNT = "account"  # it is about the account (its key, its credit), not about the request


def fate_of(status: int, *, of_account: bool) -> Fate:
    """The fate of an HTTP answer other than 2xx; `of_account` is what its words tell."""
    if status in {401, 402} or (of_account and status in {400, 403, 429}):
        return Fate.ACCOUNT
    if status in {408, 429} or status >= 500:
        return Fate.PASSING
    return Fate.FAILED
