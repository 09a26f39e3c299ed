"""Submitting: inputs that a provider is slow to take in or cannot read, and answers to creations
that are not what happened.
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
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
from tests.contract.test_remote_http import serving

from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.openai.submitting import SHOWN_LATE
from batchway.simulator.batches import Fake

PROCESSING = "The provider 'acme' is still processing the input file."


class Stopped(Impatient):
    """A clock whose sleeps never end."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.asleep.set()
        await asyncio.Event().wait()


def uploads(fake: Fake) -> int:
    found: int = fake.stats()["requests"]["upload"]
    return found


# ----------------------------------------------------------------------------- taking in


async def test_the_input_is_pending_for_a_while(tmp_path: Path) -> None:
    clock = Impatient()
    with vendor("azure", pending_polls=3) as fake:
        provider = new_provider("azure", fake.base_url, clock=clock)
        async with opened(provider) as batches:
            await batches.submit(order(batches, tmp_path))
    assert clock.slept == [1, 2, 3, 4]


async def test_an_input_that_stays_pending_is_not_waited_for(tmp_path: Path) -> None:
    clock = Impatient()
    with vendor("azure", pending_polls=8) as fake:
        async with opened(new_provider("azure", fake.base_url, clock=clock)) as batches:
            placed = order(batches, tmp_path)
            brought = await batches.jobs.bring(placed)
            with pytest.raises(RemoteError) as caught:
                await batches.jobs.create(placed, brought)

            assert (caught.value.trouble, caught.value.message) == (Trouble.NOT_YET, PROCESSING)
            assert caught.value.retry_after == 10
            assert sum(clock.slept) == 10
            # By its id: a list may not show it.
            fake.trouble({"on": "files", "status": 500})
            job = await batches.jobs.create(placed, brought)

        assert fake.stats()["creates_by_filename"] == {f"{TAG}.jsonl": 1}
        assert job.reference is not None
        assert uploads(fake) == 1


@pytest.mark.parametrize("status", [404, 405])
async def test_an_input_is_sent_again_where_no_files_are_listed(
    tmp_path: Path, status: int
) -> None:
    with vendor("azure") as fake:
        async with opened(new_provider("azure", fake.base_url)) as batches:
            fake.trouble({"on": "files", "status": status})
            job = await batches.submit(order(batches, tmp_path, resumed=True))
        assert job.reference is not None
        assert uploads(fake) == 1


async def test_another_process_finds_a_pending_input_by_its_name(tmp_path: Path) -> None:
    with vendor("azure", pending_polls=6) as fake:
        async with opened(new_provider("azure", fake.base_url)) as batches:
            with pytest.raises(RemoteError):
                await batches.submit(order(batches, tmp_path))
        async with opened(new_provider("azure", fake.base_url)) as batches:
            await batches.submit(order(batches, tmp_path, resumed=True))
        assert uploads(fake) == 1


async def test_waiting_for_an_input_can_be_called_off(tmp_path: Path) -> None:
    clock = Stopped()
    with vendor("azure", pending_polls=1) as fake:
        async with opened(new_provider("azure", fake.base_url, clock=clock)) as batches:
            placed = order(batches, tmp_path)
            brought = await batches.jobs.bring(placed)
            trying = asyncio.create_task(batches.jobs.create(placed, brought))
            await asyncio.wait_for(clock.asleep.wait(), 5)
            trying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(trying, 5)
            assert fake.stats()["creates"] == []

        async with opened(new_provider("azure", fake.base_url)) as batches:
            await batches.jobs.create(placed, brought)
        assert uploads(fake) == 1


