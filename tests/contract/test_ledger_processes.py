"""Ledgers of one database in several threads and processes, cancelled and killed at any point."""

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.contract.ledger_values import a_batch, a_file, a_segment, a_shard, begun
from tests.contract.ledger_writer import content

from batchway.domain.batch import RequestCounts
from batchway.domain.status import BatchStatus
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger

S = BatchStatus
ROOT = Path(__file__).parents[2]


def writer_process(url: str, root: Path, first: int, count: int) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("ledger_writer.py")
    return subprocess.Popen(
        [sys.executable, str(script), url, str(root), str(first), str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )


async def check_batches(ledger: SqlLedger, blobs: LocalBlobs, told: set[int]) -> None:
    """What was told is there; what was not is there in whole transactions or not at all."""
    for number in sorted(told | {after + 1 for after in told}):
        batch = await ledger.batches.load(a_batch(number).id)
        kept = await ledger.shards.segments(a_batch(number).id, 0)
        if number in told:
            assert len(kept) == 2
        assert [segment.blob for segment in kept] == [
            a_segment(name, batch=number).blob for name in ("a", "b")[: len(kept)]
        ]
        if batch is not None and batch.status is S.IN_PROGRESS:
            expected = RequestCounts(total=10, completed=2 * len(kept), failed=len(kept))
            assert batch.counts == expected
            assert await ledger.shards.plan(batch.id) == [a_shard(0, batch=number)]
        else:
            assert not kept
            assert await ledger.shards.plan(a_batch(number).id) == []
        # A file's row is written after its bytes.
        size = blobs.size(f"files/{number}")
        if await ledger.files.get("blue", a_file(number).id) is not None:
            assert size is not None
        if size is not None:
            assert blobs.read(f"files/{number}", 0, size + 1) == content(number)


async def test_committed_rows_survive_kill_9(ledger_url: str, tmp_path: Path) -> None:
    told: set[int] = set()
    for life in range(4):
        with writer_process(ledger_url, tmp_path / "blobs", life * 1_000, 1_000) as process:
            assert process.stdout is not None
            for _ in range(5 + life):
                told.add(int(process.stdout.readline()))
            os.kill(process.pid, signal.SIGKILL)
            told.update(int(line) for line in process.stdout if line.endswith("\n"))
        ledger = await SqlLedger.open(ledger_url)
        await check_batches(ledger, LocalBlobs(tmp_path / "blobs"), told)
        await ledger.close()
    assert len(told) >= 26


async def test_processes_write_side_by_side(ledger_url: str, tmp_path: Path) -> None:
    processes = [
        writer_process(ledger_url, tmp_path / "blobs", number * 15, 15) for number in range(3)
    ]
    told = {
        int(line) for process in processes for line in process.communicate(timeout=60)[0].split()
    }
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert told == set(range(45))
    ledger = await SqlLedger.open(ledger_url)
    await check_batches(ledger, LocalBlobs(tmp_path / "blobs"), told)
    await ledger.close()


async def test_two_event_loops_in_two_threads(ledger_url: str) -> None:
    """As the API and the engine have them: every move is made by exactly one of the two."""
    numbers = range(30)

    async def life() -> list[bool]:
        ledger = await SqlLedger.open(ledger_url)
        won: list[bool] = []
        for number in numbers:
            # Both add; the loser's insert is a conflict that it must be told about.
            added = await asyncio.gather(
                ledger.batches.add(a_batch(number)), return_exceptions=True
            )
            won.append(not isinstance(added[0], BaseException))
            won += [
                await ledger.batches.move(a_batch(number).id, after, at=1)
                for after in (S.IN_PROGRESS, S.FINALIZING, S.COMPLETED)
            ]
        await ledger.close()
        return won

    with ThreadPoolExecutor(2) as threads:
        lives = [threads.submit(asyncio.run, life()) for _ in range(2)]
        first, second = (each.result(60) for each in lives)
    assert [one + other for one, other in zip(first, second, strict=True)] == [1] * 120


@pytest.mark.parametrize("after", [S.CANCELLING, S.EXPIRED, S.FINALIZING])
async def test_of_many_movers_one_wins(
    ledger: SqlLedger, other_ledger: SqlLedger, after: BatchStatus
) -> None:
    batch = await ledger.batches.add(a_batch(status=S.IN_PROGRESS))
    moves = [
        one.batches.move(batch.id, after, at=n) for n, one in enumerate([ledger, other_ledger] * 8)
    ]
    won = await asyncio.gather(*moves)
    assert sum(won) == 1
    found = await ledger.batches.load(batch.id)
    assert found is not None
    at = {S.CANCELLING: "cancelling_at", S.EXPIRED: "expired_at", S.FINALIZING: "finalizing_at"}
    assert getattr(found, at[after]) == won.index(True)


async def test_of_many_begins_and_cancels_one_wins(
    ledger: SqlLedger, other_ledger: SqlLedger
) -> None:
    for number in range(15):
        batch = await ledger.batches.add(a_batch(number))
        shard = a_shard(0, batch=number)
        begin, cancel, again = await asyncio.gather(
            ledger.batches.begin(batch.id, at=1, model=None, shards=[shard]),
            other_ledger.batches.move(
                batch.id, S.CANCELLING, at=1, before=frozenset({S.VALIDATING})
            ),
            other_ledger.batches.begin(batch.id, at=1, model=None, shards=[shard]),
        )
        assert begin + cancel + again == 1
        assert await ledger.shards.plan(batch.id) == ([] if cancel else [shard])


async def test_of_many_claims_each_has_a_fence_of_its_own(
    ledger: SqlLedger, other_ledger: SqlLedger
) -> None:
    batch_id = await begun(ledger, a_shard(0))
    claims = await asyncio.gather(
        *(one.shards.claim(batch_id, 0) for one in [ledger, other_ledger] * 10)
    )
    assert sorted(claim.fence for claim in claims) == list(range(1, 21))


async def test_cancelled_calls_leave_nothing_behind(ledger_url: str) -> None:
    """A call may be cancelled at any of its awaits: no half transaction, no lost connection."""
    ledger = await SqlLedger.open(ledger_url)
    attempts = 150
    for number in range(attempts):
        task = asyncio.create_task(begun(ledger, a_shard(0, batch=number), batch=number))
        reader = asyncio.create_task(ledger.batches.get("blue", a_batch(number).id))
        for _ in range(number * 7 % 400):
            await asyncio.sleep(0)
        for one in (task, reader):
            one.cancel()
        await asyncio.gather(task, reader, return_exceptions=True)
    # Every connection works, and holds no lock that would stop another ledger's.
    other = await SqlLedger.open(ledger_url)
    fresh = [a_batch(number) for number in range(attempts, attempts + 24)]
    await asyncio.gather(
        *(one.batches.add(b) for one, b in zip([ledger, other] * 12, fresh, strict=True))
    )
    for number in range(attempts):
        batch = await other.batches.load(a_batch(number).id)
        plan = await other.shards.plan(a_batch(number).id)
        assert (batch is not None and batch.status is S.IN_PROGRESS) is bool(plan)
    await ledger.close()
    await other.close()


async def test_a_commit_whose_batch_ends_while_it_waits(postgres_url: str) -> None:
    """PostgreSQL alone lets a batch end between two statements of a commit."""
    ledger = await SqlLedger.open(postgres_url)
    for number in (1, 2):
        await begun(ledger, a_shard(0, batch=number), batch=number)
        await ledger.shards.claim(a_batch(number).id, 0)
    segments = [a_segment(batch=1), a_segment(batch=2)]
    async with await psycopg.AsyncConnection.connect(postgres_url) as holder:
        await holder.execute("UPDATE batches SET status = 'expired' WHERE id = %s", [a_batch(1).id])
        commit = asyncio.create_task(ledger.shards.commit(segments))
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while (await (await other.execute(waiting)).fetchone()) == (0,):
                assert not commit.done()
        await holder.commit()
    assert await commit == segments[:1]
    assert await ledger.shards.segments(a_batch(1).id, 0) == []
    assert await ledger.shards.segments(a_batch(2).id, 0) == segments[1:]
    await ledger.close()
