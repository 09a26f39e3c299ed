"""Filtered lists of `ports.Batches` over every database."""

from random import Random
from typing import Any

import pytest
from tests.contract.ledger_values import a_batch, a_shard

from batchway.domain.batch import Batch
from batchway.domain.errors import Conflict
from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.status import BatchStatus
from batchway.ports import BatchFilter, Ledger, Page

S = BatchStatus
CHAT = "/v1/chat/completions"


async def listed(ledger: Ledger, **where: Any) -> list[int]:
    """Numbers of the batches that fit, newest first, read in pages of two."""
    found: list[int] = []
    after = None
    while True:
        page = await ledger.batches.page("blue", limit=2, after=after, where=BatchFilter(**where))
        assert page is not None
        found += [int(batch.id.removeprefix("batch_"), 16) for batch in page.items]
        if not page.more:
            return found
        assert len(page.items) == 2
        after = page.items[-1].id


async def some(ledger: Ledger, *each: dict[str, Any]) -> None:
    """Batches 1, 2, ... with these changes; a foreign one beside each."""
    for number, changes in enumerate(each, 1):
        await ledger.batches.add(a_batch(number, **changes))
        await ledger.batches.add(a_batch(number + 1_000, **{**changes, "tenant": "red"}))


async def test_no_filter_is_every_batch(ledger: Ledger) -> None:
    await some(ledger, {}, {}, {}, {}, {})
    assert await listed(ledger) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("status", list(S))
async def test_by_status(ledger: Ledger, status: S) -> None:
    statuses = list(S)
    await some(ledger, *({"status": one} for one in statuses * 3))
    place = statuses.index(status) + 1
    assert await listed(ledger, status=status) == [place + 16, place + 8, place]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (CHAT, [4, 1]),
        ("/v1/embeddings", [3]),
        ("/v1/%", []),
        ("/V1/embeddings", []),
        ("", []),
        ("/v1/embeddings\0", []),
        ("/v1/\ud800", []),
    ],
)
async def test_by_endpoint(ledger: Ledger, endpoint: str, expected: list[int]) -> None:
    each = [CHAT, "/v1/responses", "/v1/embeddings", CHAT]
    await some(ledger, *({"endpoint": one} for one in each))
    assert await listed(ledger, endpoint=endpoint) == expected


async def test_by_time_of_creation_both_ends_excluded(ledger: Ledger) -> None:
    await some(ledger, *({"created_at": at} for at in (10, 20, 20, 30, 40)))
    assert await listed(ledger, created_after=20) == [5, 4]
    assert await listed(ledger, created_before=20) == [1]
    assert await listed(ledger, created_after=10, created_before=40) == [4, 3, 2]
    assert await listed(ledger, created_after=20, created_before=20) == []
    assert await listed(ledger, created_after=0, created_before=2**50) == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("vllm", [4, 2]),
        ("openai-main", [4, 3]),
        ("openai", [5]),
        ("main", []),
        ("VLLM", []),
        ("%", []),
        ("", []),
        ('vllm","openai', []),
        ("v\0llm", []),
        ('quo"ted', [6]),
        ("ted", []),
    ],
)
async def test_by_provider(ledger: Ledger, provider: str, expected: list[int]) -> None:
    plans = [(), ("vllm",), ("openai-main",), ("vllm", "openai-main", "vllm"), ("openai",)]
    for number, providers in enumerate([*plans, ('quo"ted',)], 1):
        batch = await ledger.batches.add(a_batch(number))
        shards = [a_shard(0, batch=number)]
        assert await ledger.batches.begin(
            batch.id, at=2, model="m", shards=shards, providers=providers
        )
    await ledger.batches.add(a_batch(7))
    assert await listed(ledger, provider=provider) == expected


async def test_a_begin_that_loses_names_no_provider(ledger: Ledger) -> None:
    await some(ledger, {"status": S.CANCELLING})
    assert not await ledger.batches.begin(
        a_batch().id, at=2, model="m", shards=[], providers=["vllm"]
    )
    assert await listed(ledger, provider="vllm") == []


EMOJI = [chr(code) for code in range(0x1F300, 0x1F650)]
ODD = {
    "plain": "value",
    "": "empty key",
    "empty": "",
    "d.o.t": "a.b",
    "$.path[0]": "$",
    "quo\"te'd": 'it\'s "so"',
    "back\\slash\\": "\\",
    "ключ 文 😀": "ünïcødé 😀",
    "line\nbreak": "\r\n\t",
    "nul\0": "a\0b",
    ":": ",",
    "{": "}",
    "%_": "%_",
    "'; DROP TABLE batches; --": "' OR 1=1 --",
    "true": "true",
    "n": "1",
}


@pytest.mark.parametrize(("key", "value"), list(ODD.items()))
async def test_by_metadata_whatever_it_is(ledger: Ledger, key: str, value: str) -> None:
    rest = {other: one for other, one in ODD.items() if other != key}
    await some(
        ledger,
        {"metadata": ODD},
        {"metadata": {key: value}},
        {"metadata": rest},
        {"metadata": {**rest, key: value + "x"}},
        {"metadata": {value: key}},
        {"metadata": {key.upper() + "x": value.upper()}},
        {"metadata": {"x" + key: value, "y": f'"{key}":"{value}"'}},
        {"metadata": {}},
        {"metadata": None},
        {"metadata": dict(reversed(ODD.items()))},
    )
    expected = [10, 5, 2, 1] if key == value else [10, 2, 1]
    assert await listed(ledger, metadata={key: value}) == expected


