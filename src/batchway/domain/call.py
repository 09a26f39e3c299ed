"""A call: one kind of request at one account.

    endpoint    what is asked for, such as `/v1/chat/completions`
    model       the model's name at the account
    overrides   what the batch asks for in place of the account's configuration

Lines with the same call go to one address in one dialect; only their bodies differ.
"""

from dataclasses import dataclass

from batchway.domain.overrides import NO_OVERRIDES, Overrides


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request at one account."""

    endpoint: str
    model: str
    overrides: Overrides = NO_OVERRIDES