async def test_a_pending_input_that_is_gone_is_sent_again(tmp_path: Path) -> None:
    with vendor("azure", pending_polls=8) as fake:
        async with opened(new_provider("azure", fake.base_url)) as batches:
            placed = order(batches, tmp_path)
            brought = await batches.jobs.bring(placed)
            with pytest.raises(RemoteError):
                await batches.jobs.create(placed, brought)
            (left,) = fake.stats()["files"]
            fake.control(pending_polls=0)
            fake.trouble({"on": "file", "status": 404, "times": 1})
            with pytest.raises(RemoteError) as caught:
                await batches.jobs.create(placed, brought)
            assert caught.value.trouble is Trouble.NOT_FOUND
            await batches.submit(order(batches, tmp_path, lines=2, resumed=True))
            assert uploads(fake) == 2
            (made,) = fake.stats()["creates"]
            assert made["input_file_id"] != left["id"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_input_that_cannot_be_taken_in_is_removed(tmp_path: Path, at_once: bool) -> None:
    asked: list[tuple[str, str]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append((request.method, request.path))
        await request.read()
        status = "error" if at_once or request.method == "GET" else "pending"
        return web.json_response({"id": "file-1", "bytes": 5, "status": status})

    async with serving(handle) as origin, opened(new_provider("openai", origin)) as batches:
        with pytest.raises(RemoteError) as caught:
            await batches.submit(order(batches, tmp_path))

    assert caught.value.trouble is Trouble.REFUSED
    assert caught.value.message == (
        "The provider 'acme' could not take in the input file (its status is 'error')."
    )
    look = [] if at_once else [("GET", "/files/file-1")]
    assert asked == [("POST", "/files"), *look, ("DELETE", "/files/file-1")]


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_where_uploads_have_no_path_there_is_no_batch_api(
    tmp_path: Path, status: int
) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.json_response({"error": {"message": "Not here."}}, status=status)

    async with serving(handle) as origin, opened(new_provider("openai", origin)) as batches:
        with pytest.raises(RemoteError) as caught:
            await batches.submit(order(batches, tmp_path))

    assert (caught.value.trouble, caught.value.code) == (Trouble.REFUSED, "no_batch_api")
    assert caught.value.message == (
        f"The provider 'acme' answered {status}: Not here. It takes no files, so it has no batch "
        "API at this address: correct the address of 'acme', or set its `mode` to managed, and its "
        "lines are sent one by one (`batchway run`: --base-url does that)."
    )


# ----------------------------------------------------------------------------- creating


@pytest.fixture(params=["openai", "azure", "together"])
async def one(request: pytest.FixtureRequest) -> AsyncGenerator[Account]:
    """Vendors that a job is found at by its metadata, or by the name of its input alone."""
    clock = Impatient()
    with vendor(request.param, keys=[KEY]) as fake:
        async with opened(new_provider(request.param, fake.base_url, clock=clock)) as batches:
            yield Account(name=request.param, fake=fake, batches=batches, clock=clock)


async def test_a_conflict_may_be_with_the_job_itself(one: Account, tmp_path: Path) -> None:
    one.fake.trouble({"on": "create", "do": "disown", "status": 409, "times": 1})

    with pytest.raises(RemoteError) as caught:
        await one.batches.submit(order(one.batches, tmp_path))

    assert (caught.value.trouble, caught.value.status) == (Trouble.UNCERTAIN, 409)
    found = await one.batches.find(TAG, since=0)
    assert found is not None
    assert len(await one.rows(await one.ended(found.id))) == 3


async def test_a_job_that_waits_for_room_costs_no_list_of_files(
    one: Account, tmp_path: Path
) -> None:
    one.fake.trouble({"on": "create", "status": 429, "message": "Rate limit.", "times": 3})
    placed = order(one.batches, tmp_path)
    jobs = one.batches.jobs

    brought = await jobs.bring(placed)
    for _ in range(3):
        with pytest.raises(RemoteError) as caught:
            await jobs.create(placed, brought)
        assert caught.value.trouble is Trouble.NO_ROOM
        assert await jobs.find(TAG, since=0, reference=brought) is None
    job = await jobs.create(placed, brought)

    found = await jobs.find(TAG, since=0, reference=brought)
    assert found is not None
    assert found.id == job.id
    requests = one.fake.stats()["requests"]
    assert (requests["upload"], requests["create"], requests.get("files", 0)) == (1, 4, 0)


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_refused_job_that_was_made_is_taken_on(
    one: Account, tmp_path: Path, status: int
) -> None:
    one.fake.trouble({"on": "create", "do": "disown", "status": status, "times": 1})

    job = await one.batches.submit(order(one.batches, tmp_path))

    assert [made["job_id"] for made in one.fake.stats()["creates"]] == [job.id]
    assert len(await one.rows(await one.ended(job.id))) == 3


async def test_the_input_stays_while_nobody_knows_of_its_job(one: Account, tmp_path: Path) -> None:
    one.fake.trouble(
        {"on": "create", "do": "disown", "status": 400, "message": "No.", "times": 1},
        {"on": "jobs", "status": 503, "times": 1},
    )

    with pytest.raises(RemoteError) as caught:
        await one.batches.submit(order(one.batches, tmp_path))

    assert caught.value.trouble is Trouble.REFUSED
    assert caught.value.message == "The provider 'acme' answered 400: No."
    found = await one.batches.find(TAG, since=0)
    assert found is not None
    assert found.reference in {file["id"] for file in one.fake.stats()["files"]}


class Later(Impatient):
    """A clock that can be set forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.mark.parametrize(
    ("ahead", "listed", "troubles"),
    [
        # It was gone while the job waited for room.
        (SHOWN_LATE, 200, [Trouble.NO_ROOM, Trouble.NOT_FOUND]),
        # It was never seen, for as long as it may be late.
        (0.0, 200, [Trouble.NO_ROOM, Trouble.NOT_YET, Trouble.REFUSED]),
        # Who cannot look does not create again.
        (0.0, 503, [Trouble.NO_ROOM, Trouble.UNCERTAIN]),
        (SHOWN_LATE, 503, [Trouble.NO_ROOM, Trouble.UNCERTAIN]),
    ],
)
async def test_an_input_that_a_creation_does_not_find(
    tmp_path: Path, ahead: float, listed: int, troubles: list[Trouble]
) -> None:
    creations = 0

    async def handle(request: web.BaseRequest) -> web.Response:
        nonlocal creations
        await request.read()
        if request.method != "POST":
            return web.json_response({"data": []}, status=listed)
        if request.path == "/files":
            return web.json_response({"id": "file-1", "bytes": 5, "status": "processed"})
        creations += 1
        if creations == 1:
            return web.json_response({"error": {"message": "Rate limit."}}, status=429)
        said = {"error": {"message": "The file file-1 does not exist."}}
        return web.json_response(said, status=400)

    clock = Later()
    seen: list[Trouble] = []
    async with (
        serving(handle) as origin,
        opened(new_provider("openai", origin, clock=clock)) as batches,
    ):
        placed = order(batches, tmp_path)
        brought = await batches.jobs.bring(placed)
        for _ in troubles:
            with pytest.raises(RemoteError) as caught:
                await batches.jobs.create(placed, brought)
            seen.append(caught.value.trouble)
            clock.ahead += ahead if len(seen) == 1 else SHOWN_LATE
    assert seen == troubles


# ----------------------------------------------------------------------------- what is said


async def test_a_key_shows_neither_in_errors_of_a_job_nor_in_rows(
    one: Account, tmp_path: Path
) -> None:
    said = f"The key {KEY} may not use " + "x" * 1_000_000
    one.fake.control(errors=[{"code": f"bad_{KEY}", "message": said, "param": KEY, "line": 1}])
    job = await one.batches.submit(order(one.batches, tmp_path))

    job = await one.ended(job.id)

    assert job.errors is not None
    for error in job.errors:
        assert KEY not in repr(error)
        assert "The key *** may not use xxx" in error.message
        assert len(error.message) <= 1_001
    for row in (
        {"error": {"code": KEY, "message": said}},
        {"error": {"code": "403", "message": said}},
        {"response": {"status_code": 403, "body": {"error": {"message": said[:80]}}}},
        {"response": {"body": {"error": {"code": "no", "message": said}}}},
    ):
        given = msgspec.json.encode({"custom_id": "r0000000001", **row})
        read = one.batches.decode(given)
        assert read is not None
        assert KEY not in repr(read)
        assert len(read.body) + len(read.message) < 1_200
        assert b"The key *** may" in read.body + read.message.encode()
