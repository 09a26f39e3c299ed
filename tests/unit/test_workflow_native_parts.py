"""The parts of native execution that need no provider: tables, joins, rooms, verdicts, details."""

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from tests.unit.fakes import (
    CHAT,
    FakeClock,
    MemoryBlob,
    a_batch,
    chat,
    counted_bytes,
    fresh_ledger,
)

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.framing import OpenAIFraming
from batchway.domain.batch import BatchError
from batchway.domain.errors import Unavailable
from batchway.domain.fate import Fate
from batchway.domain.overrides import Overrides
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.shard import Mode, Shard
from batchway.lines.envelope import LineReader
from batchway.lines.shard_lines import ANSWERED, LEFT, OPEN, LineTable, read_requests
from batchway.results.line_result import LineResult
from batchway.results.records import Records
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.details import StatusDetails
from batchway.workflows.native.accounts import NativeAccounts
from batchway.workflows.native.batch import NativeBatch
from batchway.workflows.native.capacity import Capacity
from batchway.workflows.native.ending import HaltedError
from batchway.workflows.native.results import Join, missing
from batchway.workflows.native.spool import spool
from batchway.workflows.run import Ending

TEXT = b"\n".join([chat("a", "x"), chat("é", "y"), b"", chat("c", "x"), chat("d", "y")])


def a_shard(*models: str, lines: int) -> Shard:
    return Shard(
        batch_id="b",
        number=0,
        group="g",
        mode=Mode.NATIVE,
        start=0,
        end=len(TEXT),
        first_line=0,
        lines=lines,
        models=models or None,
    )


def a_table(*models: str, lines: int, done: set[int] | None = None) -> LineTable:
    table = LineTable()
    for requests in read_requests(
        MemoryBlob(TEXT), "input", a_shard(*models, lines=lines), reader=LineReader(endpoint=CHAT)
    ):
        table.add(requests, done or set())
    return table


# ----------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ((), [(0, "a"), (1, "é"), (3, "c"), (4, "d")]),
        (("x",), [(0, "a"), (3, "c")]),
        (("y",), [(1, "é"), (4, "d")]),
    ],
)
def test_a_table_of_lines(models: tuple[str, ...], expected: list[tuple[int, str]]) -> None:
    table = a_table(*models, lines=len(expected))
    assert [(table.line(n), table.custom_id(n)) for n in range(len(table))] == expected
    numbers = [line for line, _ in expected]
    assert [table.find(line) for line in range(7)] == [
        numbers.index(line) if line in numbers else None for line in range(7)
    ]


def test_an_empty_table_holds_no_line() -> None:
    assert LineTable().find(0) is None


def test_marks() -> None:
    table = a_table(lines=4, done={1})
    assert list(table.marked(OPEN)) == [0, 2, 3]
    assert list(table.marked(ANSWERED)) == [1]
    for index in table.marked(OPEN):
        table.marks[index] = LEFT
    assert list(table.marked(LEFT)) == [0, 2, 3]


def test_an_input_that_changed_is_noticed() -> None:
    with pytest.raises(ValueError, match="planned with 5 lines and has 4"):
        a_table(lines=5)


# ----------------------------------------------------------------------------- spool


async def test_the_spool_holds_what_is_open_and_goes(tmp_path: Path) -> None:
    requests = read_requests(
        MemoryBlob(TEXT), "input", a_shard(lines=4), reader=LineReader(endpoint=CHAT)
    )
    async with spool(
        requests,
        directory=tmp_path / "new",
        framing=OpenAIFraming(endpoint=CHAT),
        dialect=OpenAIDialect(endpoint=CHAT, model="up"),
        done={1, 3},
    ) as spooled:
        data = spooled.path.read_bytes()
        assert (spooled.size, spooled.lines, data.count(b"\n")) == (len(data), 2, 2)
        assert [line[:27] for line in data.splitlines()] == [
            b'{"custom_id":"r0000000000",',
            b'{"custom_id":"r0000000004",',
        ]
        assert data.count(b'"up"') == 2
    assert list((tmp_path / "new").iterdir()) == []


