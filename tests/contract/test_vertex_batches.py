"""What is Vertex AI's own about jobs: results in shards, the importer, mistakes of its users."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests import vertex_fake
from tests.contract.remote_accounts import (
    KEY,
    TAG,
    Account,
    Impatient,
    new_provider,
    opened,
    order,
    vendor,
)
from tests.contract.vertex import INPUT, google, vertex_account

from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import Cause, JobOrder, RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.providers.google.batches import VertexBatches

CHAT = "/v1/chat/completions"


@pytest.fixture
async def vertex() -> AsyncGenerator[Account]:
    async with vertex_account() as account:
        yield account


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


async def test_advice_on_a_job_names_the_region_of_the_batch() -> None:
    """The header's, where there is one, and not the configured."""
    with vendor("vertex", keys=[KEY]) as fake:
        provider = new_provider("vertex", fake.base_url, clock=Impatient())
        there = Overrides(vertex_region="europe-west4")
        call = Call("/v1/chat/completions", "gemini-2.5-flash", there)
        jobs = provider.jobs(call)
        assert jobs is not None
        given = f"gs://{vertex_fake.BUCKET}/batchway/t/input.jsonl"
        assert isinstance(fake, vertex_fake.VertexFake)
        fake.google.control(no_such_model=["gemini-2.5-flash"])
        fake.google.put(given, b"{}\n")
        with pytest.raises(RemoteError, match="offered in the region 'europe-west4'") as known:
            await jobs.create(JobOrder(tag="t", window=60), given)
        assert "no region that is known" not in known.value.message
        # Of the form of a region, and none: it is doubted where nothing is found there.
        jobs = provider.jobs(replace(call, overrides=Overrides(vertex_region="europe-west99")))
        assert jobs is not None
        with pytest.raises(RemoteError, match="'europe-west99' is no region that is known"):
            await jobs.create(JobOrder(tag="t", window=60), given)
        await provider.close()
