"""A call: one kind of request at one account.

    endpoint    what is asked for, such as `/v1/chat/completions`
    model       the model's name at the account
    overrides   what the batch asks for in place of the account's configuration

Lines with the same call go to one address in one dialect; only their bodies differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

# The batch's `x-tfy-*` headers that change an account's configuration, by lower-case name.
Overrides = Mapping[str, str]

NO_OVERRIDES: Final[Overrides] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request at one account."""

    endpoint: str
    model: str
    overrides: Overrides = field(default_factory=lambda: NO_OVERRIDES)
