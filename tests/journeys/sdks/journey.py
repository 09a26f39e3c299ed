"""One client's whole way through the API, with whatever `openai` is installed: 1.x, 2.x or 3.x.

Run as `python journey.py sync|async PLAN.json`; prints what it met as one JSON object, which
`test_sdks` compares. Uses the SDK as its documentation says and nothing of Batchway.
`journey.mjs` is the same in the same order; change both.
"""

import asyncio
import hashlib
import inspect
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai

# Three generations of the SDK have different types: what they share is the point of this file.
Client = Any

ENDED = ("completed", "failed", "expired", "cancelled")
PATIENCE = 60.0


class Journey:
    """The steps. `plan` says where the server is, with which keys, and what to send."""

    def __init__(self, *, plan: dict[str, Any], synchronous: bool) -> None:
        self.plan = plan
        self.synchronous = synchronous
        self.report: dict[str, Any] = {}
        self.requests = 0
        self.input = Path(plan["input"])
        self.data = self.input.read_bytes()
        self.client = self.connect(plan["key"])

    def connect(self, key: str) -> Client:
        """A client with the SDK's own defaults, which counts the requests that it makes."""

        def count(_: object) -> None:
            self.requests += 1

        async def count_async(_: object) -> None:
            count(_)

        if self.synchronous:
            return openai.OpenAI(
                base_url=self.plan["base_url"],
                api_key=key,
                http_client=openai.DefaultHttpxClient(event_hooks={"request": [count]}),
            )
        return openai.AsyncOpenAI(
            base_url=self.plan["base_url"],
            api_key=key,
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"request": [count_async]}),
        )

    async def run(self) -> dict[str, Any]:
        """Every step; returns the report."""
        self.report["version"] = openai.__version__
        await self.files()
        await self.batches()
        await self.cancelling()
        await self.uploads()
        await self.errors()
        return self.report

    # ------------------------------------------------------------------ steps

    async def files(self) -> None:
        """Create, wait, retrieve, list, download, delete."""
        files = self.client.files
        from_path = await now(files.create(file=self.input, purpose="batch"))
        named = await now(
            files.create(
                file=("naïve ☃.jsonl", self.data),
                purpose="batch",
                expires_after={"anchor": "created_at", "seconds": 3600},
            )
        )
        third = await now(files.create(file=("third.jsonl", b"{}\n"), purpose="batch"))
        waited = await now(files.wait_for_processing(from_path.id, poll_interval=0.05))
        retrieved = await now(files.retrieve(from_path.id))
        page = await now(files.list(limit=2, order="asc", purpose="batch"))
        before = self.requests
        listed = await collect(files.list(limit=2, order="asc", purpose="batch"))
        pages = self.requests - before
        content = await now(files.content(from_path.id))
        deleted = await now(files.delete(third.id))
        self.report["files"] = {
            "from a path": plain(from_path),
            "from bytes with a name": plain(named),
            "lives for": named.expires_at - named.created_at,
            "waited for": plain(waited),
            "retrieved": plain(retrieved),
            "first page": plain(page),
            "listed": [file.id for file in listed] == [from_path.id, named.id, third.id],
            "pages": pages,
            "content": content.content == self.data,
            "content type": content.response.headers["content-type"],
            "content disposition": content.response.headers["content-disposition"],
            "deleted": plain(deleted),
            "request id": is_request_id(from_path),
        }
        self.file_id = from_path.id

    async def batches(self) -> None:
        """Create, poll, retrieve, list, read the results."""
        batches = self.client.batches
        created = await now(
            batches.create(
                input_file_id=self.file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"team": "tests", "note": "naïve ☃"},
                output_expires_after={"anchor": "created_at", "seconds": 7200},
                extra_headers={
                    "x-tfy-provider-name": "sim",
                    "x-tfy-metadata": '{"cost-centre": "42"}',
                },
                extra_body={"job_name": "a journey"},
            )
        )
        last = await self.ended(created.id)
        self.batch_id = last.id
        raw = await now(batches.with_raw_response.retrieve(last.id))
        parsed = await now(raw.parse())
        output = await now(self.client.files.content(last.output_file_id))
        errors = await now(self.client.files.content(last.error_file_id))
        output_file = await now(self.client.files.retrieve(last.output_file_id))
        error_file = await now(self.client.files.retrieve(last.error_file_id))
        second = await now(
            batches.create(
                input_file_id=self.file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
            )
        )
        await self.ended(second.id)
        page = await now(batches.list(limit=1))
        before = self.requests
        listed = await collect(batches.list(limit=1))
        self.report["batches"] = {
            "created": plain(created),
            "last": plain(last),
            "raw is the same": plain(parsed) == plain(last),
            "raw status": raw.status_code,
            "raw headers": {
                name: raw.headers.get(name)
                for name in (
                    "content-type",
                    "openai-version",
                    "openai-organization",
                    "x-content-type-options",
                )
            },
            "raw processing time": raw.headers["openai-processing-ms"].isdigit(),
            "raw request id": raw.headers["x-request-id"] == getattr(parsed, "_request_id", None),
            "request id": is_request_id(created),
            "output file": plain(output_file),
            "error file": plain(error_file),
            "results live for": output_file.expires_at - output_file.created_at,
            "first page": [batch.id == second.id for batch in page.data],
            "first page has more": page.has_more,
            "listed": [batch.id for batch in listed] == [second.id, last.id],
            "pages": self.requests - before,
        }
        self.report["output"] = output.content.decode()
        self.report["error output"] = errors.content.decode()

    async def cancelling(self) -> None:
        """Cancel while some lines are done and others hang; cancel again, early and late."""
        client = self.client
        file = await now(client.files.create(file=Path(self.plan["hanging"]), purpose="batch"))
        batch = await now(
            client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
            )
        )
        await self.until(batch.id, lambda seen: seen.request_counts.completed == 2)
        first = await now(client.batches.cancel(batch.id))
        second = await now(client.batches.cancel(batch.id))
        last = await self.ended(batch.id)
        third = await now(client.batches.cancel(batch.id))
        output = await now(client.files.content(last.output_file_id))
        errors = await now(client.files.content(last.error_file_id))
        self.report["cancelling"] = {
            "first": plain(first),
            "second": second.status,
            "last": plain(last),
            "third is the same": plain(third) == plain(last),
            "done": ids_of(output.content),
            "not done": [
                (line["custom_id"], line["response"], line["error"])
                for line in map(json.loads, errors.content.splitlines())
            ],
        }

    async def uploads(self) -> None:
        """A file in three parts, then the same by the SDK's helper; one upload given up."""
        uploads = self.client.uploads
        data = self.data
        third = len(data) // 3 + 1
        created = await now(
            uploads.create(
                bytes=len(data),
                filename="parts.jsonl",
                mime_type="application/jsonl",
                purpose="batch",
            )
        )
        parts = [
            await now(uploads.parts.create(created.id, data=data[start : start + third]))
            for start in range(0, len(data), third)
        ]
        whole = await now(
            uploads.complete(
                created.id,
                part_ids=[part.id for part in parts],
                md5=hashlib.md5(data).hexdigest(),
            )
        )
        given_up = await now(
            uploads.create(
                bytes=10, filename="x.jsonl", mime_type="application/jsonl", purpose="batch"
            )
        )
        cancelled = await now(uploads.cancel(given_up.id))
        content = await now(self.client.files.content(whole.file.id))
        chunked = await now(
            uploads.upload_file_chunked(
                file=self.input, mime_type="application/jsonl", purpose="batch", part_size=third
            )
        )
        copy = await now(self.client.files.content(chunked.file.id))
        self.report["uploads"] = {
            "created": plain(created),
            "part": plain(parts[0]),
            "parts": len(parts),
            "completed": plain(whole),
            "content": content.content == data,
            "cancelled": cancelled.status,
        }
        self.report["chunked"] = {"status": chunked.status, "content": copy.content == data}

    async def errors(self) -> None:
        """Every class of error, with the number of requests that the SDK made for it."""
        client = self.client
        stranger = self.connect("sk-of-nobody")
        limited = self.connect(self.plan["limited key"])
        unknown_file = "file-" + "0" * 22
        unknown_batch = "batch_" + "0" * 32

        def create(someone: Client, **options: Any) -> Any:
            given = {
                "input_file_id": self.file_id,
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                **options,
            }
            return someone.batches.create(**given)

        cases: dict[str, Callable[[], Any]] = {
            "not jsonl": lambda: client.files.create(file=("x.jsonl", b"no"), purpose="batch"),
            "bad purpose": lambda: client.files.create(file=("x.jsonl", b"{}"), purpose="fun"),
            "bad endpoint": lambda: create(client, endpoint="/v1/nothing"),
            "bad window": lambda: create(client, completion_window="soon"),
            "bad metadata": lambda: create(client, metadata={"tags": ["a"]}),
            "bad file id": lambda: create(client, input_file_id="wrong-id"),
            "bad batch id": lambda: client.batches.retrieve("invalid"),
            "unknown file": lambda: client.files.retrieve(unknown_file),
            "unknown content": lambda: client.files.content(unknown_file),
            "unknown batch": lambda: client.batches.retrieve(unknown_batch),
            "unknown cursor": lambda: client.batches.list(after=unknown_batch),
            "cancel of a completed batch": lambda: client.batches.cancel(self.batch_id),
            "wrong key": stranger.files.list,
            "provider not allowed": lambda: create(
                limited,
                extra_headers={"x-tfy-provider-name": "other"},
            ),
        }
        self.report["errors"] = {name: await self.failure(case) for name, case in cases.items()}

    # ------------------------------------------------------------------ waiting and failing

    async def ended(self, batch_id: str) -> Any:
        """The batch in its terminal status."""
        return await self.until(batch_id, lambda batch: batch.status in ENDED)

    async def until(self, batch_id: str, reached: Callable[[Any], bool]) -> Any:
        """The batch once it is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while not reached(batch := await now(self.client.batches.retrieve(batch_id))):
            if time.monotonic() > deadline or batch.status in ENDED:
                raise TimeoutError(f"{batch_id} is {batch.status}: {batch.errors}")
            await asyncio.sleep(0.05)
        return batch

    async def failure(self, case: Callable[[], Any]) -> dict[str, Any]:
        """What a call that must fail raised."""
        before = self.requests
        try:
            result = await now(case())
        except openai.APIStatusError as error:
            body: Any = error.body
            return {
                "class": type(error).__name__,
                "status": error.status_code,
                "message": body["message"],
                "type": body["type"],
                "param": body["param"],
                "code": body["code"],
                "request id": (error.request_id or "").startswith("req_"),
                "requests": self.requests - before,
            }
        raise AssertionError(f"no error, but {result!r}")


async def now(value: Any) -> Any:
    """The result of a call to either client."""
    return await value if inspect.isawaitable(value) else value


async def collect(pages: Any) -> list[Any]:
    """Every item of a list, the SDK fetching page after page."""
    if hasattr(pages, "__aiter__"):
        return [item async for item in pages]
    return list(pages)


def plain(model: Any) -> Any:
    """An object as the SDK understood it, unknown members included."""
    return json.loads(model.to_json())


def is_request_id(model: Any) -> bool:
    """Whether an object carries the id of its request."""
    return str(getattr(model, "_request_id", None)).startswith("req_")


def ids_of(content: bytes) -> list[str]:
    """Custom ids of result lines."""
    return [json.loads(line)["custom_id"] for line in content.splitlines()]


def main() -> Awaitable[dict[str, Any]]:
    """The journey that the command line asks for."""
    plan = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    return Journey(plan=plan, synchronous=sys.argv[1] == "sync").run()


if __name__ == "__main__":

    async def _run() -> None:
        print(json.dumps(await main()))

    asyncio.run(_run())
