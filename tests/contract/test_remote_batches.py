"""`ports.Jobs` and `ports.Archive`: what every provider does alike, over fakes of all vendors.

One job's life on each of them, and every way a single call can go wrong.
"""

import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.remote_accounts import (
    ACCOUNTS,
    ARCHIVED,
    CHAT,
    KEY,
    QUICK,
    TAG,
    Account,
    Impatient,
    body,
    new_provider,
    opened,
    order,
    vendor,
)

from batchway.domain.batch import RequestCounts
from batchway.domain.remote import EnqueuedLimit, RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.ports import ArchivedFile
from batchway.simulator.online.answers import prompt_digest

# Clients of Cloud Storage and S3 send an object again by themselves: see `test_vertex_batches`.
SENT_ONCE = tuple(name for name in ACCOUNTS if name not in {"vertex", "bedrock"})
NOBODY = "batchway-ffffffffffffffffffffffffffffffff-0-1"


@pytest.fixture(params=ACCOUNTS)
async def account(request: pytest.FixtureRequest) -> AsyncGenerator[Account]:
    """Each vendor in turn."""
    clock = Impatient()
    with vendor(request.param, keys=[KEY]) as fake:
        provider = new_provider(request.param, fake.base_url, clock=clock)
        async with opened(provider) as batches:
            yield Account(name=request.param, fake=fake, batches=batches, clock=clock)


@pytest.fixture(params=ARCHIVED)
async def archived(request: pytest.FixtureRequest) -> AsyncGenerator[Account]:
    """Each vendor whose jobs and files can be looked up."""
    with vendor(request.param, keys=[KEY]) as fake:
        clock = Impatient()
        provider = new_provider(request.param, fake.base_url, clock=clock)
        async with opened(provider) as batches:
            yield Account(name=request.param, fake=fake, batches=batches, clock=clock)


@pytest.fixture(params=["openai", "azure", "together", "parasail"])
async def one(request: pytest.FixtureRequest) -> AsyncGenerator[Account]:
    """Vendors that between them have every quirk that matters to a failing call."""
    clock = Impatient()
    with vendor(request.param, keys=[KEY]) as fake:
        provider = new_provider(request.param, fake.base_url, clock=clock)
        async with opened(provider) as batches:
            yield Account(name=request.param, fake=fake, batches=batches, clock=clock)


def now() -> int:
    return int(time.time())


# ----------------------------------------------------------------------------- a job's life


async def test_a_jobs_life(account: Account, tmp_path: Path) -> None:
    batches, fake = account.batches, account.fake
    fake.control(hold=["in_progress"], rows={"fail": {"429": ["r0000000001"]}, "shuffle": True})
    since = now()
    placed = order(batches, tmp_path)

    job = await batches.submit(placed)

    assert job.status in {BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS}
    assert job.references == ()
    shown = await batches.fetch(job.id)
    assert shown.id == job.id
    assert shown.created_at is not None
    assert abs(shown.created_at - since) < 60
    found = await batches.find(TAG, since=since)
    assert found is not None
    assert found.id == job.id
    assert await batches.find(NOBODY, since=since) is None
    assert job.reference is not None

    fake.control(hold=[])
    job = await account.ended(job.id)

    assert job.status is BatchStatus.COMPLETED
    assert job.counts in {None, RequestCounts(total=3, completed=2, failed=1)}
    rows = await account.rows(job)
    assert [(row.line, row.status) for row in rows] == [(0, 200), (1, 429), (2, 200)]
    for row in (rows[0], rows[2]):
        digest = prompt_digest(CHAT, json.loads(body(row.line)), model=batches.call.model)
        assert digest in row.body.decode()
        assert row.usage.input_tokens > 0
        assert row.usage.output_tokens > 0
    assert "error" in json.loads(rows[1].body)

    assert (await batches.cancel(job.id)).status is BatchStatus.COMPLETED
    await batches.clean(job, tag=TAG)
    await batches.clean(job, tag=TAG)
    left = {file["id"] for file in fake.stats()["files"]}
    assert left.isdisjoint({job.reference, *job.references})
    assert list(fake.stats()["creates_by_filename"].values()) == [1]


