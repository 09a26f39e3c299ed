"""What is Vertex AI's own: Cloud Storage, refusals with advice, results in shards, the importer."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests import vertex_fake
from tests.contract.remote_accounts import (
    DAY,
    KEY,
    QUICK,
    TAG,
    Account,
    Batches,
    Impatient,
    body,
    new_provider,
    opened,
    order,
    vendor,
)
from tests.vertex_fake import VertexFake

from batchway.domain.call import Call
from batchway.domain.fate import Fate
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import Cause, JobInput, Reading, RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.ports import Dialect, Encoded, Jobs, Refused
from batchway.providers.google.batches import VertexBatches
from batchway.providers.http.tokens import Token
from batchway.simulator.google.handle import GoogleFake

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"
INPUT = f"gs://{vertex_fake.BUCKET}/batchway/{TAG}/input.jsonl"


@pytest.fixture
async def vertex() -> AsyncGenerator[Account]:
    clock = Impatient()
    with vendor("vertex", keys=[KEY]) as fake:
        async with opened(new_provider("vertex", fake.base_url, clock=clock)) as batches:
            yield Account(name="vertex", fake=fake, batches=batches, clock=clock)


def google(account: Account) -> GoogleFake:
    """The fake in Google's own words."""
    assert isinstance(account.fake, VertexFake)
    return account.fake.google


def long(line: int) -> bytes:
    """A line of 4 MB: three of them are more than one part of an upload, and than one range."""
    return body(line).replace(b"Zeile", b"Zeile" * 800_000)


async def read(batches: Batches, job: Any, reading: Reading) -> bytes:
    return b"".join([piece async for piece in batches.results(job, reading)])


# ----------------------------------------------------------------------------- Cloud Storage


async def test_a_large_input_goes_in_parts_and_comes_back_whole(
    vertex: Account, tmp_path: Path
) -> None:
    placed = order(vertex.batches, tmp_path, lines=6, make=long)
    assert placed.size > 24_000_000

    job = await vertex.ended((await vertex.batches.submit(placed)).id)

    assert google(vertex).brief()["unfinished_uploads"] in ({}, [], 0)
    assert google(vertex).objects()[INPUT] == placed.size
    assert [row.line for row in await vertex.rows(job)] == list(range(6))


async def test_an_upload_that_breaks_is_sent_again_by_itself(
    vertex: Account, tmp_path: Path
) -> None:
    vertex.fake.trouble({"on": "upload", "status": 503, "times": 2})
    await vertex.batches.jobs.bring(order(vertex.batches, tmp_path))
    assert INPUT in google(vertex).objects()


async def test_an_upload_that_keeps_breaking_can_be_tried_again(
    vertex: Account, tmp_path: Path
) -> None:
    await vertex.batches.jobs.bring(order(vertex.batches, tmp_path, lines=1, tag=f"{TAG}1"))
    vertex.fake.trouble({"on": "upload", "do": "cut", "bytes": 50})
    with pytest.raises(RemoteError) as caught:
        await vertex.batches.jobs.bring(order(vertex.batches, tmp_path))
    assert caught.value.trouble is Trouble.UNREACHABLE
    assert INPUT not in google(vertex).objects()
    vertex.fake.trouble()
    reference = await vertex.batches.jobs.bring(order(vertex.batches, tmp_path, resumed=True))
    assert reference == INPUT


async def test_an_upload_that_is_called_off_leaves_no_thread_and_no_object(
    vertex: Account, tmp_path: Path
) -> None:
    placed = order(vertex.batches, tmp_path, lines=10, make=long)
    vertex.fake.trouble({"on": "upload", "do": "stall", "seconds": 0.3})
    bringing = asyncio.create_task(vertex.batches.jobs.bring(placed))
    eventually = google(vertex).eventually
    await asyncio.to_thread(eventually, lambda stats: stats["unfinished_uploads"])
    bringing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bringing
    # It takes its parts back.
    await asyncio.to_thread(eventually, lambda stats: not stats["unfinished_uploads"])
    assert INPUT not in google(vertex).objects()


async def test_what_lies_there_of_an_earlier_try_is_taken_if_it_is_the_same(
    vertex: Account, tmp_path: Path
) -> None:
    placed = order(vertex.batches, tmp_path, resumed=True)
    google(vertex).put(INPUT, b"x" * placed.size)  # the same size, and something else
    await vertex.batches.jobs.bring(placed)
    assert google(vertex).read(INPUT) == placed.path.read_bytes()
    uploads = google(vertex).brief()["requests"]["upload"]

    assert await vertex.batches.jobs.bring(placed) == INPUT

    assert google(vertex).brief()["requests"]["upload"] == uploads


