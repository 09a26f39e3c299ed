"""`results.finalize`: every input line ends in exactly one file, in order, once."""

import json
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parts import new_finalize, new_ingest
from tests.unit.fakes import (
    DAY,
    START,
    FailingBlobs,
    FakeClock,
    a_batch,
    a_file,
    a_result,
    a_segment,
    chat,
    commit_results,
    fresh_ledger,
    store,
)

from batchway.domain.batch import Batch, BatchError, RequestCounts
from batchway.domain.errors import Unavailable
from batchway.domain.file import File, Purpose
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.routing import Account
from batchway.domain.status import BatchStatus
from batchway.results import finalize as module
from batchway.results.segments import encode
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.plan.scan import ScanLimits

S = BatchStatus
EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
CANCELLED = {
    "code": "batch_cancelled",
    "message": "This request was not executed: the batch was cancelled.",
}
LOST = {
    "code": "result_lost",
    "message": "This request may have been executed, but its result was lost: the server's storage "
    "damaged it.",
}


def expired(count: int, total: int) -> BatchError:
    return BatchError(
        code="batch_expired",
        message=f"The completion window of 24h ended before {count} of the {total} requests had a "
        "result.",
    )


class Bench:
    """A finalize over real storage, and a batch that real ingest has planned."""

    def __init__(self, ledger: SqlLedger, blobs: LocalBlobs) -> None:
        self.ledger = ledger
        self.blobs = FailingBlobs(blobs)
        self.clock = FakeClock()
        self.finalize = new_finalize(ledger=ledger, blobs=self.blobs, clock=self.clock)

    async def begin(self, *models: str, shard_lines: int = 4, **changes: Any) -> Batch:
        """A running batch with a line for each model; an empty model makes a blank line."""
        lines = [chat(f"id-{n}", model) if model else b"" for n, model in enumerate(models)]
        store(self.blobs, a_file().blob, b"".join(line + b"\n" for line in lines))
        await self.ledger.batches.add(a_batch(**changes))
        await new_ingest(
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            providers={"a": Account(), "b": Account(), "c": Account()},
            limits=ScanLimits(shard_lines_min=shard_lines, shard_lines_max=shard_lines),
        ).run(a_batch(**changes))
        batch = await self.load()
        assert batch.status is S.IN_PROGRESS
        return batch

    async def load(self) -> Batch:
        batch = await self.ledger.batches.load(a_batch().id)
        assert batch is not None
        return batch

    async def answer(self, *lines: int, failed: set[int] | None = None) -> None:
        """Commit results for these lines, one segment a shard and call."""
        models = [
            None if not line.strip() else json.loads(line)["body"]["model"]
            for line in self.blobs.read(a_file().blob, 0, 1 << 20).split(b"\n")
        ]
        for shard in await self.ledger.shards.plan(a_batch().id):
            mine = [
                a_result(line, ok=line not in (failed or ()))
                for line in lines
                if str(models[line]).startswith(shard.group)
                and shard.first_line <= line < await self.end_line(shard.number)
            ]
            if mine:
                name = f"answer{lines[0]}"
                await commit_results(self.ledger, self.blobs, shard, *reversed(mine), name=name)

    async def end_line(self, number: int) -> int:
        """The first line of the next shard of the same group."""
        plan = await self.ledger.shards.plan(a_batch().id)
        later = [s.first_line for s in plan[number + 1 :] if s.group == plan[number].group]
        return min(later, default=1 << 30)

    async def contents(self) -> tuple[list[object] | None, list[object] | None]:
        """Lines of the output and error files of the ended batch: numbers for our results."""
        batch = await self.load()
        return (
            await self.content(batch.output_file_id, "output"),
            await self.content(batch.error_file_id, "error"),
        )

    async def content(self, file_id: str | None, kind: str) -> list[object] | None:
        if file_id is None:
            return None
        file = await self.ledger.files.get("blue", file_id)
        assert file is not None
        data = self.blobs.read(file.blob, 0, 1 << 30)
        now = int(self.clock.now())
        assert file == File(
            id=file_id,
            tenant="blue",
            bytes=len(data),
            created_at=now,
            expires_at=now + ((await self.load()).output_expires_after or 30 * DAY),
            filename=f"{a_batch().id}_{kind}.jsonl",
            purpose=Purpose.BATCH_OUTPUT,
            blob=f"files/{file_id}",
            sha256="",
        )
        assert data.endswith(b"\n")
        return [brief(json.loads(line)) for line in data.splitlines()]

    def result_files(self) -> list[str]:
        return [key for key, _ in self.blobs.keys("files/") if key != a_file().blob]