async def test_a_job_and_its_input_as_callers_see_them(archived: Account, tmp_path: Path) -> None:
    batches = archived.batches
    placed = order(batches, tmp_path)

    job = await batches.submit(placed)

    assert (await batches.shown(job.id)).endpoint == CHAT
    assert job.reference is not None
    given = await batches.file(job.reference)
    assert (given.id, given.bytes, given.filename) == (
        job.reference,
        placed.size,
        f"{TAG}.jsonl",
    )
    sent = b"".join([piece async for piece in batches.content(job.reference)])
    assert sent == placed.path.read_bytes()


async def test_cancel_keeps_what_is_done(account: Account, tmp_path: Path) -> None:
    account.fake.control(hold=["in_progress"], share=0.5, phases={"in_progress": 0.0})
    job = await account.batches.submit(order(account.batches, tmp_path, lines=4))
    await account.running(job.id)

    asked = await account.batches.cancel(job.id)

    assert asked.status in {BatchStatus.CANCELLING, BatchStatus.CANCELLED}
    account.fake.control(hold=[])
    job = await account.ended(job.id)
    assert job.status is BatchStatus.CANCELLED
    rows = await account.rows(job)
    assert [row.status for row in rows if row.status is not None] == [200] * 2


async def test_a_cancel_that_loses_its_race(account: Account, tmp_path: Path) -> None:
    account.fake.control(hold=["in_progress"], cancel_loses=True)
    job = await account.batches.submit(order(account.batches, tmp_path))
    await account.running(job.id)
    await account.batches.cancel(job.id)
    account.fake.control(hold=[])

    job = await account.ended(job.id)

    assert job.status is BatchStatus.COMPLETED
    assert len(await account.rows(job)) == 3


async def test_a_file_that_fails_validation(account: Account, tmp_path: Path) -> None:
    account.fake.control(
        errors=[{"code": "model_not_found", "message": "No such model.", "param": None, "line": 2}]
    )
    job = await account.batches.submit(order(account.batches, tmp_path))

    job = await account.ended(job.id)

    assert job.status is BatchStatus.FAILED
    assert job.errors is not None
    if account.name == "vertex":  # tells of its importer, never of a line
        assert job.errors[0].code == "import_failed"
        assert "Failed to import data" in job.errors[0].message
    else:
        assert "No such model." in job.errors[0].message
    if account.name not in {"together", "novita", "vertex", "bedrock"}:  # these say it in one text
        assert (job.errors[0].code, job.errors[0].line) == ("model_not_found", 2)
    assert await account.rows(job) == []


async def test_no_counters_and_an_empty_file_of_errors(account: Account, tmp_path: Path) -> None:
    account.fake.control(counters_null=True, empty_error_file=True)
    job = await account.ended((await account.batches.submit(order(account.batches, tmp_path))).id)

    assert job.counts is None or account.name == "novita"
    assert [row.status for row in await account.rows(job)] == [200] * 3


async def test_a_job_is_found_among_many(account: Account, tmp_path: Path) -> None:
    account.fake.control(hold=["validating"])
    since = now()
    wanted = await account.batches.submit(order(account.batches, tmp_path))
    for other in range(25):
        tag = f"{NOBODY[:-3]}{other}-9"
        await account.batches.submit(order(account.batches, tmp_path, lines=1, tag=tag))

    found = await account.batches.find(TAG, since=since)

    assert found is not None
    assert found.id == wanted.id


# ----------------------------------------------------------------------------- lost answers


@pytest.mark.parametrize("doing", ["lose", "disown"])
async def test_a_creation_without_an_answer(account: Account, tmp_path: Path, doing: str) -> None:
    account.fake.control(hold=["validating"])
    account.fake.trouble({"on": "create", "do": doing, "times": 1})
    since = now()

    with pytest.raises(RemoteError) as caught:
        await account.batches.submit(order(account.batches, tmp_path))

    assert caught.value.trouble is Trouble.UNCERTAIN
    found = await account.batches.find(TAG, since=since)
    assert found is not None
    assert [made["job_id"] for made in account.fake.stats()["creates"]] == [found.id]


async def test_a_creation_that_is_not_answered_in_time(tmp_path: Path) -> None:
    with vendor("openai") as fake:
        fake.trouble({"on": "create", "do": "stall", "seconds": 5, "times": 1})
        quick = new_provider("openai", fake.base_url, timeouts=replace(QUICK, call=0.3))
        async with opened(quick) as batches:
            with pytest.raises(RemoteError) as caught:
                await batches.submit(order(batches, tmp_path))
            assert caught.value.trouble is Trouble.UNCERTAIN
            assert await batches.find(TAG, since=now() - 60) is not None


