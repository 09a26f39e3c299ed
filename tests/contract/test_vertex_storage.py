"""Files of Vertex AI's jobs in Cloud Storage: sent, checked, gone on with, and read."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.remote_accounts import (
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
from tests.contract.vertex import INPUT, google, vertex_account

from batchway.domain.remote import Reading, RemoteError, Trouble
from batchway.providers.google.batches import VertexBatches
from batchway.providers.http.tokens import Token


@pytest.fixture
async def vertex() -> AsyncGenerator[Account]:
    async with vertex_account() as account:
        yield account


def long(line: int) -> bytes:
    """A line of 4 MB: three of them are more than one part of an upload, and than one range."""
    return body(line).replace(b"Zeile", b"Zeile" * 800_000)


async def read(batches: Batches, job: Any, reading: Reading) -> bytes:
    return b"".join([piece async for piece in batches.results(job, reading)])


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
