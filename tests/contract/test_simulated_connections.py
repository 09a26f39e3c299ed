"""The simulator below HTTP's surface: its misbehaviour, and what clients may do to a connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.contract.simulated_server import (
    CHAT,
    ask,
    connect,
    fetch,
    raw,
    read_answer,
    simulator,
    stats,
)

from batchway.simulator.online import (
    verify,
)

# Misbehaviour.


async def test_reset_is_a_reset() -> None:
    async with simulator(reset_rate=1) as origin:
        reader, writer = await connect(origin)
        writer.write(raw(ask("x")))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_garbage_is_not_json() -> None:
    async with simulator(garbage_rate=1) as origin:
        with pytest.raises(UnicodeDecodeError):
            await fetch(origin, CHAT, ask("x"))


async def test_slow_bodies_arrive_in_the_end() -> None:
    async with simulator(slow_body_rate=1, slow_body_delay=0.001, slow_body_piece=100) as origin:
        _, _, content = await fetch(origin, CHAT, ask("x"))
        report = await stats(origin)
    assert verify(CHAT, ask("x"), content) is None
    assert (report["faults"], report["answered"]) == ({"slow": 1}, 1)


async def test_a_seeded_run_repeats_itself_in_any_order() -> None:
    bodies = [ask(f"line {index}") for index in range(40)]

    async def run(chosen: list[dict[str, Any]]) -> dict[str, int]:
        async with simulator(seed=3, error_rate=0.3, status_rates={"429": 0.3}) as origin:
            answers = await asyncio.gather(*(fetch(origin, CHAT, body) for body in chosen))
        return {
            body["messages"][0]["content"]: status
            for body, (status, _, _) in zip(chosen, answers, strict=True)
        }

    first = await run(bodies)
    assert first == await run(bodies[::-1])
    assert set(first.values()) == {200, 429, 500, 503}


# HTTP.


async def test_pipelined_answers_keep_their_order() -> None:
    # More than the server queues before it stops reading.
    bodies = [ask("[[slow]]"), ask("[[500]]"), *(ask(f"line {index}") for index in range(300))]
    async with simulator(slow_body_delay=0.001) as origin:
        reader, writer = await connect(origin)
        writer.write(b"".join(raw(body) for body in bodies))
        answers = [await read_answer(reader) for _ in bodies]
        writer.close()
    statuses = [status.split()[1] for status, _ in answers]
    assert statuses == [b"200", b"500", *[b"200"] * 300]
    del bodies[1], answers[1]
    for body, (_, content) in zip(bodies, answers, strict=True):
        assert verify(CHAT, body, content) is None


async def test_a_client_may_wait_to_be_asked_for_its_body() -> None:
    head, _, content = raw(ask("x"), "Expect: 100-continue").partition(b"\r\n\r\n")
    async with simulator(latency=0.01) as origin:
        reader, writer = await connect(origin)
        # Behind another request, whose answer must come before the invitation.
        writer.write(raw(ask("before")) + head + b"\r\n\r\n")
        _, before = await read_answer(reader)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(content)
        _, after = await read_answer(reader)
        writer.close()
    assert verify(CHAT, ask("before"), before) is None
    assert verify(CHAT, ask("x"), after) is None


async def test_chunked_bodies() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(ask("x")).encode():
            yield bytes([byte])

    async with (
        simulator() as origin,
        aiohttp.ClientSession() as session,
        session.post(origin + CHAT, data=pieces()) as response,
    ):
        assert verify(CHAT, ask("x"), await response.json()) is None


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (raw(ask("x"), "Connection: close"), b"HTTP/1.1 200 OK"),
        (raw(ask("x")).replace(b"HTTP/1.1", b"HTTP/1.0"), b"HTTP/1.1 200 OK"),
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (raw(ask("x"), "Connection: Upgrade", "Upgrade: h2c"), b"HTTP/1.1 400 Bad Request"),
    ],
)
async def test_connections_that_end(request_bytes: bytes, status: bytes) -> None:
    async with simulator() as origin:
        reader, writer = await connect(origin)
        writer.write(request_bytes)
        got, _ = await read_answer(reader)
        assert (got, await reader.read()) == (status, b"")
        writer.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
async def test_bodies_that_are_not_json_objects(content: bytes) -> None:
    async with (
        simulator() as origin,
        aiohttp.ClientSession() as session,
        session.post(origin + CHAT, data=content) as response,
    ):
        assert response.status == 400
        assert "We could not parse the JSON body" in (await response.json())["error"]["message"]