async def test_the_longest_pair_fits_into_the_index(ledger: Ledger) -> None:
    # As random as text gets: an index that packs what it holds finds nothing to pack.
    draw = Random(7).choices
    key, value = ("".join(draw(EMOJI, k=length)) for length in (64, 512))
    added = await ledger.batches.add(a_batch(1, tenant="t" * 64, metadata={key: value}))
    where = BatchFilter(metadata={key: value})
    page = await ledger.batches.page("t" * 64, limit=5, after=None, where=where)
    assert page == Page(items=(added,), more=False)


async def test_a_batch_that_is_refused_leaves_no_pair(ledger: Ledger) -> None:
    await ledger.batches.add(a_batch(1, metadata={"k": "v"}))
    with pytest.raises(Conflict):
        await ledger.batches.add(a_batch(1, metadata={"k": "w"}))
    assert await listed(ledger, metadata={"k": "w"}) == []
    key = IdempotencyKey(key="k", fingerprint="f")
    await ledger.batches.add(a_batch(2, metadata={"k": "v"}), idempotency=key)
    await ledger.batches.add(a_batch(3, metadata={"k": "v"}), idempotency=key)
    assert await listed(ledger, metadata={"k": "v"}) == [2, 1]


async def test_every_pair_must_fit(ledger: Ledger) -> None:
    await some(
        ledger,
        {"metadata": {"team": "a", "run": "1"}},
        {"metadata": {"run": "1", "x": "y", "team": "a"}},
        {"metadata": {"team": "a", "run": "2"}},
        {"metadata": {"team": "1", "run": "a"}},
    )
    assert await listed(ledger, metadata={"team": "a", "run": "1"}) == [2, 1]
    assert await listed(ledger, metadata={"team": "a"}) == [3, 2, 1]
    assert await listed(ledger, metadata={}) == [4, 3, 2, 1]
    assert await listed(ledger, metadata={"team": "\ud800"}) == []


async def test_everything_that_is_set_must_fit(ledger: Ledger) -> None:
    fits: dict[str, Any] = {"created_at": 20, "metadata": {"k": "v"}, "status": S.VALIDATING}
    misses = [{"created_at": 10}, {"metadata": {"k": "w"}}, {"endpoint": "/v1/embeddings"}]
    await some(ledger, fits, *({**fits, **miss} for miss in misses), fits, fits)
    for number in (1, 2, 3, 4, 5):
        assert await ledger.batches.begin(
            a_batch(number).id, at=3, model="m", shards=[], providers=["p"]
        )
    assert await ledger.batches.move(a_batch(5).id, S.FINALIZING, at=4)
    where: dict[str, Any] = {
        "provider": "p",
        "endpoint": CHAT,
        "metadata": {"k": "v"},
        "created_after": 15,
        "created_before": 25,
    }
    assert await listed(ledger, **where) == [5, 1]
    assert await listed(ledger, status=S.IN_PROGRESS, **where) == [1]


async def test_the_cursor_may_be_any_batch_of_the_tenant(ledger: Ledger) -> None:
    added: list[Batch] = []
    for number, model in enumerate("abababab", 1):
        added.append(await ledger.batches.add(a_batch(number, metadata={"m": model})))
        await ledger.batches.add(a_batch(number + 100, tenant="red", metadata={"m": "a"}))
    fits = BatchFilter(metadata={"m": "a"})
    page = ledger.batches.page
    # Batch 6 does not fit; what follows it does.
    got = await page("blue", limit=2, after=added[5].id, where=fits)
    assert got == Page(items=(added[4], added[2]), more=True)
    got = await page("blue", limit=2, after=added[2].id, where=fits)
    assert got == Page(items=(added[0],), more=False)
    got = await page("blue", limit=3, after=added[6].id, where=fits)
    assert got == Page(items=(added[4], added[2], added[0]), more=False)
    got = await page("blue", limit=2, after=added[0].id, where=fits)
    assert got == Page(items=(), more=False)
    assert await page("blue", limit=2, after=a_batch(101).id, where=fits) is None
    assert await page("blue", limit=2, after="batch_unknown", where=fits) is None


async def test_pages_stay_whole_while_batches_leave_and_come(ledger: Ledger) -> None:
    for number in range(1, 7):
        await ledger.batches.add(a_batch(number))
    where = BatchFilter(status=S.VALIDATING)
    first = await ledger.batches.page("blue", limit=3, after=None, where=where)
    assert first is not None
    assert [batch.id for batch in first.items] == [a_batch(n).id for n in (6, 5, 4)]
    # The cursor itself leaves the filter, and a newer batch comes.
    assert await ledger.batches.move(a_batch(4).id, S.CANCELLING, at=2)
    await ledger.batches.add(a_batch(7))
    second = await ledger.batches.page("blue", limit=3, after=first.items[-1].id, where=where)
    assert second == Page(items=(a_batch(3), a_batch(2), a_batch(1)), more=False)
