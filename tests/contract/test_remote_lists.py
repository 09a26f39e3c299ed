"""Looking for a job in lists: pages in either order, providers that know no pages, and no lists.

Whether a job exists decides whether somebody pays twice: an answer that is no list is never taken
for an empty one.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from tests.contract.remote_accounts import TAG, new_provider, opened

from batchway.domain.remote import RemoteError, Trouble

NOW = int(time.time())
HOUR = 3_600
Listing = Callable[[Mapping[str, str]], Any]


def job(number: int, *, age: int, tag: str | None = None, input_id: str = "") -> dict[str, Any]:
    return {
        "id": f"batch_{number}",
        "status": "in_progress",
        "created_at": NOW - age,
        "metadata": tag and {"batchway": tag},
        "input_file_id": input_id or f"file-{number}",
    }


def file(number: int, *, age: int, name: str = "other.jsonl") -> dict[str, Any]:
    return {"id": f"file-{number}", "created_at": NOW - age, "filename": name, "bytes": 1}


def paged(items: list[dict[str, Any]], *, size: int = 2, more: bool = True) -> Listing:
    """A list by pages; with or without `has_more`."""

    def page(query: Mapping[str, str]) -> Any:
        ids = [item["id"] for item in items]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        answer: dict[str, Any] = {"object": "list", "data": items[start : start + size]}
        return {**answer, "has_more": start + size < len(items)} if more else answer

    return page


@asynccontextmanager
async def lists(jobs: Listing, files: Listing) -> AsyncGenerator[tuple[str, list[str]]]:
    """A provider that has lists and nothing else; and the pages that were asked for."""
    asked: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        kind = request.path.rpartition("/")[2]
        asked.append(kind)
        body = msgspec.json.encode((jobs if kind == "batches" else files)(request.query))
        return web.Response(body=body, content_type="application/json")

    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def find(
    jobs: Listing, files: Listing = lambda _: [], *, account: str = "openai", age: int = HOUR
) -> tuple[str | None, list[str]]:
    async with lists(jobs, files) as (origin, asked), opened(new_provider(account, origin)) as one:
        found = await one.find(TAG, since=NOW - age)
    return (None if found is None else found.id), asked


NEW_TO_OLD = [job(number, age=number * HOUR) for number in range(9)]
OLD_TO_NEW = NEW_TO_OLD[::-1]
OURS = job(99, age=60, tag=TAG)


async def test_a_list_is_read_until_it_is_too_old() -> None:
    assert await find(paged(NEW_TO_OLD)) == (None, ["batches", "batches", "files"])


@pytest.mark.parametrize("more", [True, False])
async def test_a_list_from_old_to_new_is_read_to_its_end(more: bool) -> None:
    found, asked = await find(paged([*OLD_TO_NEW, OURS], more=more))
    assert (found, asked) == ("batch_99", ["batches"] * 5)


async def test_a_provider_that_repeats_its_only_page() -> None:
    assert await find(lambda _: {"data": NEW_TO_OLD[:1]}) == (
        None,
        ["batches", "batches", "files"],
    )


async def test_a_bare_list_is_asked_for_once() -> None:
    files = paged([file(4, age=60, name=f"{TAG}.jsonl")])
    found = await find(lambda _: NEW_TO_OLD, files, account="together")
    assert found == ("batch_4", ["batches", "files"])


async def test_by_the_name_of_any_of_its_inputs() -> None:
    # Uploaded twice: the first answer was lost, and the list was late.
    named = f"{TAG}.jsonl"
    files = paged([file(50, age=30, name=named), file(1, age=60), file(3, age=90, name=named)])
    found, _ = await find(paged(NEW_TO_OLD, size=9), files)
    assert found == "batch_3"


async def test_another_batchs_tag_is_not_ours() -> None:
    jobs = [job(1, age=1, tag=TAG + "0"), job(2, age=2, tag=TAG[:-1])]
    files = paged([file(1, age=1, name=f"{TAG}0.jsonl"), file(2, age=2, name=f"x{TAG}.jsonl")])
    assert (await find(paged(jobs), files))[0] is None


@pytest.mark.parametrize(
    "answer",
    [{}, {"data": None}, {"code": 500, "message": "m", "data": None}, {"data": "x"}, "text", None],
)
async def test_an_answer_that_is_no_list_is_no_empty_list(answer: object) -> None:
    with pytest.raises(RemoteError) as caught:
        await find(lambda _: answer)
    assert caught.value.trouble is Trouble.UNCERTAIN
    with pytest.raises(RemoteError) as caught:
        await find(paged(NEW_TO_OLD), lambda _: answer)
    assert caught.value.trouble is Trouble.UNCERTAIN


async def test_jobs_without_times_are_all_looked_at() -> None:
    jobs = [{**job(number, age=0), "created_at": None} for number in range(6)]
    found, asked = await find(paged([*jobs, OURS]))
    assert (found, asked) == ("batch_99", ["batches"] * 4)