def brief(record: dict[str, object]) -> object:
    """The line number of a result of ours, (custom_id, error) of a synthesised one."""
    if "line" in record:
        return record["line"]
    assert set(record) == {"id", "custom_id", "response", "error"}
    assert record["response"] is None
    return record["custom_id"], record["error"]


@pytest.fixture
async def bench(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bench]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield Bench(ledger, LocalBlobs(tmp_path / "blobs"))


# ----------------------------------------------------------------------------- completed


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (set[int](), (list(range(10)), None)),
        ({0, 5, 9}, ([1, 2, 3, 4, 6, 7, 8], [0, 5, 9])),
        (set(range(10)), (None, list(range(10)))),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 2_000])
async def test_completed(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    failed: set[int],
    expected: tuple[list[object] | None, list[object] | None],
    chunk: int,
) -> None:
    monkeypatch.setattr(module, "_CHUNK_LINES", chunk)
    batch = await bench.begin(*["a/m"] * 10)
    await bench.answer(7, 1, 3, failed=failed)
    await bench.answer(0, 2, 4, 5, 6, 8, 9, failed=failed)
    bench.clock.time += 60
    before = await bench.load()
    assert await bench.finalize.run(before)
    assert await bench.contents() == expected
    after = await bench.load()
    assert after == replace(
        before,
        status=S.COMPLETED,
        finalizing_at=START + 60,
        completed_at=START + 60,
        output_file_id=None if expected[0] is None else "file-0",
        error_file_id=None if expected[1] is None else "file-1",
    )
    assert after.counts == RequestCounts(total=10, completed=10 - len(failed), failed=len(failed))
    assert batch.counts == RequestCounts(total=10)


async def test_groups_are_interleaved_in_input_order(bench: Bench) -> None:
    models = ["a/1", "b/1", "a/2", "", "c/1", "b/1", "b/2", "a/1", "c/1", "a/1", "b/1", "a/2"] * 3
    await bench.begin(*models, shard_lines=2)
    lines = [number for number, model in enumerate(models) if model]
    await bench.answer(*lines, failed=set(lines[::5]))
    plan = await bench.ledger.shards.plan(a_batch().id)
    assert Counter(shard.group for shard in plan) == {"a": 8, "b": 6, "c": 3}
    assert await bench.finalize.run(await bench.load())
    output, error = await bench.contents()
    assert error == lines[::5]
    assert output == [line for line in lines if line not in lines[::5]]


async def test_files_expire_when_the_batch_asked_for(bench: Bench) -> None:
    await bench.begin("a/m", output_expires_after=3_600)
    await bench.answer(0)
    assert await bench.finalize.run(await bench.load())
    assert await bench.contents() == ([0], None)


async def test_open_lines_with_time_left_do_not_end_a_batch(bench: Bench) -> None:
    await bench.begin(*["a/m"] * 3)
    await bench.answer(0, 2)
    before = await bench.load()
    assert not await bench.finalize.run(before)
    assert await bench.load() == before
    assert bench.result_files() == []


# ----------------------------------------------------------------------------- ended early


@pytest.mark.parametrize("ending", [S.EXPIRED, S.CANCELLED])
@pytest.mark.parametrize("done", [set[int](), {3}, {1, 4, 6, 7, 8}, set(range(10)) - {3, 5}])
@pytest.mark.parametrize("models", [["a/m"], ["a/1", "b/1", "a/2"]])
async def test_lines_without_a_result_say_why(
    bench: Bench, ending: BatchStatus, done: set[int], models: list[str]
) -> None:
    """Line 5 is blank; of the answered lines 1 and 8 have failed."""
    lines = (models * 10)[:10]
    lines[5] = ""
    await bench.begin(*lines, shard_lines=3)
    if done:
        await bench.answer(*done, failed={1, 8})
    if ending is S.CANCELLED:
        await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START + 1)
    else:
        bench.clock.time += DAY
    before = await bench.load()
    assert await bench.finalize.run(before)
    after = await bench.load()
    why = EXPIRED if ending is S.EXPIRED else CANCELLED
    output = [line for line in sorted(done) if line not in {1, 8}]
    error = [
        line if line in done else (f"id-{line}", why)
        for line in range(10)
        if line not in output and line != 5
    ]
    assert await bench.contents() == (output or None, error)
    changes = {"expired_at": START + DAY} if ending is S.EXPIRED else {"cancelled_at": START}
    assert after == replace(
        before,
        status=ending,
        output_file_id="file-0" if output else None,
        error_file_id="file-1",
        errors=(expired(9 - len(done), 9),) if ending is S.EXPIRED else None,
        **changes,
    )
    assert after.counts == RequestCounts(total=9, completed=len(output), failed=len(done & {1, 8}))