async def test_a_spool_without_a_place_is_storage_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        async with spool(
            iter(()),
            directory=tmp_path / "file",
            framing=OpenAIFraming(endpoint=CHAT),
            dialect=OpenAIDialect(endpoint=CHAT, model="m"),
            done=set(),
        ):
            raise AssertionError("there is no spool")


# ----------------------------------------------------------------------------- rows


def a_row(line: int, status: int = 200, body: str = "{}") -> bytes:
    return (
        b'{"custom_id":"r%010d","response":{"status_code":%d,"request_id":"q","body":%b},'
        b'"error":null}' % (line, status, body.encode())
    )


def is_retryable(fate: Fate) -> bool:
    return fate in {Fate.PASSING, Fate.UNTRIED}


def joined(
    table: LineTable, pieces: list[bytes], leave: Callable[[Fate], bool] = is_retryable
) -> tuple[Join, list[LineResult]]:
    join = Join(
        table=table,
        framing=OpenAIFraming(endpoint=CHAT),
        dialect=OpenAIDialect(endpoint=CHAT, model="up"),
        records=Records(random_bytes=counted_bytes()),
        leave=leave,
        provider="far",
    )
    results = [result for piece in pieces for result in join.take(piece)]
    return join, results + join.take(b"", last=True)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_rows_may_be_cut_anywhere(size: int) -> None:
    data = b"\n".join([a_row(3, body='{"é":"ü"}'), a_row(0, 404), b"", a_row(1, 503), a_row(4)])
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    table = a_table(lines=4)
    join, results = joined(table, pieces)
    assert [(result.line, result.ok) for result in results] == [(3, True), (0, False), (4, True)]
    assert '{"é":"ü"}'.encode() in results[0].record
    assert (join.rows, join.unknown, join.duplicates) == (4, 0, 0)
    assert list(table.marked(LEFT)) == [1]


def test_what_is_no_row_of_ours_is_counted() -> None:
    table = a_table(lines=4, done={4})
    pieces = [b"\n".join([a_row(2), a_row(0), a_row(0, 400), a_row(4), b"{", a_row(1)[:-3]])]
    join, results = joined(table, pieces)
    assert [(result.line, result.ok) for result in results] == [(0, True)]
    assert (join.rows, join.unknown, join.duplicates) == (3, 3, 2)


def test_an_answer_wins_over_a_row_that_was_left() -> None:
    table = a_table(lines=4)
    rows = [
        a_row(0, 503),
        a_row(0),
        a_row(0),
        a_row(1, 503),
        a_row(1, 400),
        a_row(3),
        a_row(3, 503),
    ]
    join, results = joined(table, [b"\n".join(rows)])
    assert [(result.line, result.ok) for result in results] == [(0, True), (3, True)]
    assert (list(table.marked(LEFT)), join.duplicates) == ([1], 3)


