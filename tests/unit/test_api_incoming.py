"""`Incoming` when things go wrong: cancelled in the middle of a write, failing, ended twice."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from batchway.domain.errors import ApiError, ApiText, Unavailable
from batchway.service.incoming import Incoming
from batchway.service.limits import MIB


class SlowBlobs:
    """A store whose writes wait for `gate`; `events` tells what happened, in order."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.writing = threading.Event()
        self.events: list[str] = []
        self.failure: Exception | None = None

    def writer(self, key: str) -> "SlowBlobs":
        self.events.append(f"open {key}")
        return self

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writing.set()
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        self.events.append(f"write {len(data)}")

    def commit(self) -> None:
        self.events.append("commit")

    def abort(self) -> None:
        self.events.append("abort")

    def read(self, key: str, start: int, length: int) -> bytes:
        raise NotImplementedError

    def size(self, key: str) -> int | None:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        raise NotImplementedError

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        raise NotImplementedError

    def sweep(self, before: float) -> int:
        raise NotImplementedError


def incoming(blobs: SlowBlobs, limit: int = 10 * MIB) -> Incoming:
    return Incoming(blobs=blobs, key="k", limit=limit, too_large=ApiText.FILE_TOO_LARGE)


async def test_a_cancelled_write_ends_before_the_abort_begins() -> None:
    blobs = SlowBlobs()

    async def receive() -> None:
        async with incoming(blobs) as blob:
            await blob.write(bytes(MIB))

    task = asyncio.create_task(receive())
    await asyncio.to_thread(blobs.writing.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    blobs.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert blobs.events == ["open k", f"write {MIB}", "abort"]


async def test_small_pieces_become_large_writes() -> None:
    blobs = SlowBlobs()
    blobs.gate.set()
    async with incoming(blobs) as blob:
        for _ in range(40):
            await blob.write(bytes(MIB // 64))
        await blob.commit()
        await blob.abort()
    assert blobs.events == [
        "open k",
        f"write {MIB // 4}",
        f"write {MIB // 4}",
        f"write {MIB // 8}",
        "commit",
    ]


async def test_a_failing_store_is_told_and_aborted() -> None:
    blobs = SlowBlobs()
    blobs.gate.set()
    blobs.failure = Unavailable("full", full=True)
    with pytest.raises(Unavailable):
        async with incoming(blobs) as blob:
            await blob.write(bytes(MIB))
    assert blobs.events == ["open k", "abort"]


async def test_beyond_the_limit_nothing_more_is_written() -> None:
    blobs = SlowBlobs()
    blobs.gate.set()
    blob = incoming(blobs, limit=MIB)
    with pytest.raises(ApiError):
        blob.expect(MIB + 1)
    await blob.write(bytes(MIB))
    with pytest.raises(ApiError):
        await blob.write(b"x")
    await blob.abort()
    await blob.abort()
    assert blobs.events == ["open k", f"write {MIB}", "abort"]


async def test_what_is_kept_of_the_head_is_bounded() -> None:
    blobs = SlowBlobs()
    blobs.gate.set()
    blob = incoming(blobs)
    await blob.write(b"x" * (3 * MIB))
    assert len(blob.head) == MIB
    await blob.abort()


async def test_blank_lines_are_kept_up_to_the_first_that_is_not() -> None:
    blobs = SlowBlobs()
    blobs.gate.set()
    async with incoming(blobs) as blob:
        await blob.write(b"\xef\xbb\xbf\r\n \n")
        await blob.flush()
        await blob.write(b"{}\nmore\n")
        await blob.flush()
        assert blob.head == b"\xef\xbb\xbf\r\n \n{}\n"


async def test_no_more_is_kept_than_the_first_line() -> None:
    blobs = SlowBlobs()
    blobs.gate.set()
    async with incoming(blobs) as blob:
        await blob.write(b"{" + bytes(MIB // 2))
        await blob.write(b"}\nmore")
        await blob.write(bytes(MIB // 2))
        await blob.flush()
        assert blob.head == b"{" + bytes(MIB // 2) + b"}\n"