async def test_a_download_goes_on_where_it_broke(vertex: Account, tmp_path: Path) -> None:
    placed = order(vertex.batches, tmp_path, lines=6, make=long)
    job = await vertex.ended((await vertex.batches.submit(placed)).id)
    reading = Reading()
    whole = await read(vertex.batches, job, Reading())
    got: list[bytes] = []
    # The client goes on by itself where one answer breaks off: here all of them do.
    vertex.fake.trouble({"on": "content", "do": "cut", "bytes": 1_500_000})
    with pytest.raises(RemoteError) as caught:
        await _into(got, vertex.batches.results(job, reading))
    assert caught.value.trouble is Trouble.UNCERTAIN
    before = len(b"".join(got))
    assert 0 < before < len(whole)
    vertex.fake.trouble()
    await _into(got, vertex.batches.results(job, reading))

    assert reading.restarts == 0
    assert b"".join(got) == whole


async def _into(got: list[bytes], pieces: AsyncIterator[bytes]) -> None:
    """What comes before a transfer breaks is kept."""
    async for piece in pieces:
        got.append(piece)  # noqa: PERF401 - a comprehension that raises would keep nothing


async def test_a_file_that_changed_is_read_from_its_start(vertex: Account, tmp_path: Path) -> None:
    job = await vertex.ended((await vertex.batches.submit(order(vertex.batches, tmp_path))).id)
    reading = Reading()
    mark = reading.mark(job.references[0])
    mark.offset, mark.etag, mark.total = 10, '"another"', 1_000_000

    assert await read(vertex.batches, job, reading) == google(vertex).read(job.references[0])

    assert reading.restarts == 1


class TurningTokens:
    """`Tokens` whose value is replaced before it ends."""

    def __init__(self) -> None:
        self.value = "token-number-1"

    async def authorization(self) -> str:
        return f"Bearer {self.value}"

    def token(self) -> Token:
        return Token(value=self.value, until=time.time() + 60)


async def test_a_token_that_was_renewed_is_used_at_once(tmp_path: Path) -> None:
    tokens = TurningTokens()
    with vendor("vertex", keys=[tokens.value]) as fake:
        provider = new_provider("vertex", fake.base_url)
        assert isinstance(provider, VertexBatches)
        provider = VertexBatches(
            name="acme", place=provider.place, tokens=tokens, clock=Impatient(), timeouts=QUICK
        )
        async with opened(provider) as batches:
            job = await batches.submit(order(batches, tmp_path))
            for number in range(2, 5):
                tokens.value = f"token-number-{number}"
                fake.control(keys=[tokens.value])
                await asyncio.sleep(0.15)  # the client asks for no token more often
                await batches.jobs.bring(order(batches, tmp_path, tag=f"{TAG}{number}"))
                assert (await batches.fetch(job.id)).id == job.id


# ----------------------------------------------------------------------------- results


async def test_shards_markers_and_empty_files(vertex: Account, tmp_path: Path) -> None:
    google(vertex).control(
        shards=12, folder_markers=True, empty_files=True, last_newline=False, shuffle=True
    )
    placed = order(vertex.batches, tmp_path, lines=25)
    job = await vertex.ended((await vertex.batches.submit(placed)).id)

    assert len(job.references) == 12
    assert [row.line for row in await vertex.rows(job)] == list(range(25))
    await vertex.batches.clean(job, tag=TAG)
    assert google(vertex).objects() == {}
    assert google(vertex).brief()["jobs"] == []


@pytest.mark.parametrize("rows", [{"no_custom_id": True}, {"no_status": True}])
async def test_rows_that_say_less(vertex: Account, tmp_path: Path, rows: dict[str, bool]) -> None:
    google(vertex).control(**rows)
    job = await vertex.ended((await vertex.batches.submit(order(vertex.batches, tmp_path))).id)
    assert [(row.line, row.status) for row in await vertex.rows(job)] == [
        (0, 200),
        (1, 200),
        (2, 200),
    ]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("partially_succeeded", BatchStatus.COMPLETED),
        ("expired", BatchStatus.EXPIRED),
        ("cancelled", BatchStatus.CANCELLED),
        ("failed", BatchStatus.FAILED),
    ],
)
async def test_whatever_the_end_what_was_run_is_collected(
    vertex: Account, tmp_path: Path, outcome: str, status: BatchStatus
) -> None:
    google(vertex).control(fates=[{"outcome": outcome, "share": 0.5, "code": 13}])
    placed = order(vertex.batches, tmp_path, lines=10)
    job = await vertex.ended((await vertex.batches.submit(placed)).id)
    assert job.status is status
    assert len(await vertex.rows(job)) == 5