@pytest.mark.parametrize("size", [1 << 20, 3 << 20])
def test_a_row_without_an_end_is_dropped_up_to_the_next(size: int) -> None:
    endless = [b"x" * size] * ((65 << 20) // size + 1)
    table = a_table(lines=4)
    pieces = [a_row(0), b"\n", *endless, b"\n" + a_row(1) + b"\n", *endless]
    tracemalloc.start()
    try:
        join, results = joined(table, pieces)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 << 20  # beyond the pieces themselves
    assert [result.line for result in results] == [0, 1]
    assert (join.rows, join.unknown) == (2, 2)


def test_missing_lines_get_an_error() -> None:
    table = a_table(lines=4, done={0})
    table.marks[1] = LEFT
    records = Records(random_bytes=counted_bytes())
    (results,) = missing(table, records, code="c", message="m")
    assert [result.line for result in results] == [3, 4]
    assert b'"custom_id":"c","response":null,"error":{"code":"c","message":"m"}' in (
        results[0].record
    )
    assert list(missing(table, records, code="c", message="m")) == []


@pytest.mark.parametrize(
    ("status", "code", "retryable", "untried"),
    [
        (200, "", False, False),
        (400, "", False, False),
        (404, "", False, False),
        (408, "", True, False),
        (429, "", True, False),
        (500, "", True, False),
        (529, "", True, False),
        (None, "batch_expired", True, True),
        (None, "batch_cancelled", True, True),
        (None, "missing_result", True, False),
        (None, "invalid_request", False, False),
        (429, "batch_expired", True, False),
    ],
)
def test_rows_that_another_try_may_mend(
    status: int | None, code: str, retryable: bool, untried: bool
) -> None:
    error = b'{"custom_id":"r0","error":{"code":"%b"}}' % code.encode()
    row = OpenAIFraming(endpoint=CHAT).row(error if status is None else a_row(0, status))
    assert row is not None
    assert (is_retryable(row.fate), row.fate is Fate.UNTRIED) == (retryable, untried)


# ----------------------------------------------------------------------------- room


def test_a_room_is_asked_less_and_less_often() -> None:
    clock = FakeClock()
    room = Capacity(provider="p", model="m", clock=clock, draw=lambda: 0.5)
    waits: list[float] = []
    for _ in range(1_100):  # four days of refusals
        assert room.closed_for == 0
        room.close(retry_after=None)
        room.close(retry_after=None)  # drawn by another job at the same time
        waits.append(room.closed_for)
        clock.time += room.closed_for
    assert waits[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert set(waits[7:]) == {300}
    room.open()
    room.close(retry_after=77.0)
    assert room.closed_for == 77
    room.ask_again()
    assert room.closed_for == 0


def test_one_answer_does_not_close_a_room_for_a_day() -> None:
    room = Capacity(provider="p", model="m", clock=FakeClock(), draw=lambda: 0.5)
    room.close(retry_after=86_400.0)
    assert room.closed_for == 300


async def test_slots_and_rooms_are_by_provider_and_model() -> None:
    site = NativeAccounts(accounts={}, clock=FakeClock(), draw=lambda: 0.5)
    for slots in (site.submissions, site.collections):
        assert slots("a") is slots("a")
        assert slots("a") is not slots("b")
    assert site.submissions("a") is not site.collections("a")
    assert site.capacity("a", "m") is site.capacity("a", "m")
    assert site.capacity("a", "m") is not site.capacity("a", "n")
    # What is refused in one region says nothing of another.
    elsewhere = Overrides(vertex_region="europe-west4")
    assert site.capacity("a", "m") is not site.capacity("a", "m", elsewhere)


async def test_rooms_that_callers_make_up_are_forgotten_once_no_job_uses_them() -> None:
    site = NativeAccounts(accounts={}, clock=FakeClock(), draw=lambda: 0.5)
    used, idle = site.capacity("a", "m"), weakref.ref(site.capacity("a", "n"))
    assert idle() is not None
    for number in range(1_000):
        site.capacity("a", "m", Overrides(s3_bucket=f"bucket-{number}"))
    gc.collect()
    assert idle() is None
    assert site.capacity("a", "m") is used


# ----------------------------------------------------------------------------- the batch


@pytest.fixture
async def ledger(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[SqlLedger]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as opened:
        await opened.batches.add(a_batch())
        yield opened


@pytest.fixture
def shared(ledger: SqlLedger) -> NativeBatch:
    details = StatusDetails(batches=ledger.batches, batch=a_batch())
    return NativeBatch(batch=a_batch(), clock=FakeClock(), details=details, names_providers=False)


@pytest.mark.parametrize(
    ("asked", "ending", "winding_down"),
    [
        ([], None, False),
        ([Ending.CANCELLED], Ending.CANCELLED, True),
        ([Ending.CANCELLED, Ending.EXPIRED], Ending.CANCELLED, True),
        ([Ending.EXPIRED, Ending.CANCELLED], Ending.EXPIRED, True),
        ([Ending.CANCELLED, Ending.STOPPED], Ending.STOPPED, False),
        ([Ending.EXPIRED, Ending.LOST], Ending.LOST, False),
        ([Ending.STOPPED, Ending.CANCELLED], Ending.STOPPED, False),
        ([Ending.FAILED, Ending.LOST], Ending.FAILED, False),
    ],
)
async def test_endings(
    shared: NativeBatch, asked: list[Ending], ending: Ending | None, winding_down: bool
) -> None:
    for each in asked:
        shared.stop(each)
    assert (shared.ending, shared.winding_down) == (ending, winding_down)
    assert shared.halted is (ending is not None and not winding_down)
    if shared.halted:
        with pytest.raises(HaltedError):
            await shared.pause(1.0)


ONE = BatchError(code="one", message="One.", line=7)
TWO = BatchError(code="two", message="Two.", line=2)


async def test_a_batch_fails_when_the_last_job_is_refused(shared: NativeBatch) -> None:
    shared.verdict.open(0)
    shared.verdict.open(1)
    first = asyncio.ensure_future(shared.verdict.refuse(0, [ONE, TWO]))
    await asyncio.sleep(0)
    assert not first.done()
    with pytest.raises(HaltedError):
        await shared.verdict.refuse(1, [TWO])
    with pytest.raises(HaltedError):
        await first
    assert (shared.ending, shared.verdict.errors) == (Ending.FAILED, [TWO, ONE])


@pytest.mark.parametrize(("accepts", "expected"), [(True, True), (False, False)])
async def test_a_refusal_waits_for_the_others(
    shared: NativeBatch, accepts: bool, expected: bool
) -> None:
    shared.verdict.open(0)
    shared.verdict.open(1)
    refusal = asyncio.ensure_future(shared.verdict.refuse(0, [ONE]))
    await asyncio.sleep(0)
    if accepts:
        shared.verdict.accept()
    else:
        shared.stop(Ending.CANCELLED)
    assert await refusal is expected


async def test_a_job_that_came_to_nothing_holds_up_no_verdict(shared: NativeBatch) -> None:
    shared.verdict.open(0)
    shared.verdict.open(1)
    assert not shared.verdict.rejected
    refusal = asyncio.ensure_future(shared.verdict.refuse(0, [ONE]))
    await asyncio.sleep(0)
    shared.verdict.withdraw(1)
    assert shared.verdict.rejected
    with pytest.raises(HaltedError):
        await refusal


async def test_the_first_job_of_a_model_goes_ahead(shared: NativeBatch) -> None:
    key, other = ("p", "m"), ("p", "n")
    await shared.pilots.take_turn(0, key)
    await shared.pilots.take_turn(0, key)
    await shared.pilots.take_turn(1, other)
    waiting = asyncio.ensure_future(shared.pilots.take_turn(2, key))
    await asyncio.sleep(0)
    assert not waiting.done()
    shared.pilots.end_turn(2, key)  # is not its to end
    await asyncio.sleep(0)
    assert not waiting.done()
    shared.pilots.end_turn(0, key)
    await waiting
    await shared.pilots.take_turn(3, key)


# ----------------------------------------------------------------------------- details


async def test_details_of_several_are_one_text(ledger: SqlLedger) -> None:
    details = StatusDetails(batches=ledger.batches, batch=a_batch())

    async def shown() -> str | None:
        await details.write()
        batch = await ledger.batches.load(a_batch().id)
        assert batch is not None
        return batch.status_details

    assert await shown() is None
    full = Reason(kind=ReasonKind.CAPACITY, sentence="It is full.")
    slow = Reason(kind=ReasonKind.OUTAGE, sentence="It is slow.")
    details.tell("job 0", full)
    details.tell("job 1", full)
    details.tell("managed", slow, full)
    assert await shown() == "It is full. It is slow."
    details.tell("job 0", None)
    details.tell("job 1", None)
    assert await shown() == "It is slow. It is full."
    details.tell("managed", slow)
    assert await shown() == "It is slow."
    details.tell("managed")
    assert await shown() is None
