"""`catalog.families`: which row is a model's, and what follows from a row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import pytest

from batchway.catalog.families import Families, Family, Grade
from batchway.domain.endpoint import Endpoint
from batchway.domain.remote import NativeTraits

CHAT: Final = frozenset({Endpoint.CHAT_COMPLETIONS})
EMBEDDINGS: Final = frozenset({Endpoint.EMBEDDINGS})


class Tongue(StrEnum):
    PLAIN = "plain"
    OLD = "old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Family[Tongue]):
    rare: bool = False


PLAIN: Final = Row(
    pattern="plain-*",
    publisher="maker",
    online=Tongue.PLAIN,
    jobs=Tongue.PLAIN,
    endpoints=CHAT,
    source="https://example.com",
    read="2026-11-28",
    min_lines=100,
    max_lines=1_000,
)
SPECIAL: Final = replace(PLAIN, pattern="plain-special", jobs=None, rare=True, max_lines=2_000)
OLD: Final = replace(
    PLAIN,
    pattern="old-*",
    publisher="",
    online=Tongue.OLD,
    jobs=Tongue.OLD,
    endpoints=EMBEDDINGS,
    min_lines=0,
    max_bytes=1 << 30,
    grade=Grade.REPORTED,
)
FAMILIES: Final = Families(
    rows=(SPECIAL, PLAIN, OLD), by_dialect={Tongue.PLAIN: PLAIN, Tongue.OLD: OLD}
)


@pytest.mark.parametrize(
    ("names", "configured", "row"),
    [
        (["plain-special"], {}, SPECIAL),
        (["plain-specials"], {}, PLAIN),
        (["Plain-1"], {}, None),
        (["maker/plain-1", "plain-1"], {}, PLAIN),
        (["maker/old-1", "plain-1"], {"*/old-*": Tongue.OLD}, replace(OLD, publisher="maker")),
        (["plain-special"], {"plain-*": Tongue.OLD, "*": Tongue.PLAIN},
         replace(OLD, publisher="maker")),
        (["mine"], {"*": Tongue.PLAIN, "mine": Tongue.OLD}, PLAIN),
        (["mine"], {"yours": Tongue.OLD}, None),
        (["old-1"], {"old-1": Tongue.PLAIN}, PLAIN),
    ],
)  # fmt: skip
def test_the_first_that_fits_and_the_configuration_before_it(
    names: list[str], configured: Mapping[str, Tongue], row: Row | None
) -> None:
    assert FAMILIES.find(names, configured) == row
    assert FAMILIES.chosen(names, configured) == (row if row != FAMILIES.known(names[-1]) else None)


def test_what_a_job_holds() -> None:
    assert PLAIN.traits == NativeTraits(
        endpoints=CHAT, min_lines=100, max_lines=1_000, max_bytes=200 << 20, windows=()
    )
    assert SPECIAL.traits is None


def test_the_most_that_any_job_holds() -> None:
    assert FAMILIES.most == NativeTraits(
        endpoints=CHAT | EMBEDDINGS, max_lines=1_000, max_bytes=1 << 30, windows=()
    )