async def test_the_importer_sinks_a_job(vertex: Account, tmp_path: Path) -> None:
    placed = order(vertex.batches, tmp_path)
    data = placed.path.read_bytes() + b'{"custom_id":"r0000000009","request":{"contents":{}}}\n'
    placed.path.write_bytes(data)

    job = await vertex.batches.submit(replace(placed, size=len(data)))
    job = await vertex.ended(job.id)

    assert job.status is BatchStatus.FAILED
    assert job.failure is not None
    assert job.failure.cause is Cause.REFUSED
    assert job.errors is not None
    assert job.errors[0].code == "import_failed"
    assert "ran none of them" in job.errors[0].message
    assert job.references == ()


@pytest.mark.parametrize("stats", ["strings", "null", "partial", "minus_one"])
async def test_counts_in_every_form(vertex: Account, tmp_path: Path, stats: str) -> None:
    google(vertex).control(stats=stats, fail_rows={"400": ["r0000000001"]})
    job = await vertex.ended((await vertex.batches.submit(order(vertex.batches, tmp_path))).id)
    counts = job.counts
    assert (counts and counts.completed) == (None if stats == "null" else 2)


# ----------------------------------------------------------------------------- a user's mistakes


@pytest.mark.parametrize(
    ("dials", "trouble", "words"),
    [
        (
            {"bucket_denied": ["caller_write"]},
            Trouble.DENIED,
            ["storage.objects.create", "roles/storage.", f"'{vertex_fake.BUCKET}'"],
        ),
        (
            {"bucket_denied": ["caller_delete"]},
            Trouble.DENIED,
            ["storage.objects.delete", "roles/storage."],
        ),
        (
            {"bucket_denied": ["caller_read"]},
            Trouble.DENIED,
            ["storage.objects.get", "roles/storage."],
        ),
        (
            {"no_such_bucket": [vertex_fake.BUCKET]},
            Trouble.REFUSED,
            [f"There is no bucket '{vertex_fake.BUCKET}'"],
        ),
        (
            {"bucket_region": "EUROPE-WEST4"},
            Trouble.REFUSED,
            ["'europe-west4'", "'us-central1'", f"'{vertex_fake.BUCKET}'"],
        ),
        ({"revoked": True}, Trouble.DENIED, ["401"]),
    ],
)
async def test_a_bucket_that_cannot_be_used_is_told_before_anything_is_brought(
    vertex: Account, tmp_path: Path, dials: dict[str, Any], trouble: Trouble, words: list[str]
) -> None:
    google(vertex).control(**dials)
    with pytest.raises(RemoteError) as caught:
        await vertex.batches.jobs.bring(order(vertex.batches, tmp_path))
    assert caught.value.trouble is trouble
    for word in words:
        assert word in caught.value.message
    assert INPUT not in google(vertex).objects()


@pytest.mark.parametrize(
    ("dials", "trouble", "words"),
    [
        (
            {"no_such_model": ["gemini-2.5-flash"]},
            Trouble.REFUSED,
            ["gemini-2.5-flash", "Model Garden", "region"],
        ),
        ({"api_disabled": True}, Trouble.DENIED, ["aiplatform.googleapis.com", "enable"]),
        ({"billing_disabled": True}, Trouble.DENIED, ["billing account"]),
        (
            {"denied": ["aiplatform.batchPredictionJobs.create"]},
            Trouble.DENIED,
            ["roles/aiplatform.user", "aiplatform.batchPredictionJobs.create"],
        ),
        ({"quota": ["create"]}, Trouble.NO_ROOM, ["429"]),
    ],
)
async def test_a_job_that_is_refused_says_what_to_do(
    vertex: Account, tmp_path: Path, dials: dict[str, Any], trouble: Trouble, words: list[str]
) -> None:
    placed = order(vertex.batches, tmp_path)
    reference = await vertex.batches.jobs.bring(placed)
    google(vertex).control(**dials)
    with pytest.raises(RemoteError) as caught:
        await vertex.batches.jobs.create(placed, reference)
    assert caught.value.trouble is trouble
    for word in words:
        assert word in caught.value.message
    assert KEY not in caught.value.message


