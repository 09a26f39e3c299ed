"""`GET /batches/{id}` as TrueFoundry documents it, for batches that Batchway did not make.

The real adapters of OpenAI and Azure ask fake vendors over sockets; the job there was made by the
vendor's own SDK. Whole answers are compared with the golden copies beside this file. The same call
for batches that Batchway made is in `tests/journeys/test_passthrough.py`.
"""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.contract.test_api_harness import Server, TestClock, serving
from tests.contract.truefoundry import HEADERS, check_fields, without_chance

from batchway.catalog.openai_family import OPENAI
from batchway.ports import BatchAccount
from batchway.providers.azure.batches import AzureBatchesProvider
from batchway.providers.azure.identity import ApiKey
from batchway.providers.openai.batches import OpenAIBatchesProvider
from batchway.simulator.batches import Fake, running

GOLDEN = Path(__file__).parent / "golden"
KEY = "sk-the-accounts-own"
LINES = b"".join(
    json.dumps(
        {
            "custom_id": f"c-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]},
        }
    ).encode()
    + b"\n"
    for number in range(3)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A vendor, its own SDK, and an API in front of it; `provider` is its name there."""

    vendor: str
    fake: Fake
    sdk: openai.OpenAI
    api: Server
    headers: dict[str, str]

    def submitted(self) -> str:
        """The id of a job that nobody made through Batchway."""
        file = self.sdk.files.create(file=("in.jsonl", LINES), purpose="batch")
        self.sdk.files.wait_for_processing(file.id, poll_interval=0.01)
        job = self.sdk.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"made": "elsewhere"},
        )
        return job.id

    def reached(self, job_id: str, status: str) -> str:
        """The same job, once it is in that state."""
        self.fake.eventually(lambda _: self.sdk.batches.retrieve(job_id).status == status)
        return job_id

    def get(self, path: str, **further: str) -> dict[str, Any]:
        reply = self.api.ask("GET", path, headers={**self.headers, **further})
        assert reply.status == 200, reply.body
        assert KEY.encode() not in reply.body
        return reply.json()


def _openai(fake: Fake) -> tuple[openai.OpenAI, BatchAccount]:
    return openai.OpenAI(base_url=fake.base_url, api_key=KEY), OpenAIBatchesProvider(
        name="account",
        base_url=fake.base_url,
        headers={"authorization": f"Bearer {KEY}"},
        traits=OPENAI.traits,
        quirks=OPENAI.quirks,
        clock=TestClock(),
    )


def _azure(fake: Fake) -> tuple[openai.OpenAI, BatchAccount]:
    sdk = openai.AzureOpenAI(
        azure_endpoint=fake.base_url, api_key=KEY, api_version="2025-04-01-preview"
    )
    return sdk, AzureBatchesProvider(
        name="account",
        endpoint=fake.base_url,
        credential=ApiKey(provider="account", api_key=KEY),
        api_version="2024-10-21",
        clock=TestClock(),
    )


MAKERS: dict[str, Callable[[Fake], tuple[openai.OpenAI, BatchAccount]]] = {
    "openai": _openai,
    "azure": _azure,
}


@pytest.fixture(params=sorted(MAKERS))
def world(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> Generator[World]:
    """One vendor and an API in front of it."""
    vendor: str = request.param
    with running(vendor, keys=[KEY]) as fake:
        sdk, native = MAKERS[vendor](fake)
        with (
            sdk,
            serving(
                sqlite_url,
                tmp_path / "blobs",
                providers=["account"],
                natives={"account": native},
            ) as api,
        ):
            try:
                yield World(
                    vendor=vendor,
                    fake=fake,
                    sdk=sdk,
                    api=api,
                    headers={"x-tfy-provider-name": "account"},
                )
            finally:
                api.run(native.close())


def golden(world: World) -> dict[str, Any]:
    return json.loads((GOLDEN / f"seed_call_{world.vendor}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_the_answer_is_the_golden_one(world: World, prefix: str) -> None:
    world.fake.control(hold=["validating", "in_progress"], share=0.0)
    job_id = world.submitted()
    path = f"{prefix}/batches/{job_id}"
    seen = {"validating": world.get(path)}
    world.fake.control(hold=["in_progress"])
    world.reached(job_id, "in_progress")
    seen["in_progress"] = world.get(path)
    world.fake.control(hold=[])
    world.reached(job_id, "completed")
    seen["completed"] = world.get(path)
    for batch in seen.values():
        check_fields(batch)
        assert batch["id"] == job_id
        assert batch["expires_at"] == batch["created_at"] + 86_400
    assert {status: without_chance(batch) for status, batch in seen.items()} == golden(world)


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("header", ["all", *HEADERS])
def test_each_documented_header_is_taken(world: World, header: str, prefix: str) -> None:
    job_id = world.reached(world.submitted(), "completed")
    further = HEADERS if header == "all" else {header: HEADERS[header]}
    batch = world.get(f"{prefix}/batches/{job_id}", **further)
    check_fields(batch)
    assert without_chance(batch) == golden(world)["completed"]


def test_results_are_the_vendors_own_bytes(world: World) -> None:
    job_id = world.reached(world.submitted(), "completed")
    output = world.get(f"/v1/batches/{job_id}")["output_file_id"]
    described = world.get(f"/v1/files/{output}")
    own = world.sdk.files.retrieve(output)
    assert (described["id"], described["bytes"], described["status"]) == (
        output,
        own.bytes,
        "processed",
    )
    reply = world.api.ask("GET", f"/v1/files/{output}/content", headers=world.headers)
    assert reply.status == 200
    assert reply.body == world.sdk.files.content(output).content
    assert {json.loads(line)["custom_id"] for line in reply.body.splitlines()} == {
        "c-0",
        "c-1",
        "c-2",
    }


def test_cancel_reaches_the_vendor(world: World) -> None:
    world.fake.control(hold=["in_progress", "cancelling"])
    job_id = world.reached(world.submitted(), "in_progress")
    path = f"/v1/batches/{job_id}/cancel"
    reply = world.api.ask("POST", path, headers=world.headers)
    assert (reply.status, reply.json()["status"]) == (200, "cancelling")
    check_fields(reply.json())
    assert world.sdk.batches.retrieve(job_id).status == "cancelling"


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        (
            {"on": "job", "do": "refuse", "status": 401, "message": f"bad key {KEY}"},
            502,
            "provider_denied",
        ),
        ({"on": "job", "do": "refuse", "status": 429, "retry_after": "7"}, 429, "provider_busy"),
        ({"on": "job", "do": "refuse", "status": 503}, 504, "provider_not_answering"),
        ({"on": "job", "do": "lose"}, 504, "provider_not_answering"),
        ({"on": "job", "do": "refuse", "status": 404}, 404, None),
    ],
)
def test_trouble_at_the_vendor_is_told(
    world: World, rule: dict[str, Any], status: int, code: str | None
) -> None:
    job_id = world.submitted()
    world.fake.trouble(rule)
    reply = world.api.ask("GET", f"/batches/{job_id}", headers=world.headers)
    assert (reply.status, reply.json()["error"]["code"]) == (status, code)
    assert KEY.encode() not in reply.body
    assert reply.headers.get("retry-after") == ("7" if status == 429 else None)
    world.fake.trouble()
    assert world.get(f"/batches/{job_id}")["id"] == job_id
