"""Downloads of results that break, and go on where they broke; what a provider shows late."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

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
from tests.contract.test_remote_http import client, serving

from batchway.domain.batch import RequestCounts
from batchway.domain.remote import FileMark, Reading, RemoteError, RemoteJob, Trouble
from batchway.domain.status import BatchStatus
from batchway.providers.http.redirects import is_public, joined, leads_inside, literal_of

LINES = 12


@pytest.fixture(params=["openai", "azure"])
async def one(request: pytest.FixtureRequest) -> AsyncGenerator[Account]:
    """Vendors that answer downloads by themselves."""
    clock = Impatient()
    with vendor(request.param, keys=[KEY]) as fake:
        async with opened(new_provider(request.param, fake.base_url, clock=clock)) as batches:
            yield Account(name=request.param, fake=fake, batches=batches, clock=clock)


async def ended(one: Account, folder: Path) -> RemoteJob:
    job = await one.batches.submit(order(one.batches, folder, lines=LINES))
    return await one.ended(job.id)


async def read(one: Account, job: RemoteJob) -> tuple[bytes, list[RemoteError]]:
    """The results over as many transfers as it takes."""
    reading, data, errors = Reading(), bytearray(), list[RemoteError]()
    restarts = 0
    for _ in range(100):
        try:
            async for piece in one.batches.results(job, reading):
                if reading.restarts != restarts:  # half a row has no end any more
                    restarts = reading.restarts
                    del data[data.rfind(b"\n") + 1 :]
                data += piece
        except RemoteError as error:
            errors.append(error)
        else:
            return bytes(data), errors
    raise AssertionError("it never came to an end")


def lines_of(one: Account, data: bytes) -> list[int]:
    """The lines of the rows, as they came."""
    rows = [one.batches.decode(row) for row in data.split(b"\n") if row.strip()]
    return [row.line for row in rows if row is not None]


@pytest.mark.parametrize("doing", ["cut", "unended"])
@pytest.mark.parametrize("rows", [{}, {"fail": {"400": ["r0000000003", "r0000000007"]}}])
async def test_a_download_goes_on_where_it_broke(
    one: Account, tmp_path: Path, doing: str, rows: dict[str, object]
) -> None:
    one.fake.control(rows=rows)
    job = await ended(one, tmp_path)
    # Every transfer ends after as many bytes: from the start each time, it would never end.
    one.fake.trouble({"on": "content", "do": doing, "bytes": 300})
    data, errors = await read(one, job)
    assert sorted(lines_of(one, data)) == list(range(LINES))  # none twice
    assert len(errors) > 3
    assert {error.trouble for error in errors} == {Trouble.UNCERTAIN}


@pytest.mark.parametrize("ranges", ["whole", "other"])
async def test_a_file_that_is_not_served_in_parts_comes_again(
    one: Account, tmp_path: Path, ranges: str
) -> None:
    job = await ended(one, tmp_path)
    one.fake.control(ranges=ranges)
    one.fake.trouble({"on": "content", "do": "cut", "bytes": 2_000, "times": 1})
    data, errors = await read(one, job)
    assert len(errors) == 1
    assert set(lines_of(one, data)) == set(range(LINES))


@pytest.mark.parametrize("doing", ["packed", "page"])
@pytest.mark.parametrize("one", ["openai"], indirect=True)
async def test_what_is_no_file_is_not_read_for_one(
    one: Account, tmp_path: Path, doing: str
) -> None:
    job = await ended(one, tmp_path)
    one.fake.trouble(
        {"on": "content", "do": "cut", "bytes": 1_500, "times": 1},
        {"on": "content", "do": doing, "times": 2},
        {"on": "content", "status": 500, "times": 1},
    )
    data, errors = await read(one, job)
    assert len(errors) == {"packed": 3, "page": 4}[doing]
    assert {error.trouble for error in errors} == {Trouble.UNCERTAIN}
    assert set(lines_of(one, data)) == set(range(LINES))


async def test_all_bytes_came_and_the_end_did_not() -> None:
    asked: list[str | None] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.headers.get("range"))
        if len(asked) > 1:
            return web.Response(status=416, headers={"content-range": "bytes */8"})
        response = web.StreamResponse(headers={"content-length": "9"})
        await response.prepare(request)
        await response.write(b"one\ntwo\n")
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(handle) as origin, client() as http:
        mark, data = FileMark(), b""
        with pytest.raises(RemoteError):  # noqa: PT012 - a download raises while it is read
            async for piece in http.download(origin, mark):
                data += piece
        mark.total = None  # nothing was said of it
        async for piece in http.download(origin, mark):
            data += piece
    assert (data, asked) == (b"one\ntwo\n", [None, "bytes=8-"])


# ----------------------------------------------------------------------------- shown late


async def test_an_input_that_a_creation_does_not_see_yet(tmp_path: Path) -> None:
    with vendor("openai", input_late=3_600) as fake:
        async with opened(new_provider("openai", fake.base_url)) as batches:
            for attempt in range(3):
                with pytest.raises(RemoteError) as caught:
                    await batches.submit(order(batches, tmp_path, resumed=attempt > 0))
                # About this input alone: the caller comes back for it.
                assert (caught.value.trouble, caught.value.status) == (Trouble.NOT_YET, None)
                assert "Cannot find file" in caught.value.message
            fake.control(input_late=0)
            await batches.submit(order(batches, tmp_path, resumed=True))
        assert fake.stats()["requests"]["upload"] == 1


async def test_an_input_that_a_creation_never_sees(tmp_path: Path) -> None:
    class Skipping(Impatient):
        ahead = 0.0

        def monotonic(self) -> float:
            return time.monotonic() + self.ahead

    clock = Skipping()
    with vendor("openai", input_late=36_000) as fake:
        async with opened(new_provider("openai", fake.base_url, clock=clock)) as batches:
            with pytest.raises(RemoteError) as caught:
                await batches.submit(order(batches, tmp_path))
            assert caught.value.trouble is Trouble.NOT_YET
            clock.ahead = 601
            with pytest.raises(RemoteError) as caught:
                await batches.submit(order(batches, tmp_path, resumed=True))
    assert caught.value.trouble is Trouble.REFUSED
    assert "Cannot find file" in caught.value.message


async def test_results_that_are_shown_late(one: Account, tmp_path: Path) -> None:
    one.fake.control(files_late=3_600)
    job = await ended(one, tmp_path)
    assert (job.references, job.counts is None or job.counts.completed) in {
        ((), LINES),
        ((), True),
    }
    one.fake.control(files_late=0)
    shown = await one.batches.fetch(job.id)
    found = await one.batches.find(TAG, since=0)
    assert shown.references
    assert found is not None
    assert found.references == shown.references


@pytest.mark.parametrize(
    ("files", "counted", "spared"),
    [
        (("out", "gone"), (3, 3, 0), True),
        (("out", "gone"), (3, 2, 1), False),
        (("gone", "out"), (3, 3, 0), False),
        (("gone",), (3, 0, 0), True),
        (("gone",), (3, 0, 3), False),
        # Counts come late as well: that nothing was completed is not known yet.
        (("gone",), (0, 0, 0), False),
        (("gone",), None, False),
    ],
)
async def test_a_file_of_errors_may_be_named_and_never_written(
    files: tuple[str, ...], counted: tuple[int, int, int] | None, spared: bool
) -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        if "gone" in request.path:
            return web.json_response({"error": {"message": "No."}}, status=404)
        return web.Response(body=b"row\n")

    counts = None
    if counted is not None:
        total, completed, failed = counted
        counts = RequestCounts(total=total, completed=completed, failed=failed)
    job = RemoteJob(id="b", status=BatchStatus.EXPIRED, references=files, counts=counts)
    gone = False
    async with serving(handle) as origin, opened(new_provider("openai", origin)) as batches:
        try:
            async for _ in batches.results(job, Reading()):
                pass
        except RemoteError as error:
            gone = error.trouble is Trouble.NOT_FOUND
    assert gone is not spared


async def test_unfinished_jobs_are_counted(one: Account, tmp_path: Path) -> None:
    assert await one.batches.unfinished() == 0
    one.fake.control(hold=["validating"])
    await one.batches.submit(order(one.batches, tmp_path))
    assert await one.batches.unfinished() == 1


# ----------------------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0.0.0.0", "10.1.2.3", "[::1]",
     "192.168.0.9", "172.16.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]",
     "[::ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]", "[::]", "100.64.0.1", "localhost"],
)  # fmt: skip
async def test_addresses_inside(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from yarl import URL

    assert await leads_inside(URL(f"http://{host}/x"))
    # The provider is out there, behind a proxy that alone knows its name.
    asked: list[str] = []

    async def proxy(request: web.BaseRequest) -> web.Response:
        asked.append(str(request.url))
        return web.Response(status=302, headers={"location": f"http://{host}:9/secret"})

    async with serving(proxy) as origin, client() as http:
        monkeypatch.setenv("http_proxy", origin)
        with pytest.raises(RemoteError) as caught:
            async for _ in http.download("http://provider.invalid/v1/files/x/content"):
                pass
    assert caught.value.trouble is Trouble.REFUSED
    assert "inside this network" in caught.value.message
    assert asked == ["http://provider.invalid/v1/files/x/content"]


def test_addresses_outside() -> None:
    for host in ("8.8.8.8", "2606:4700::1111", "134744072"):
        address = literal_of(host)
        assert address is not None
        assert is_public(address)
    assert literal_of("example.com") is None


def test_no_way_down_from_https() -> None:
    from yarl import URL

    assert joined(URL("https://a.example/x"), "http://a.example/y") is None
    assert joined(URL("https://a.example/x"), "//b.example/y") == URL("https://b.example/y")