async def test_a_new_job_that_the_list_does_not_show_yet(one: Account, tmp_path: Path) -> None:
    one.fake.control(hold=["validating"], list_lag=3600)
    since = now()
    job = await one.batches.submit(order(one.batches, tmp_path))

    assert await one.batches.find(TAG, since=since) is None
    one.fake.control(list_lag=0)
    found = await one.batches.find(TAG, since=since)

    assert found is not None
    assert found.id == job.id


@pytest.mark.parametrize("account", [*SENT_ONCE], indirect=True)
@pytest.mark.parametrize("doing", ["lose", "disown"])
async def test_an_upload_without_an_answer_is_used_when_resumed(
    account: Account, tmp_path: Path, doing: str
) -> None:
    account.fake.trouble({"on": "upload", "do": doing, "times": 1})

    with pytest.raises(RemoteError) as caught:
        await account.batches.submit(order(account.batches, tmp_path))

    # Nothing can run without a creation: trying again is safe.
    assert caught.value.trouble is Trouble.UNREACHABLE
    await account.batches.submit(order(account.batches, tmp_path, resumed=True))
    stats = account.fake.stats()
    assert stats["requests"]["upload"] == 1
    assert stats["creates_by_filename"] == {f"{TAG}.jsonl": 1}


async def test_an_upload_that_is_cut_is_made_again(one: Account, tmp_path: Path) -> None:
    def long(line: int) -> bytes:
        return body(line).replace(b"Zeile", b"Zeile" * 200_000)

    one.fake.trouble({"on": "upload", "do": "cut", "bytes": 100_000, "times": 1})
    with pytest.raises(RemoteError) as caught:
        await one.batches.submit(order(one.batches, tmp_path, make=long))
    assert caught.value.trouble is Trouble.UNREACHABLE

    job = await one.batches.submit(order(one.batches, tmp_path, make=long, resumed=True))

    assert len(await one.rows(await one.ended(job.id))) == 3


async def test_the_file_of_another_size_is_not_resumed(one: Account, tmp_path: Path) -> None:
    one.fake.trouble({"on": "create", "do": "refuse", "status": 429, "times": 1})
    with pytest.raises(RemoteError):
        await one.batches.submit(order(one.batches, tmp_path, lines=2))

    job = await one.batches.submit(order(one.batches, tmp_path, lines=3, resumed=True))

    assert len(await one.rows(await one.ended(job.id))) == 3


# ----------------------------------------------------------------------------- refusals


async def test_a_revoked_key(account: Account, tmp_path: Path) -> None:
    batches = account.batches
    account.fake.control(revoked=True)

    for attempt in (
        batches.submit(order(batches, tmp_path)),
        batches.fetch(account.unknown_job),
        batches.find(TAG, since=0),
        batches.cancel(account.unknown_job),
    ):
        await _is_denied(attempt)


async def test_a_revoked_key_looks_up_nothing(archived: Account) -> None:
    archived.fake.control(revoked=True)
    await _is_denied(archived.batches.file(archived.unknown_file))
    await _is_denied(archived.batches.shown(archived.unknown_job))


async def _is_denied(attempt: Awaitable[object]) -> None:
    with pytest.raises(RemoteError) as caught:
        await attempt
    assert caught.value.trouble is Trouble.DENIED
    assert caught.value.status in {401, 403}
    said, _, words = caught.value.message.partition(": ")
    assert said == f"The provider 'acme' answered {caught.value.status}"
    # A look at an object in S3 is refused without a word.
    assert re.search("incorrect|invalid|not exist|S3 refuses this", words, re.IGNORECASE)


async def test_a_wrong_key_is_told_although_the_upload_is_cut(tmp_path: Path) -> None:
    with vendor("openai", keys=["another"]) as fake:
        fake.trouble({"on": "upload", "do": "lose"})
        fake.control(revoked=True)
        async with opened(new_provider("openai", fake.base_url)) as batches:
            with pytest.raises(RemoteError) as caught:
                await batches.submit(order(batches, tmp_path))
    assert caught.value.trouble is Trouble.DENIED