WAITED = "The provider 'a' has been unreachable since 2026-01-01 00:00:00 UTC."
WAITS = Reason(
    kind=ReasonKind.UNREACHABLE,
    sentence=WAITED,
    promise="it is tried again at least once a minute.",
)
FULL = Reason(
    kind=ReasonKind.STORAGE,
    sentence="Batchway cannot write to its storage at the moment.",
    promise="it will go on.",
)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ([[WAITS]], WAITED),
        (
            [[FULL], [WAITS, FULL]],
            f"{WAITED} Batchway cannot write to its storage at the moment.",
        ),
        # It went on, and then was too slow for what was left of its window.
        ([[WAITS], []], WAITED),
        ([[]], None),
    ],
)
async def test_an_expired_batch_says_what_it_waited_for(
    bench: Bench, told: list[list[Reason]], kept: str | None
) -> None:
    await bench.begin(*["a/m"] * 3)
    await bench.answer(1)
    for reasons in told:
        await bench.ledger.batches.describe(a_batch().id, reasons)
    bench.clock.time += DAY
    assert await bench.finalize.run(await bench.load())
    after = await bench.load()
    because = f" What held the batch up: {kept}" if kept else ""
    why = {"code": EXPIRED["code"], "message": EXPIRED["message"] + because}
    assert (after.status, after.status_details) == (S.EXPIRED, kept)
    assert after.errors == (replace(expired(2, 3), message=expired(2, 3).message + because),)
    assert await bench.contents() == ([1], [("id-0", why), ("id-2", why)])


async def test_a_batch_cancelled_while_it_waits_says_what_for(bench: Bench) -> None:
    await bench.begin("a/m")
    await bench.ledger.batches.describe(a_batch().id, [WAITS])
    await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START + 1)
    assert await bench.finalize.run(await bench.load())
    after = await bench.load()
    assert (after.status_details, after.errors) == (WAITED, None)
    assert await bench.contents() == (None, [("id-0", CANCELLED)])


@pytest.mark.parametrize("failed", [set[int](), {1}])
@pytest.mark.parametrize("told", [WAITS, FULL])
async def test_a_completed_batch_waits_for_nothing(
    bench: Bench, failed: set[int], told: Reason
) -> None:
    """Its failed lines each say why; what held it up for a while was mended."""
    await bench.begin("a/m", "a/m")
    await bench.answer(0, 1, failed=failed)
    await bench.ledger.batches.describe(a_batch().id, [told])
    assert await bench.finalize.run(await bench.load())
    after = await bench.load()
    assert (after.status, after.status_details, after.errors) == (S.COMPLETED, None, None)


async def test_cancelled_with_every_result_has_no_cancelled_lines(bench: Bench) -> None:
    await bench.begin("a/m", "a/m")
    await bench.answer(0, 1)
    await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START)
    assert await bench.finalize.run(await bench.load())
    assert (await bench.load()).status is S.CANCELLED
    assert await bench.contents() == ([0, 1], None)


async def test_a_batch_with_every_result_completes_though_its_window_ended(bench: Bench) -> None:
    await bench.begin("a/m")
    await bench.answer(0)
    bench.clock.time += DAY
    assert await bench.finalize.run(await bench.load())
    assert (await bench.load()).status is S.COMPLETED


async def test_cancelled_while_validating_has_no_files(bench: Bench) -> None:
    await bench.ledger.batches.add(a_batch())
    await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START)
    assert await bench.finalize.run(await bench.load())
    assert await bench.load() == a_batch(
        status=S.CANCELLED, cancelling_at=START, cancelled_at=START
    )
    assert bench.result_files() == []


@pytest.mark.parametrize("status", [S.VALIDATING, S.FAILED, S.COMPLETED, S.EXPIRED, S.CANCELLED])
async def test_other_statuses_are_left_alone(bench: Bench, status: BatchStatus) -> None:
    await bench.ledger.batches.add(a_batch(status=status))
    assert not await bench.finalize.run(await bench.load())
    assert await bench.load() == a_batch(status=status)


