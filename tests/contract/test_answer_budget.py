"""How much memory answers of providers may take while they are read, however they are packed."""

import asyncio
import os
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.contract.upstreams import (
    OK,
    Behaviour,
    Reader,
    Writer,
    post,
    read_request,
    says,
    serving,
    sized,
    zipped,
)

from batchway.ports import Failure
from batchway.providers.http.budget import Budget
from batchway.providers.http.sending import SendingTransport
from batchway.providers.http.transport import HttpTransport

MB = 1_000_000
PEAK = Path("/proc/self/clear_refs")


@pytest.fixture
async def sending() -> AsyncGenerator[SendingTransport]:
    """A transport with a process of its own, whose answers have little room."""
    transport = SendingTransport(processes=1, budget_bytes=8 * MB)
    await transport.start()
    yield transport
    await transport.close()


def bomb(size: int) -> bytes:
    """gzip of so many zeros: a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"\0" * (10 * MB)
    head = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    same = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + same * (size // len(block) - 1)


def packed(encoding: str, data: bytes) -> Behaviour:
    """An answer that says how it is packed, and ends with its connection."""
    return says(OK + b"Content-Encoding: %b\r\n\r\n" % encoding.encode() + data)


def memory(pid: int, what: str) -> int:
    """Bytes of a process: `VmRSS` now, `VmHWM` at most since it was last forgotten."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what + ":"))


class Peaks:
    """What processes took at most, beyond what they took before."""

    def __init__(self, *pids: int) -> None:
        self._before = {pid: memory(pid, "VmRSS") for pid in pids}
        for pid in pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    @property
    def bytes(self) -> int:
        return sum(memory(pid, "VmHWM") - before for pid, before in self._before.items())


@pytest.mark.skipif(not PEAK.exists(), reason="needs /proc to see a process's peak")
async def test_ten_bombs_at_once(sending: SendingTransport) -> None:
    data = bomb(2000 * MB)
    assert len(data) < 3 * MB
    async with serving(packed("gzip", data)) as url:
        peaks = Peaks(os.getpid(), *sending.pids)
        drawn = await asyncio.gather(*(post(sending, url, timeout=30) for _ in range(10)))
        assert drawn == [Failure.TOO_LARGE] * 10
        assert peaks.bytes < 100 * MB


@pytest.mark.skipif(not PEAK.exists(), reason="needs /proc to see a process's peak")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_ten_large_answers_at_once_all_arrive(
    sending: SendingTransport, encoding: str
) -> None:
    body = os.urandom(MB) * 10
    data = body if encoding == "identity" else zlib.compress(body, 1, 31)
    async with serving(packed(encoding, data)) as url:
        peaks = Peaks(*sending.pids)
        calls = [asyncio.create_task(post(sending, url, timeout=30)) for _ in range(10)]
        for call in asyncio.as_completed(calls):
            assert await call == (200, body)
        assert peaks.bytes < 70 * MB


@pytest.mark.parametrize("most", [1, 300_000])
async def test_whatever_the_room_every_answer_arrives(most: int) -> None:
    transport = HttpTransport(budget=Budget(most))
    body = b"y" * 500_000
    async with serving(says(sized(body)[:100_000], sized(body)[100_000:], pause=0.05)) as url:
        drawn = await asyncio.gather(*(post(transport, url) for _ in range(20)))
    assert drawn == [(200, body)] * 20
    await transport.close()


async def test_an_answer_that_stands_still_makes_room_for_others() -> None:
    budget = Budget(200_000, patience=0.1)
    transport = HttpTransport(budget=budget)

    async def stands_still(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(OK + b"Content-Length: 1000000\r\n\r\n" + b"y" * 150_000)
        await asyncio.sleep(60)

    async with (
        serving(stands_still) as stuck,
        serving(says(sized(b"small"))) as small,
        serving(says(sized(b"z" * 400_000))) as large,
    ):
        calls = [asyncio.create_task(post(transport, stuck, timeout=30)) for _ in range(4)]
        await asyncio.sleep(0.05)  # until they have taken what there is
        assert await post(transport, small) == (200, b"small")
        async with asyncio.timeout(20):
            assert await post(transport, large) == (200, b"z" * 400_000)
        # Only as many were dropped as was needed.
        assert {call.result() for call in calls if call.done()} == {Failure.INTERRUPTED}
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert budget.held == 0
    await transport.close()


async def test_cancelled_while_it_waits_it_holds_nothing() -> None:
    budget = Budget(100)
    first, second, third = (budget.share(lambda: None) for _ in range(3))
    await first.take(80)
    await second.take(80)  # nobody was favoured yet: it goes on at any rate
    waiting = asyncio.create_task(third.take(10))
    behind = asyncio.create_task(first.take(10))
    await asyncio.sleep(0)
    assert (budget.held, waiting.done(), behind.done()) == (160, False, False)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    second.close()
    await behind
    assert budget.held == 90
    for share in (first, second, third):
        share.close()
    assert budget.held == 0


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("gzip", zlib.compress(b"{}" * 9, wbits=31), (200, b"{}" * 9)),
        ("x-GZIP", zlib.compress(b"{}", wbits=31), (200, b"{}")),
        ("gzip", zlib.compress(b"{", wbits=31) + zlib.compress(b"}", wbits=31), (200, b"{}")),
        ("gzip", zlib.compress(b"y" * 900_000, wbits=31), (200, b"y" * 900_000)),
        ("gzip", b"", (200, b"")),
        ("deflate", zlib.compress(b"{}"), (200, b"{}")),
        ("deflate", zlib.compress(b"{}", wbits=-15), (200, b"{}")),
        ("deflate", zlib.compress(b"{}") + b"more", Failure.INTERRUPTED),
        ("gzip", zlib.compress(b"{}", wbits=31)[:-9], Failure.INTERRUPTED),
        ("gzip", b"not packed at all", Failure.INTERRUPTED),
        ("gzip", bomb(20 * MB), Failure.TOO_LARGE),
        ("deflate", zlib.compress(b"\0" * (20 * MB)), Failure.TOO_LARGE),
        # -- not asked for, and not read: garbage to whoever gets it
        ("br", b"\x0b\x01\x80{}\x03", (200, b"\x0b\x01\x80{}\x03")),
        ("zstd", b"(\xb5/\xfd", (200, b"(\xb5/\xfd")),
        ("gzip, gzip", b"\x1f\x8b", (200, b"\x1f\x8b")),
    ],
)
async def test_what_becomes_of_a_packed_answer(
    encoding: str, data: bytes, expected: object
) -> None:
    transport = HttpTransport()
    async with serving(packed(encoding, data)) as url:
        assert await post(transport, url) == expected
    await transport.close()


async def test_only_what_is_bounded_is_asked_for() -> None:
    heads: list[bytes] = []

    async def notes(reader: Reader, writer: Writer) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(zipped(b"{}"))

    transport = HttpTransport()
    async with serving(notes) as url:
        await post(transport, url)
    assert b"accept-encoding: identity\r\n" in heads[0].lower()
    await transport.close()