async def test_a_key_never_shows(tmp_path: Path) -> None:
    with vendor("openai") as fake:
        fake.trouble({"on": "job", "status": 401, "message": f"Wrong key {KEY}, or sk-p****cdef"})
        provider = new_provider("openai", fake.base_url)
        async with opened(provider) as batches:
            with pytest.raises(RemoteError) as caught:
                await batches.fetch("batch_1")
    assert caught.value.message == "The provider 'acme' answered 401: Wrong key ***, or ***"
    assert KEY not in repr(provider)
    assert KEY not in repr(batches)


@pytest.mark.parametrize(
    ("status", "code", "message", "limit"),
    [
        (429, None, "Rate limit reached.", None),
        (429, "insufficient_quota", "You exceeded your current quota.", None),
        (400, "token_limit_exceeded", "Too much.", EnqueuedLimit()),
        (
            400,
            None,
            "Enqueued token limit reached for gpt-4o-mini. Limit: 2,000,000 enqueued tokens.",
            EnqueuedLimit(tokens=2_000_000),
        ),
        (
            403,
            "token_limit_exceeded",
            "The number of enqueued tokens has surpassed the configured limit of 30K.",
            EnqueuedLimit(tokens=30_000),
        ),
    ],
)
async def test_no_room(
    one: Account,
    tmp_path: Path,
    *,
    status: int,
    code: str | None,
    message: str,
    limit: EnqueuedLimit | None,
) -> None:
    one.fake.trouble(
        {
            "on": "create",
            "status": status,
            "code": code,
            "message": message,
            "retry_after": "17",
            "times": 1,
        }
    )

    with pytest.raises(RemoteError) as caught:
        await one.batches.submit(order(one.batches, tmp_path))

    assert caught.value.trouble is Trouble.NO_ROOM
    assert caught.value.credit is (code == "insufficient_quota")
    assert caught.value.limit == limit
    assert caught.value.retry_after == 17
    assert message in caught.value.message
    # The input stays for the next try.
    await one.batches.submit(order(one.batches, tmp_path, resumed=True))
    assert one.fake.stats()["requests"]["upload"] == 1


async def test_the_quota_of_azure(tmp_path: Path) -> None:
    with vendor("azure", enqueued_tokens=1, token_limit="create") as fake:
        async with opened(new_provider("azure", fake.base_url)) as batches:
            with pytest.raises(RemoteError) as caught:
                await batches.submit(order(batches, tmp_path))
    assert caught.value.trouble is Trouble.NO_ROOM
    assert caught.value.code == "token_limit_exceeded"


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_refused_job_leaves_no_file(one: Account, tmp_path: Path, status: int) -> None:
    one.fake.trouble(
        {"on": "create", "status": status, "message": "No such deployment.", "code": "model_x"}
    )

    with pytest.raises(RemoteError) as caught:
        await one.batches.submit(order(one.batches, tmp_path))

    assert caught.value.trouble is Trouble.REFUSED
    assert caught.value.message == f"The provider 'acme' answered {status}: No such deployment."
    assert one.fake.stats()["files"] == []


async def test_a_file_that_is_too_large_for_the_provider(one: Account, tmp_path: Path) -> None:
    one.fake.trouble({"on": "upload", "status": 413, "message": "Too large."})
    with pytest.raises(RemoteError) as caught:
        await one.batches.submit(order(one.batches, tmp_path))
    assert (caught.value.trouble, caught.value.status) == (Trouble.REFUSED, 413)


async def test_unknown_ids(account: Account) -> None:
    for attempt in (
        account.batches.fetch(account.unknown_job),
        account.batches.cancel(account.unknown_job),
        account.batches.fetch(".."),
    ):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert caught.value.trouble is Trouble.NOT_FOUND


async def test_unknown_ids_of_files(archived: Account) -> None:
    account = archived
    for attempt in (
        account.batches.file(account.unknown_file),
        account.batches.file("a/../../b"),
    ):
        with pytest.raises(RemoteError) as caught:
            await attempt
        assert caught.value.trouble is Trouble.NOT_FOUND
    with pytest.raises(RemoteError) as caught:
        [piece async for piece in account.batches.content(account.unknown_file)]
    assert caught.value.trouble is Trouble.NOT_FOUND


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ({"status": 429, "retry_after": "2", "times": 1}, Trouble.BUSY),
        ({"status": 500, "times": 1}, Trouble.UNCERTAIN),
        ({"status": 503, "times": 1}, Trouble.UNCERTAIN),
        # The client repeats a question by itself, once.
        ({"do": "lose", "times": 2}, Trouble.UNCERTAIN),
    ],
)
async def test_polls_that_fail(
    one: Account, tmp_path: Path, trouble: dict[str, object], expected: Trouble
) -> None:
    job = await one.batches.submit(order(one.batches, tmp_path))
    one.fake.trouble({"on": "job", **trouble})

    with pytest.raises(RemoteError) as caught:
        await one.batches.fetch(job.id)

    assert caught.value.trouble is expected
    assert caught.value.retry_after == (2 if expected is Trouble.BUSY else None)
    assert (await one.batches.fetch(job.id)).id == job.id