# ----------------------------------------------------------------------------- races and crashes


async def test_a_finish_that_loses_to_a_cancel_leaves_nothing_behind(bench: Bench) -> None:
    await bench.begin("a/m", "a/m")
    await bench.answer(0)
    bench.clock.time += DAY
    stale = await bench.load()
    await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START + DAY)
    assert not await bench.finalize.run(stale)
    assert (await bench.load()).status is S.CANCELLING
    assert bench.result_files() == []
    assert await bench.finalize.run(await bench.load())
    assert await bench.contents() == ([0], [("id-1", CANCELLED)])


async def test_a_move_to_finalizing_that_loses_to_a_cancel_writes_nothing(bench: Bench) -> None:
    await bench.begin("a/m")
    await bench.answer(0)
    stale = await bench.load()
    await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START)
    assert not await bench.finalize.run(stale)
    assert bench.result_files() == []


async def test_a_second_finalizer_that_loses_removes_its_own_files_only(bench: Bench) -> None:
    await bench.begin("a/m")
    await bench.answer(0)
    await bench.ledger.batches.move(a_batch().id, S.FINALIZING, at=START)
    both = await bench.load()
    assert await bench.finalize.run(both)
    assert not await bench.finalize.run(both)
    assert bench.result_files() == ["files/file-0"]
    assert await bench.contents() == ([0], None)


@pytest.mark.parametrize("commits", [1, 2])
async def test_a_blob_that_cannot_be_committed_is_tried_again(bench: Bench, commits: int) -> None:
    await bench.begin("a/m", "a/m")
    await bench.answer(0, 1, failed={1})
    real = bench.blobs.opened
    bench.blobs.commits = commits
    for _ in range(commits):
        with pytest.raises(Unavailable):
            await bench.finalize.run(await bench.load())
        assert bench.result_files() == []
    assert bench.blobs.opened is real
    assert await bench.finalize.run(await bench.load())
    assert await bench.contents() == ([0], [1])
    assert len(bench.result_files()) == 2


async def test_the_error_file_failing_takes_the_output_file_back(bench: Bench) -> None:
    await bench.begin("a/m", "a/m")
    await bench.answer(0, 1, failed={1})

    def fail_the_second(key: str) -> None:
        if key == "files/file-1":
            raise Unavailable("no space", full=True)

    bench.blobs.opened = fail_the_second
    with pytest.raises(Unavailable):
        await bench.finalize.run(await bench.load())
    assert bench.result_files() == []
    assert (await bench.load()).status is S.FINALIZING


async def test_a_crash_between_the_bytes_and_the_row_gives_one_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.begin("a/m", "a/m")
    await bench.answer(0, 1, failed={1})

    async def crash(*_: object, **__: object) -> bool:
        raise Unavailable("killed")

    with monkeypatch.context() as patch:
        patch.setattr(bench.ledger.batches, "finish", crash)
        with pytest.raises(Unavailable):
            await bench.finalize.run(await bench.load())
    # Whether the commit arrived is not known, so the bytes stay for the janitor.
    assert bench.result_files() == ["files/file-0", "files/file-1"]
    assert await bench.finalize.run(await bench.load())
    after = await bench.load()
    assert (after.output_file_id, after.error_file_id) == ("file-2", "file-3")
    assert await bench.contents() == ([0], [1])
    assert not await bench.ledger.files.blob_in_use("files/file-0")


@pytest.mark.parametrize("ending", [S.EXPIRED, S.CANCELLED])
async def test_a_runner_that_was_paused_commits_nothing_behind_our_back(
    bench: Bench, ending: BatchStatus
) -> None:
    """Its results would be counted, and delivered nowhere."""
    await bench.begin("a/m", "a/m")
    paused = await bench.ledger.shards.claim(a_batch().id, 0)
    if ending is S.CANCELLED:
        await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START)
    bench.clock.time += DAY
    results = [a_result(0)]
    segment = a_segment(paused, results, "late", len(encode(results)))
    store(bench.blobs, segment.blob, encode(results))
    finish = bench.ledger.batches.finish
    refused: list[object] = []

    async def wake_up_first(*arguments: object, **named: object) -> bool:
        refused.extend(await bench.ledger.shards.commit([segment]))
        return await finish(*arguments, **named)  # type: ignore[arg-type] - as they came

    bench.ledger.batches.finish = wake_up_first  # type: ignore[method-assign] - a race on command
    assert await bench.finalize.run(await bench.load())
    assert refused == [segment]
    why = EXPIRED if ending is S.EXPIRED else CANCELLED
    assert await bench.contents() == (None, [("id-0", why), ("id-1", why)])
    assert (await bench.load()).counts == RequestCounts(total=2)


