"""`workflows.plan.ingest`: each way out of `validating`, over a real ledger and blob store."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parts import new_ingest
from tests.unit.fakes import (
    CHAT,
    DAY,
    START,
    FakeClock,
    a_batch,
    a_file,
    chat,
    fresh_ledger,
    store,
)

from batchway.domain.batch import Batch, BatchError, BatchOptions, RequestCounts
from batchway.domain.file import Purpose
from batchway.domain.group import GroupTarget
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Account, Choice
from batchway.domain.shard import Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.lines import pieces as lines
from batchway.ports import Blobs
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.sql_ledger import SqlLedger
from batchway.workflows.plan.scan import ScanLimits

S = BatchStatus
TRAITS = NativeTraits(endpoints=frozenset({CHAT}), max_lines=100, max_bytes=1 << 20)
TWO = {"vllm": Account(), "openai": Account(mode=Choice.NATIVE, traits=TRAITS)}


class Bench:
    """An ingest over real storage."""

    def __init__(self, ledger: SqlLedger, blobs: Blobs) -> None:
        self.ledger = ledger
        self.blobs = blobs
        self.clock = FakeClock()
        self.fails = 0

    async def add(self, *texts: bytes, **changes: Any) -> Batch:
        """A batch whose input file holds these lines."""
        batch = a_batch(**changes)
        store(self.blobs, a_file().blob, b"".join(text + b"\n" for text in texts))
        await self.ledger.files.add(a_file())
        return await self.ledger.batches.add(batch)

    async def ingest(
        self,
        batch: Batch,
        *,
        providers: Mapping[str, Account] | None = None,
        limits: ScanLimits | None = None,
    ) -> Batch:
        """Run ingest; the batch as it is afterwards."""
        await new_ingest(
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            providers=providers or {"vllm": Account()},
            limits=limits,
        ).run(batch)
        after = await self.ledger.batches.load(batch.id)
        assert after is not None
        return after


@pytest.fixture
async def bench(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bench]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield Bench(ledger, LocalBlobs(tmp_path / "blobs"))


def a_plan(batch: Batch, number: int, group: str, mode: Mode, *span: int) -> Shard:
    start, end, first_line, lines = span
    return Shard(
        batch_id=batch.id,
        number=number,
        group=group,
        mode=mode,
        start=start,
        end=end,
        first_line=first_line,
        lines=lines,
    )


UNKNOWN_FILE = BatchError(
    code="invalid_request",
    message=f"Cannot find file {a_file().id}, or organization blue does not have access to it.",
    param="file_id",
)


async def test_a_good_file_runs(bench: Bench) -> None:
    first, second = chat("a"), chat("b")
    batch = await bench.add(first, second)
    bench.clock.time += 5.7
    assert await bench.ingest(batch) == replace(
        batch,
        status=S.IN_PROGRESS,
        in_progress_at=START + 5,
        model="m",
        counts=RequestCounts(total=2),
        providers=("vllm",),
    )
    size = len(first) + len(second) + 2
    assert await bench.ledger.shards.plan(batch.id) == [
        a_plan(batch, 0, "vllm", Mode.MANAGED, 0, size, 0, 2)
    ]


async def test_a_file_with_several_models_runs_as_no_model_in_particular(bench: Bench) -> None:
    one, two = chat("a", "vllm/x"), chat("b", "openai/y")
    batch = await bench.add(one, two)
    assert await bench.ingest(batch, providers=TWO) == replace(
        batch,
        status=S.IN_PROGRESS,
        in_progress_at=START,
        counts=RequestCounts(total=2),
        providers=("openai", "vllm"),
    )
    middle, end = len(one) + 1, len(one) + len(two) + 2
    assert await bench.ledger.shards.plan(batch.id) == [
        replace(a_plan(batch, 0, "vllm", Mode.MANAGED, 0, middle, 0, 1), models=("vllm/x",)),
        replace(a_plan(batch, 1, "openai/y", Mode.NATIVE, middle, end, 1, 1), models=("openai/y",)),
    ]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (BatchOptions(provider="openai"), None),
        (
            BatchOptions(),
            BatchError(
                code="model_not_found",
                message="No provider serves the model 'm'. Write the model as 'provider/model', "
                "or send the header x-tfy-provider-name. Providers: vllm, openai. Routes: none.",
                param="body.model",
                line=1,
            ),
        ),
        (
            BatchOptions(provider="openai", allowed_providers=frozenset({"vllm"})),
            BatchError(
                code="provider_not_allowed",
                message="This API key may not use the provider 'openai' that the model 'm' needs.",
                param="body.model",
                line=1,
            ),
        ),
    ],
)
async def test_the_options_of_the_batch_count(
    bench: Bench, options: BatchOptions, error: BatchError | None
) -> None:
    batch = await bench.add(chat("a"), options=options)
    after = await bench.ingest(batch, providers=TWO)
    assert after.errors == (None if error is None else (error,))
    assert after.status is (S.IN_PROGRESS if error is None else S.FAILED)


async def test_a_bad_file_fails_with_every_reason(bench: Bench) -> None:
    batch = await bench.add(chat("a"), b"{", chat("a"))
    assert await bench.ingest(batch) == replace(
        batch,
        status=S.FAILED,
        failed_at=START,
        errors=(
            BatchError(
                code="invalid_json_line",
                message="This line is not parseable as valid JSON.",
                line=2,
            ),
            BatchError(
                code="duplicate_custom_id",
                message="The custom_id 'a' for this request is a duplicate of another request. "
                "The custom_id parameter must be unique for each request in a batch.",
                param="custom_id",
                line=3,
            ),
        ),
    )
    assert await bench.ledger.shards.plan(batch.id) == []


async def test_an_empty_file_fails(bench: Bench) -> None:
    after = await bench.ingest(await bench.add())
    assert (after.status, after.errors) == (
        S.FAILED,
        (
            BatchError(
                code="empty_file",
                message="The input file is empty. Please ensure that the batch contains at least "
                "one request.",
            ),
        ),
    )


async def test_errors_stop_at_the_limit(bench: Bench) -> None:
    after = await bench.ingest(await bench.add(*[b"{}"] * 9), limits=ScanLimits(max_errors=3))
    assert [error.line for error in after.errors or ()] == [1, 1, 1]


async def test_an_unknown_file_fails(bench: Bench) -> None:
    batch = await bench.ledger.batches.add(a_batch(input_blob=None))
    assert await bench.ingest(batch) == replace(
        batch, status=S.FAILED, failed_at=START, errors=(UNKNOWN_FILE,)
    )


@pytest.mark.parametrize("row", [True, False])
async def test_a_file_whose_bytes_are_gone_fails(bench: Bench, row: bool) -> None:
    if row:
        await bench.ledger.files.add(a_file())
    batch = await bench.ledger.batches.add(a_batch())
    after = await bench.ingest(batch)
    assert (after.status, after.errors) == (S.FAILED, (UNKNOWN_FILE,))


async def test_a_file_of_another_purpose_fails(bench: Bench) -> None:
    store(bench.blobs, a_file().blob, chat("a"))
    await bench.ledger.files.add(a_file(purpose=Purpose.FINE_TUNE))
    # Its creation took no bytes of a file that no batch reads (`service.batches`).
    after = await bench.ingest(await bench.ledger.batches.add(a_batch(input_blob=None)))
    assert (after.status, after.errors) == (
        S.FAILED,
        (
            BatchError(
                code="invalid_request",
                message=f"The file {a_file().id} has the purpose 'fine-tune'. A batch reads files "
                "of purpose 'batch'.",
                param="file_id",
            ),
        ),
    )


async def test_a_file_deleted_since_the_creation_still_runs(bench: Bench) -> None:
    batch = await bench.add(chat("a"))
    await bench.ledger.files.remove("blue", batch.input_file_id)
    assert (await bench.ingest(batch)).status is S.IN_PROGRESS


@pytest.mark.parametrize("texts", [[chat("a")], [b"{"]])
async def test_a_batch_cancelled_meanwhile_stays_cancelling(
    bench: Bench, texts: list[bytes]
) -> None:
    batch = await bench.add(*texts)
    await bench.ledger.batches.move(batch.id, S.CANCELLING, at=START + 1)
    assert await bench.ingest(batch) == replace(batch, status=S.CANCELLING, cancelling_at=START + 1)
    assert await bench.ledger.shards.plan(batch.id) == []


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a line or two, so that there is a time between pieces."""
    real = lines.read_pieces.__kwdefaults__
    assert real is not None
    monkeypatch.setitem(real, "piece_bytes", 150)


