"""Lines of every dialect through a job of Vertex AI, over its fake."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.remote_accounts import (
    DAY,
    TAG,
    Account,
    body,
    new_provider,
)
from tests.contract.vertex import google, vertex_account

from batchway.domain.call import Call
from batchway.domain.fate import Fate
from batchway.domain.remote import JobInput, Reading
from batchway.domain.status import BatchStatus
from batchway.ports import Dialect, Encoded, Jobs, Refused

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"


@pytest.fixture
async def vertex() -> AsyncGenerator[Account]:
    async with vertex_account() as account:
        yield account


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