# ----------------------------------------------------------------------------- what storage lost


def cut(bench: Bench, key: str, keep: int) -> None:
    """Lose the end of a blob."""
    store(bench.blobs, key, bench.blobs.read(key, 0, keep))


async def segment_of(bench: Bench, line: int) -> str:
    """The blob of the segment that was committed with this line as its first."""
    [blob] = [key for key, _ in bench.blobs.keys("segments/") if key.endswith(f"-answer{line}")]
    return blob


@pytest.mark.parametrize("keep", [None, 0, 7, -1])
async def test_lines_of_a_damaged_segment_say_so_and_count_as_failed(
    bench: Bench, keep: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.begin(*["a/m"] * 8)
    await bench.answer(0, 2, 3, failed={3})
    await bench.answer(1)
    await bench.answer(4, 5, 6, 7, failed={6})
    blob = await segment_of(bench, 0)
    if keep is None:
        bench.blobs.delete(blob)
    else:
        cut(bench, blob, keep if keep >= 0 else (bench.blobs.size(blob) or 0) + keep)
    assert (await bench.load()).counts == RequestCounts(total=8, completed=6, failed=2)
    assert await bench.finalize.run(await bench.load())
    assert await bench.contents() == (
        [1, 4, 5, 7],
        [("id-0", LOST), ("id-2", LOST), ("id-3", LOST), 6],
    )
    after = await bench.load()
    assert (after.status, after.errors) == (S.COMPLETED, None)
    assert after.counts == RequestCounts(total=8, completed=4, failed=4)
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert blob in said


async def test_damage_in_a_batch_that_ends_early_leaves_the_other_shards_alone(
    bench: Bench,
) -> None:
    await bench.begin(*["a/1", "b/1"] * 4, shard_lines=2)
    await bench.answer(0, 1, 2)
    bench.blobs.delete(next(key for key, _ in bench.blobs.keys("segments/") if "/0-" in key))
    bench.clock.time += DAY
    plan = await bench.ledger.shards.plan(a_batch().id)
    assert plan[0].group == "a"
    assert await bench.finalize.run(await bench.load())
    expired = [(f"id-{n}", EXPIRED) for n in range(3, 8)]
    assert await bench.contents() == ([1], [("id-0", LOST), ("id-2", LOST), *expired])
    after = await bench.load()
    assert (after.status, after.counts) == (
        S.EXPIRED,
        RequestCounts(total=8, completed=1, failed=2),
    )


@pytest.mark.parametrize("ending", [S.EXPIRED, S.CANCELLED])
@pytest.mark.parametrize("left", [4, 0, None])
async def test_lines_lost_from_the_input_are_counted_in_the_errors_of_the_batch(
    bench: Bench, ending: BatchStatus, left: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Of ten lines the first four (or none) and a half can be read; 1, 5 and 7 have results."""
    await bench.begin(*["a/m"] * 10)
    await bench.answer(1)
    await bench.answer(5, 7, failed={7})
    if left is None:
        bench.blobs.delete(a_file().blob)
    else:
        size = bench.blobs.size(a_file().blob) or 0
        cut(bench, a_file().blob, size * (2 * left + 1) // 20)
    if ending is S.CANCELLED:
        await bench.ledger.batches.move(a_batch().id, S.CANCELLING, at=START)
    bench.clock.time += DAY
    assert await bench.finalize.run(await bench.load())
    why = EXPIRED if ending is S.EXPIRED else CANCELLED
    read = [(f"id-{n}", why) for n in (0, 2, 3)] if left else []
    assert await bench.contents() == ([1, 5], [*read, 7])
    after = await bench.load()
    count = 7 - len(read)
    assert (after.status, after.counts) == (ending, RequestCounts(total=10, completed=2, failed=1))
    lost = BatchError(
        code="input_lost",
        message=f"{count} of the requests have no line in the result files: the server's "
        "storage lost their part of the input file while the batch ran.",
        param="input_file_id",
    )
    assert after.errors == ((expired(7, 10), lost) if ending is S.EXPIRED else (lost,))
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert a_file().blob in said