@pytest.mark.usefixtures("small_pieces")
async def test_a_long_pass_ends_soon_after_the_batch_is_cancelled(bench: Bench) -> None:
    batch = await bench.add(*[chat(str(n)) for n in range(500)], b"{")
    await bench.ledger.batches.move(batch.id, S.CANCELLING, at=START + 1)
    bench.clock.step = 1.5
    after = await bench.ingest(batch)
    assert (after.status, after.errors) == (S.CANCELLING, None)
    assert bench.clock.time < START + 10


@pytest.mark.usefixtures("small_pieces")
async def test_a_long_pass_ends_with_the_window(bench: Bench) -> None:
    batch = await bench.add(*[chat(str(n)) for n in range(500)])
    bench.clock.step = DAY / 10
    after = await bench.ingest(batch)
    at = after.expired_at or 0
    assert START + DAY <= at < START + DAY + DAY / 5
    assert after == replace(
        batch,
        status=S.EXPIRED,
        expired_at=at,
        errors=(
            BatchError(
                code="batch_expired",
                message="The completion window ended before the file was validated.",
            ),
        ),
    )


async def test_a_second_run_changes_nothing(bench: Bench) -> None:
    """As after a crash whose move had arrived."""
    batch = await bench.add(chat("a"))
    after = await bench.ingest(batch)
    bench.clock.time += 100
    assert await bench.ingest(batch) == after
    assert len(await bench.ledger.shards.plan(batch.id)) == 1


