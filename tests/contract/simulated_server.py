"""A simulator in this process, and ways to talk to it: the SDK, aiohttp, a bare socket."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import openai

from batchway.simulator.online import (
    SimulatorSettings,
    serve,
)

CHAT = "/v1/chat/completions"


def ask(content: str, **further: Any) -> dict[str, Any]:
    """A chat body."""
    return {"model": "m", "messages": [{"role": "user", "content": content}], **further}


@asynccontextmanager
async def simulator(**dials: Any) -> AsyncGenerator[str]:
    """A simulator's origin, such as http://127.0.0.1:40123."""
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(SimulatorSettings.parse(dials), ready=listening.set_result))
    await asyncio.wait([task, listening], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield listening.result().removesuffix("/v1")
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def sdk(origin: str, *, retries: int = 0) -> AsyncGenerator[openai.AsyncOpenAI]:
    """The official client."""
    async with openai.AsyncOpenAI(
        base_url=f"{origin}/v1", api_key="sk-test", max_retries=retries
    ) as client:
        yield client


async def fetch(
    origin: str, path: str, body: Any = None, **options: Any
) -> tuple[int, dict[str, str], Any]:
    """One request; a body makes it a POST."""
    method = "GET" if body is None else "POST"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, origin + path, json=body, **options) as response,
    ):
        return response.status, dict(response.headers), await response.json(content_type=None)


async def stats(origin: str) -> dict[str, Any]:
    """The ledger."""
    return (await fetch(origin, "/_simulator/stats"))[2]


async def until(origin: str, **counts: int) -> dict[str, Any]:
    """Poll the ledger until it holds these counts."""
    async with asyncio.timeout(30):
        while True:
            report = await stats(origin)
            if counts.items() <= report.items():
                return report


async def connect(origin: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection."""
    host, port = origin.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


def raw(body: dict[str, Any], *headers: str) -> bytes:
    """A chat request as bytes."""
    content = json.dumps(body).encode()
    lines = [
        f"POST {CHAT} HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(content)}",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + content


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, Any]:
    """The status line and the JSON of one response."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return head.split(b"\r\n")[0], json.loads(await reader.readexactly(length))