async def test_nobody_there(tmp_path: Path) -> None:
    with vendor("openai") as fake:
        gone = fake.base_url
    async with opened(new_provider("openai", gone)) as batches:
        with pytest.raises(RemoteError) as fetching:
            await batches.fetch("batch_1")
        with pytest.raises(RemoteError) as submitting:
            await batches.submit(order(batches, tmp_path))
    for caught in (fetching.value, submitting.value):
        assert caught.trouble is Trouble.UNREACHABLE
        assert caught.message == "The provider 'acme' cannot be reached: connection refused."


# ----------------------------------------------------------------------------- files


@pytest.mark.parametrize("doing", ["chop", "redirect"])
async def test_odd_downloads(account: Account, tmp_path: Path, doing: str) -> None:
    if doing == "redirect" and account.name in {"vertex", "bedrock"}:
        pytest.skip("stores of objects redirect no download")
    job = await account.ended((await account.batches.submit(order(account.batches, tmp_path))).id)
    account.fake.trouble({"on": "content", "do": doing})

    rows = await account.rows(job)

    assert [row.status for row in rows] == [200] * 3


@pytest.mark.parametrize("one", ["openai", "azure", "together"], indirect=True)
async def test_a_download_that_is_cut_raises(one: Account, tmp_path: Path) -> None:
    job = await one.ended((await one.batches.submit(order(one.batches, tmp_path))).id)
    one.fake.trouble({"on": "content", "do": "cut"})
    with pytest.raises(RemoteError) as caught:
        await one.rows(job)
    assert caught.value.trouble is Trouble.UNCERTAIN


async def test_a_torn_last_row_is_not_a_result(one: Account, tmp_path: Path) -> None:
    one.fake.control(rows={"torn": 5})
    job = await one.ended((await one.batches.submit(order(one.batches, tmp_path))).id)
    assert [row.line for row in await one.rows(job)] == [0, 1]


async def test_capitals_in_ids(one: Account, tmp_path: Path) -> None:
    one.fake.control(rows={"echo": "upper"})
    job = await one.ended((await one.batches.submit(order(one.batches, tmp_path))).id)
    assert [row.line for row in await one.rows(job)] == [0, 1, 2]


async def test_clean_by_name_when_the_input_is_unknown(account: Account, tmp_path: Path) -> None:
    job = await account.ended((await account.batches.submit(order(account.batches, tmp_path))).id)
    await account.batches.clean(replace(job, reference=None), tag=TAG)
    names = {file["filename"] for file in account.fake.stats()["files"]}
    assert f"{TAG}.jsonl" not in names


async def test_clean_tries_every_file(one: Account, tmp_path: Path) -> None:
    job = await one.ended((await one.batches.submit(order(one.batches, tmp_path))).id)
    one.fake.trouble({"on": "delete", "status": 503, "times": 1})
    with pytest.raises(RemoteError) as caught:
        await one.batches.clean(job, tag=TAG)
    assert caught.value.trouble is Trouble.UNCERTAIN
    assert [file["id"] for file in one.fake.stats()["files"]] == [job.reference]


async def test_a_file_as_it_is(tmp_path: Path) -> None:
    with vendor("openai") as fake:
        async with opened(new_provider("openai", fake.base_url)) as batches:
            job = await batches.submit(order(batches, tmp_path))
            assert job.reference is not None
            file = await batches.file(job.reference)
    assert file == ArchivedFile(
        id=job.reference,
        bytes=file.bytes,
        filename=f"{TAG}.jsonl",
        purpose="batch",
        created_at=file.created_at,
        expires_at=file.expires_at,
        status="processed",
    )
    assert file.created_at is not None
    assert file.expires_at == file.created_at + 30 * 86_400