# The guide of TrueFoundry's gateway: one file for every provider, whose models Vertex AI does not
# look at; and the same lines without what it skips.
DOCUMENTED = [
    {"model": "gpt-3.5-turbo-0125", "messages": [{"role": "user", "content": "Hello world!"}]},
    {"model": "gpt-4-vision-preview", "messages": [{"role": "user", "content": "What's this?"}]},
]


@pytest.mark.parametrize("mode", [Choice.NATIVE, Choice.MANAGED])
@pytest.mark.parametrize("form", ["whole", "bare", "both"])
async def test_truefoundrys_lines_run_on_the_model_of_the_header(
    bench: Bench, form: str, mode: Choice
) -> None:
    whole = [
        {"custom_id": f"w{n}", "method": "POST", "url": CHAT, "body": body}
        for n, body in enumerate(DOCUMENTED)
    ]
    bare = [
        {"custom_id": f"b{n}", "body": {"messages": body["messages"]}}
        for n, body in enumerate(DOCUMENTED)
    ]
    given = {"whole": whole, "bare": bare, "both": [*whole, *bare]}[form]
    options = BatchOptions(
        provider="google-main", overrides=Overrides(model="gemini-2-0-flash", vertex_region="eu")
    )
    batch = await bench.add(*(json.dumps(each).encode() for each in given), options=options)
    providers = {"google-main": Account(mode=mode, traits=TRAITS), "vllm": Account()}
    after = await bench.ingest(batch, providers=providers)
    assert (after.status, after.counts.total) == (S.IN_PROGRESS, len(given))
    (group,) = await bench.ledger.shards.groups(batch.id)
    assert group.primaries == (GroupTarget(provider="google-main", model="gemini-2-0-flash"),)
    assert group.mode == Mode(mode.value)


async def test_without_the_header_a_line_says_all_of_it(bench: Bench) -> None:
    line = {"custom_id": "b", "body": {"messages": []}}
    batch = await bench.add(json.dumps(line).encode(), options=BatchOptions(provider="vllm"))
    after = await bench.ingest(batch)
    assert after.status is S.FAILED
    assert [error.param for error in after.errors or ()] == ["method", "url", "body.model"]
