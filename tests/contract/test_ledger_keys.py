"""`ports.Keys` over every database."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from batchway.domain.errors import Conflict
from batchway.domain.keys import ApiKey
from batchway.ports import Ledger


def a_key(name: str = "team-a", digest: str = "d1", **changes: Any) -> ApiKey:
    values: dict[str, Any] = {
        "name": name,
        "tenant": "blue",
        "digest": digest,
        "hint": "sk-bw-…abcd",
        "created_at": 1_000,
    }
    return ApiKey(**{**values, **changes})


@pytest.mark.parametrize(
    "key", [a_key(), a_key(providers=frozenset({"a", "b"})), a_key(providers=frozenset())]
)
async def test_a_key_comes_back_as_it_went_in(ledger: Ledger, key: ApiKey) -> None:
    assert await ledger.keys.add(key)
    assert await ledger.keys.find(key.digest) == key
    assert await ledger.keys.find("other") is None
    assert await ledger.keys.list() == [key]


async def test_an_active_name_is_taken(ledger: Ledger) -> None:
    assert await ledger.keys.add(a_key())
    assert not await ledger.keys.add(a_key(digest="d2"))
    assert await ledger.keys.list() == [a_key()]


async def test_one_secret_is_never_two_keys(ledger: Ledger) -> None:
    assert await ledger.keys.add(a_key())
    with pytest.raises(Conflict):
        await ledger.keys.add(a_key("team-b", tenant="red"))


async def test_a_revoked_key_is_not_found_and_frees_its_name(ledger: Ledger) -> None:
    first, second = a_key(), a_key(digest="d2", created_at=900)
    assert await ledger.keys.add(first)
    assert await ledger.keys.revoke("team-a", 2_000)
    assert not await ledger.keys.revoke("team-a", 2_001)
    assert not await ledger.keys.revoke("team-z", 2_001)
    assert await ledger.keys.find("d1") is None
    assert await ledger.keys.add(second)
    assert await ledger.keys.find("d2") == second
    assert await ledger.keys.list() == [replace(first, revoked_at=2_000), second]


async def test_one_of_many_adds_wins(ledger: Ledger, other_ledger: Ledger) -> None:
    won = await asyncio.gather(
        *(
            one.keys.add(a_key(digest=f"d{number}"))
            for number, one in enumerate([ledger, other_ledger] * 5)
        )
    )
    assert sorted(won) == [False] * 9 + [True]
    assert len(await ledger.keys.list()) == 1
