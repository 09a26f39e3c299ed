"""What properties of chat dialects are asked of: a family's dialects, its vendor and an echo.

A family joins by a `Family` in a module of its own and a row in `FAMILIES` of `test_properties`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.unit.dialects.bodies import JSON

from batchway.ports.dialect import Dialect

# What a vendor was told: who said it, or `call` or `result`, and what.
Heard = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Dialects of one wire.

    `sent` raises for a body that the vendor does not take. `echo` tells what a body says, and gives
    an answer that repeats the last of it and makes every call of it again, for 9 tokens of which
    the cache held 2, in 5. `ids` is whether calls have ids there: elsewhere they are numbered.
    `mute` are the dialects that take no functions, which every plain chat has.
    """

    chats: Mapping[str, Dialect]
    sent: Callable[[JSON], None]
    echo: Callable[[JSON], tuple[Heard, JSON]]
    ids: bool
    mute: Mapping[str, Dialect]

    @property
    def dialects(self) -> dict[str, Dialect]:
        """All of them, by name."""
        return {**self.chats, **self.mute}


def only(value: JSON, *names: str) -> JSON:
    return {name: value[name] for name in names}


def called(call_id: str, name: str, arguments: object) -> str:
    return f"{call_id} {name} {json.dumps(arguments, sort_keys=True)}"