async def test_what_the_service_agent_may_not_do_is_told_with_its_name_and_role(
    vertex: Account, tmp_path: Path
) -> None:
    google(vertex).control(bucket_denied=["agent_write"])
    job = await vertex.ended((await vertex.batches.submit(order(vertex.batches, tmp_path))).id)
    assert job.errors is not None
    assert job.errors[0].code == "bucket_denied"
    for word in ("@gcp-sa-aiplatform.iam.gserviceaccount.com", "roles/storage.objectAdmin"):
        assert word in job.errors[0].message


async def test_an_input_that_is_gone_is_brought_again(vertex: Account, tmp_path: Path) -> None:
    placed = order(vertex.batches, tmp_path)
    with pytest.raises(RemoteError) as caught:
        await vertex.batches.jobs.create(placed, INPUT)
    assert caught.value.trouble is Trouble.NOT_FOUND
    assert google(vertex).brief()["creates"] == []


async def test_no_bucket(tmp_path: Path) -> None:
    with vendor("vertex", keys=[KEY]) as fake:
        provider = new_provider("vertex", fake.base_url)
        assert isinstance(provider, VertexBatches)
        without = VertexBatches(
            name="acme",
            place=replace(provider.place, bucket=None),
            tokens=provider.tokens,
            clock=Impatient(),
        )
        async with opened(without) as batches:
            with pytest.raises(RemoteError) as caught:
                await batches.submit(order(batches, tmp_path))
    assert caught.value.trouble is Trouble.REFUSED
    assert "x-tfy-vertex-storage-bucket-name" in caught.value.message


# ----------------------------------------------------------------------------- places


async def test_a_batch_names_its_bucket_and_region(vertex: Account, tmp_path: Path) -> None:
    google(vertex).control(bucket_region={"theirs": "EUROPE-WEST4"})
    overrides = Overrides(vertex_bucket="theirs", vertex_region="europe-west4")
    provider = new_provider("vertex", vertex.fake.base_url)
    jobs = provider.jobs(Call(CHAT, "gemini-2.5-flash", overrides))
    assert jobs is not None
    placed = order(vertex.batches, tmp_path)

    reference = await jobs.bring(placed)
    job = await jobs.create(placed, reference)

    assert reference.startswith("gs://theirs/batchway/")
    assert "/locations/europe-west4/" in job.id
    assert (await jobs.find(TAG, since=0)) is not None
    # Its name says where it is.
    assert (await vertex.batches.fetch(job.id)).id == job.id
    while (job := await jobs.fetch(job.id)).status is not BatchStatus.COMPLETED:
        await vertex.clock.sleep(20)
    # As after a crash, when only the ledger knows what there was.
    await vertex.batches.clean(job, tag=TAG)
    assert google(vertex).objects() == {}
    await provider.close()


# ----------------------------------------------------------------------------- dialects


def _chat(line: int) -> dict[str, Any]:
    return json.loads(body(line))


def _responses(line: int) -> dict[str, Any]:
    return {"model": "m", "input": f"line {line}"}


def _embeddings(line: int) -> dict[str, Any]:
    return {"model": "m", "input": [f"line {line}", "and more"]}


async def _run(jobs: Jobs, account: Account, path: Path, lines: list[dict[str, Any]]) -> Any:
    """Lines in, joined bodies out, by line."""
    framing, dialect = jobs.framing, jobs.dialect
    rows: list[bytes] = []
    parts: dict[int, Encoded] = {}
    for number, asked in enumerate(lines):
        encoded = dialect.encode(json.dumps(asked).encode(), named="m")
        assert isinstance(encoded, Encoded), encoded
        parts[number] = encoded
        rows += [
            framing.line(line=number, part=part, body=each)
            for part, each in enumerate(encoded.bodies)
        ]
    data = b"\n".join(rows) + b"\n"
    await asyncio.to_thread(path.write_bytes, data)
    placed = JobInput(tag=TAG, window=DAY, path=path, size=len(data), lines=len(rows))
    job = await jobs.create(placed, await jobs.bring(placed))
    while (job := await jobs.fetch(job.id)).status is not BatchStatus.COMPLETED:
        assert job.status is not BatchStatus.FAILED, job.errors
        await account.clock.sleep(20)
    found: dict[int, dict[int, Any]] = {}
    async for piece in jobs.results(job, Reading()):
        for raw in piece.split(b"\n"):
            row = framing.row(raw) if raw.strip() else None
            if row is not None:
                assert row.fate is Fate.ANSWERED
                assert row.at > time.time() - 3_600 or not row.at
                context = parts[row.line].context
                read = dialect.decode(row.status or 0, row.body, context, at=row.at)
                assert read is not None
                assert not isinstance(read, Refused), read
                found.setdefault(row.line, {})[row.part] = read
    return {line: _joined(dialect, found[line], parts[line]) for line in sorted(found)}


