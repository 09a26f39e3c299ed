"""Idempotency keys of `ports.Files.add` and `ports.Batches.add`, over every database."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.ledger_values import a_batch, a_file

from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.status import BatchStatus
from batchway.ports import IdempotencyMismatch, Order
from batchway.storage.ledger.sql_ledger import SqlLedger

KEY = IdempotencyKey(key="k", fingerprint="f")


async def all_files(ledger: SqlLedger, tenant: str = "blue") -> set[str]:
    page = await ledger.files.page(tenant, purpose=None, limit=99, after=None, order=Order.ASC)
    assert page is not None
    return {file.id for file in page.items}


async def all_batches(ledger: SqlLedger, tenant: str = "blue") -> set[str]:
    page = await ledger.batches.page(tenant, limit=99, after=None)
    assert page is not None
    return {batch.id for batch in page.items}


async def test_the_second_add_returns_the_first_object(ledger: SqlLedger) -> None:
    file, batch = a_file(1), a_batch(1)
    assert await ledger.files.add(file, idempotency=KEY) == file
    assert await ledger.files.add(a_file(2), idempotency=KEY) == file
    # One key serves both kinds: clients make keys per request, not per path.
    assert await ledger.batches.add(batch, idempotency=KEY) == batch
    assert await ledger.batches.add(a_batch(2), idempotency=KEY) == batch
    assert await all_files(ledger) == {file.id}
    assert await all_batches(ledger) == {batch.id}


async def test_the_batch_is_returned_as_it_is_by_now(ledger: SqlLedger) -> None:
    batch = await ledger.batches.add(a_batch(1), idempotency=KEY)
    await ledger.batches.move(batch.id, BatchStatus.CANCELLING, at=7)
    expected = replace(batch, status=BatchStatus.CANCELLING, cancelling_at=7)
    assert await ledger.batches.add(a_batch(2), idempotency=KEY) == expected


async def test_the_file_is_returned_even_when_removed_since(ledger: SqlLedger) -> None:
    file = await ledger.files.add(a_file(1, expires_at=5), idempotency=KEY)
    await ledger.files.remove("blue", file.id)
    assert await ledger.files.add(a_file(2), idempotency=KEY) == file
    assert await all_files(ledger) == set()


async def test_another_fingerprint_is_a_mistake(ledger: SqlLedger) -> None:
    await ledger.files.add(a_file(1), idempotency=KEY)
    await ledger.batches.add(a_batch(1), idempotency=KEY)
    other = replace(KEY, fingerprint="g")
    with pytest.raises(IdempotencyMismatch):
        await ledger.files.add(a_file(2), idempotency=other)
    with pytest.raises(IdempotencyMismatch):
        await ledger.batches.add(a_batch(2), idempotency=other)
    assert await all_files(ledger) == {a_file(1).id}
    assert await all_batches(ledger) == {a_batch(1).id}


async def test_keys_of_tenants_are_apart(ledger: SqlLedger) -> None:
    blue, red = a_batch(1), a_batch(2, tenant="red")
    assert await ledger.batches.add(blue, idempotency=KEY) == blue
    assert await ledger.batches.add(red, idempotency=replace(KEY, fingerprint="g")) == red


async def test_a_failed_add_leaves_its_key_free(ledger: SqlLedger) -> None:
    await ledger.batches.add(a_batch(1))
    with pytest.raises(Exception, match="contradicts"):
        await ledger.batches.add(a_batch(1), idempotency=KEY)
    assert await ledger.batches.add(a_batch(2), idempotency=KEY) == a_batch(2)


async def test_of_many_at_once_one_makes_the_object(
    ledger: SqlLedger, other_ledger: SqlLedger
) -> None:
    ledgers = [ledger, other_ledger] * 8
    files = await asyncio.gather(
        *(one.files.add(a_file(number), idempotency=KEY) for number, one in enumerate(ledgers))
    )
    batches = await asyncio.gather(
        *(one.batches.add(a_batch(number), idempotency=KEY) for number, one in enumerate(ledgers))
    )
    assert {file.id for file in files} == await all_files(ledger)
    assert len(set(files)) == 1
    assert {batch.id for batch in batches} == await all_batches(ledger)
    assert len({batch.id for batch in batches}) == 1


async def test_purging_frees_old_keys(ledger: SqlLedger) -> None:
    await ledger.batches.add(a_batch(1, created_at=10), idempotency=KEY)
    await ledger.files.add(a_file(1, created_at=20), idempotency=KEY)
    assert await ledger.purge_idempotency_keys(10) == 0
    assert await ledger.purge_idempotency_keys(20) == 1
    assert await ledger.batches.add(a_batch(2), idempotency=KEY) == a_batch(2)
    assert await ledger.files.add(a_file(2), idempotency=KEY) == a_file(1, created_at=20)