def _joined(dialect: Dialect, results: dict[int, Any], encoded: Encoded) -> dict[str, Any]:
    assert sorted(results) == list(range(len(encoded.bodies)))
    ordered = [results[part] for part in sorted(results)]
    whole = ordered[0] if len(ordered) == 1 else dialect.join(ordered, encoded.context)
    return json.loads(whole.body)


@pytest.mark.parametrize(
    ("call", "make", "object"),
    [
        (Call(CHAT, "gemini-2.5-flash"), _chat, "chat.completion"),
        (Call(CHAT, "claude-sonnet-4-5"), _chat, "chat.completion"),
        (Call(CHAT, "openai/gpt-oss-120b-maas"), _chat, "chat.completion"),
        (Call(RESPONSES, "gemini-2.5-flash"), _responses, "response"),
        (Call(RESPONSES, "claude-sonnet-4-5"), _responses, "response"),
        (Call(EMBEDDINGS, "gemini-embedding-001"), _embeddings, "list"),
        (Call(EMBEDDINGS, "text-embedding-005"), _embeddings, "list"),
    ],
)
async def test_every_dialect_through_a_job(
    vertex: Account,
    tmp_path: Path,
    call: Call,
    make: Callable[[int], dict[str, Any]],
    object: str,
) -> None:
    google(vertex).control(shuffle=True)
    provider = new_provider("vertex", vertex.fake.base_url)
    jobs = provider.jobs(call)
    assert jobs is not None
    answers = await _run(jobs, vertex, tmp_path / "input", [make(line) for line in range(4)])
    assert sorted(answers) == [0, 1, 2, 3]
    assert {answer["object"] for answer in answers.values()} == {object}
    assert len({json.dumps(answer) for answer in answers.values()}) == 4
    await provider.close()


# ----------------------------------------------------------------------------- looked up


async def test_a_job_of_others_in_openais_terms(vertex: Account, tmp_path: Path) -> None:
    google(vertex).control(shards=2, fail_rows={"429": ["r0000000001"]})
    job = await vertex.ended((await vertex.batches.submit(order(vertex.batches, tmp_path))).id)
    number = job.id.rpartition("/")[2]
    archive = vertex.batches.archive

    for asked in (job.id, number, job.id.replace("/", "%2F")):
        shown = await archive.job(asked)
        assert (shown.status, shown.endpoint, shown.model) == (
            BatchStatus.COMPLETED,
            CHAT,
            "gemini-2.5-flash",
        )
        assert shown.id in {job.id, number}
        assert shown.metadata == {"batchway": TAG}
    assert shown.output_file_id is not None
    assert shown.output_file_id.endswith("/")

    file = await archive.file(shown.output_file_id)
    assert file.filename.startswith(TAG)
    for asked in (shown.output_file_id, quote(shown.output_file_id, safe="")):
        data = b"".join([piece async for piece in archive.content(asked)])
        lines = [json.loads(line) for line in data.splitlines()]
        assert {line["custom_id"]: line["response"]["status_code"] for line in lines} == {
            "r0000000000": 200,
            "r0000000001": 429,
            "r0000000002": 200,
        }
        assert all(
            line["response"]["body"]["object"] == "chat.completion"
            for line in lines
            if line["response"]["status_code"] == 200
        )
    sent = b"".join([piece async for piece in archive.content(INPUT)])
    assert sent == google(vertex).read(INPUT)


async def test_jobs_of_other_projects_are_not_looked_up(vertex: Account) -> None:
    job = "projects/somebody-else/locations/us-central1/batchPredictionJobs/1234567890"
    with pytest.raises(RemoteError) as caught:
        await vertex.batches.archive.job(job)
    assert caught.value.trouble is Trouble.NOT_FOUND
    assert google(vertex).brief()["requests"].get("job", 0) == 0


async def test_an_account_shows_nothing_of_its_tokens(vertex: Account) -> None:
    provider = new_provider("vertex", vertex.fake.base_url)
    assert KEY not in repr(provider)
    assert provider.archive(NO_OVERRIDES) is not None
    await provider.close()
    await provider.close()
