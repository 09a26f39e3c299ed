"""A client of TrueFoundry's gateway on Batchway, for batches made here and batches made elsewhere.

The vendors are fakes on sockets. The client is written as TrueFoundry's documentation writes it
(truefoundry.com/docs/ai-gateway/batch-predictions-with-truefoundry-llm-gateway): only the base URL
is ours.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import openai
import pytest
from tests.contract.truefoundry import HEADERS, check_fields, without_chance
from tests.journeys.conftest import Configuration, NewServer
from tests.journeys.lines import CHAT, ENDED, chats, check, ended, jsonl, results, submit
from tests.journeys.processes import Server, eventually

from batchway.simulator.batches import Fake, running

ACCOUNT_KEY = "sk-the-accounts-own"
QUICK = {"poll_min": 0.05, "poll_max": 0.2, "settle": 0.2, "lateness": 1}
KEYS = [
    {"name": "a", "tenant": "a", "key": "sk-team-a-0123456789", "passthrough": True},
    {"name": "b", "tenant": "b", "key": "sk-team-b-0123456789", "passthrough": True},
    {"name": "c", "tenant": "b", "key": "sk-team-c-0123456789", "providers": ["azure-eu"]},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two vendors, and one Batchway in front of both."""

    fakes: dict[str, Fake]
    server: Server

    def client(self, provider: str, key: str = "sk-team-a-0123456789") -> openai.OpenAI:
        """TrueFoundry's client setup, with another base URL."""
        return openai.OpenAI(
            api_key=key,
            base_url=self.server.origin,
            default_headers={"x-tfy-provider-name": provider},
            max_retries=0,
        )

    def vendor(self, provider: str) -> openai.OpenAI:
        """The vendor's own SDK at the vendor."""
        fake = self.fakes[provider]
        if fake.vendor == "azure":
            return openai.AzureOpenAI(
                azure_endpoint=fake.base_url, api_key=ACCOUNT_KEY, api_version="2024-10-21"
            )
        return openai.OpenAI(base_url=fake.base_url, api_key=ACCOUNT_KEY)

    def get(self, path: str, **headers: str) -> dict[str, Any]:
        """A plain call, as curl makes it."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        request = Request(
            self.server.origin + path,
            headers={"authorization": "Bearer sk-team-a-0123456789", **named},
        )
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)


def entry(provider: str, fake: Fake) -> Configuration:
    """A vendor in the configuration."""
    common = {"name": provider, "api_key": ACCOUNT_KEY, "mode": "native", "native": QUICK}
    if fake.vendor == "azure":
        return {**common, "type": "azure-openai", "endpoint": fake.base_url}
    return {**common, "type": "openai", "base_url": fake.base_url}


@pytest.fixture
def world(new_server: NewServer) -> Iterator[World]:
    with ExitStack() as stack:
        fakes = {
            "openai-main": stack.enter_context(running("openai", keys=[ACCOUNT_KEY])),
            "azure-eu": stack.enter_context(running("azure", keys=[ACCOUNT_KEY], pending_polls=0)),
        }
        server = new_server(
            *(entry(provider, fake) for provider, fake in fakes.items()), auth={"keys": KEYS}
        )
        yield World(fakes=fakes, server=server)


PROVIDERS = ["openai-main", "azure-eu"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_truefoundry_client_changes_only_its_base_url(world: World, provider: str) -> None:
    client = openai.OpenAI(
        api_key="sk-team-a-0123456789",
        base_url=world.server.origin,
        default_headers={"x-tfy-provider-name": provider},
    )
    asked = chats(5, model="gpt-4o-mini")

    file = client.files.create(file=("request.jsonl", jsonl(asked)), purpose="batch")
    job = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    status = eventually(
        "the end",
        lambda: found if (found := client.batches.retrieve(job.id)).status in ENDED else None,
    )
    assert status is not None
    assert status.status == "completed", status
    assert status.output_file_id is not None
    output = client.files.content(status.output_file_id)
    answers = [json.loads(line) for line in output.content.decode().splitlines()]

    assert [answer["custom_id"] for answer in answers] == [each["custom_id"] for each in asked]
    check(asked, results(client, status))
    assert world.fakes[provider].stats()["creates_by_filename"], "the vendor has no job of it"


def test_headers_on_each_call_do_as_well(world: World) -> None:
    client = openai.OpenAI(api_key="sk-team-a-0123456789", base_url=world.server.base_url)
    extra = {
        "x-tfy-provider-name": "azure-eu",
        "x-tfy-azure-api-version": "2025-04-01-preview",
        "x-tfy-metadata": '{"project": "search"}',
    }
    asked = chats(3, model="gpt-4o-mini-batch")
    file = client.files.create(
        file=("request.jsonl", jsonl(asked)), purpose="batch", extra_headers=extra
    )
    job = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window=None,  # pyright: ignore[reportArgumentType] - TrueFoundry's users do
        extra_headers=extra,
        extra_body={"job_name": "nightly"},
    )
    # Remembered with the batch: later calls need none.
    last = ended(client, job)
    assert last.status == "completed", last
    given = json.loads(last.to_json())
    assert (given["provider"], given["job_name"], given["tfy_metadata"]) == (
        "azure-eu",
        "nightly",
        {"project": "search"},
    )
    assert client.batches.retrieve(job.id, extra_headers=extra) == last
    assert last.output_file_id is not None
    with_headers = client.files.content(last.output_file_id, extra_headers=extra).content
    assert with_headers == client.files.content(last.output_file_id).content


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_seed_call_for_a_batch_of_ours(world: World, provider: str) -> None:
    client = world.client(provider)
    asked = chats(3, model="gpt-4o-mini")
    last = ended(client, submit(client, asked, metadata={"made": "here"}))
    assert last.status == "completed", last
    plain = world.get(f"/batches/{last.id}")
    check_fields(plain)
    assert without_chance(plain) == {
        "id": "batch_...",
        "object": "batch",
        "endpoint": CHAT,
        "model": "gpt-4o-mini",
        "errors": None,
        "input_file_id": "file-...",
        "completion_window": "24h",
        "status": "completed",
        "output_file_id": "file-...",
        "error_file_id": None,
        "created_at": "a moment",
        "in_progress_at": "a moment",
        "expires_at": "a moment",
        "finalizing_at": "a moment",
        "completed_at": "a moment",
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 3, "completed": 3, "failed": 0},
        "usage": plain["usage"],
        "metadata": {"made": "here"},
        "job_name": None,
        "provider": provider,
        "tfy_metadata": None,
        "status_details": None,
    }
    assert plain["usage"]["total_tokens"] > 0
    every = {"x-tfy-provider-name": provider, **HEADERS}
    for prefix in ("", "/v1"):
        for headers in (*({name: text} for name, text in every.items()), every):
            named = {name.replace("-", "_"): text for name, text in headers.items()}
            assert world.get(f"{prefix}/batches/{last.id}", **named) == plain


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_of_the_vendors_shows_in_a_batch_of_ours(world: World, provider: str) -> None:
    world.fakes[provider].control(hold=["in_progress"], share=0.0)
    client = world.client(provider)
    batch = submit(client, chats(3, model="gpt-4o-mini"))
    theirs = eventually("a job at the vendor", lambda: world.vendor(provider).batches.list().data)
    seen = [client.batches.retrieve(batch.id).to_json()]
    world.fakes[provider].control(hold=[])
    last = ended(client, batch)
    assert last.output_file_id is not None
    seen += [
        last.to_json(),
        json.dumps(world.get("/batches")),
        json.dumps(world.get("/files")),
        client.files.content(last.output_file_id).text,
    ]
    for job in theirs:
        for secret in (job.id, job.input_file_id, "batchway-", ACCOUNT_KEY):
            assert not [text for text in seen if secret in text]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_made_elsewhere_is_found_and_read(world: World, provider: str) -> None:
    vendor, client = world.vendor(provider), world.client(provider, "sk-team-b-0123456789")
    asked = chats(4, model="gpt-4o-mini")
    file = vendor.files.create(file=("elsewhere.jsonl", jsonl(asked)), purpose="batch")
    vendor.files.wait_for_processing(file.id, poll_interval=0.01)
    job = vendor.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"made": "there"}
    )
    last = ended(client, job)
    assert (last.id, last.status, last.metadata) == (job.id, "completed", {"made": "there"})
    assert last.output_file_id is not None
    described = client.files.retrieve(last.output_file_id)
    assert described.id == last.output_file_id
    content = client.files.content(last.output_file_id).content
    assert content == vendor.files.content(last.output_file_id).content
    assert client.files.content(file.id).content == jsonl(asked)
    with pytest.raises(openai.PermissionDeniedError, match="only deleted there"):
        client.files.delete(file.id)
    assert vendor.files.retrieve(file.id).id == file.id
    # Nothing of it is kept here.
    assert client.batches.list().data == []
    assert client.files.list().data == []
    # Another provider knows nothing of it, and without a name nobody is asked.
    [other] = [name for name in PROVIDERS if name != provider]
    for asking in (world.client(other), world.server.client("sk-team-a-0123456789")):
        with pytest.raises(openai.NotFoundError, match=job.id):
            asking.batches.retrieve(job.id)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_input_file_that_lives_at_the_vendor_is_run(world: World, provider: str) -> None:
    vendor, client = world.vendor(provider), world.client(provider)
    asked = chats(4, model="gpt-4o-mini")
    file = vendor.files.create(file=("there.jsonl", jsonl(asked)), purpose="batch")
    vendor.files.wait_for_processing(file.id, poll_interval=0.01)
    batch = client.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"made": "here"}
    )
    last = ended(client, batch)
    assert (last.status, last.input_file_id) == ("completed", file.id), last
    check(asked, results(client, last))
    assert vendor.files.retrieve(file.id).id == file.id
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.batches.create(input_file_id="file-nobodys", endpoint=CHAT, completion_window="24h")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_lines_leave_out_what_the_headers_say(world: World, provider: str) -> None:
    client = world.client(provider)
    asked = chats(3, model="gpt-4o-mini")
    bare = [
        {
            "custom_id": each["custom_id"],
            "body": {name: value for name, value in each["body"].items() if name != "model"},
        }
        for each in asked
    ]
    extra = {"x-tfy-provider-model": "gpt-4o-mini"}
    file = client.files.create(file=("request.jsonl", jsonl(bare)), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/chat/completions",  # pyright: ignore[reportArgumentType] - as in Azure's guide
        completion_window="24h",
        extra_headers=extra,
    )
    last = ended(client, batch)
    assert (last.status, last.model) == ("completed", "gpt-4o-mini"), last
    check(asked, results(client, last))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_made_elsewhere_is_cancelled(world: World, provider: str) -> None:
    world.fakes[provider].control(hold=["in_progress", "cancelling"])
    vendor, client = world.vendor(provider), world.client(provider)
    file = vendor.files.create(file=("elsewhere.jsonl", jsonl(chats(2))), purpose="batch")
    vendor.files.wait_for_processing(file.id, poll_interval=0.01)
    job = vendor.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert client.batches.cancel(job.id).status == "cancelling"
    assert vendor.batches.retrieve(job.id).status == "cancelling"
    world.fakes[provider].control(hold=[])
    assert ended(client, job).status == "cancelled"
    assert client.batches.cancel(job.id).status == "cancelled"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_jobs_of_another_tenant_are_unknown(world: World, provider: str) -> None:
    world.fakes[provider].control(hold=["in_progress"], share=0.0)
    mine, other = world.client(provider), world.client(provider, "sk-team-b-0123456789")
    batch = submit(mine, chats(3, model="gpt-4o-mini"))
    jobs = eventually("a job at the vendor", lambda: world.vendor(provider).batches.list().data)
    job = jobs[0]
    eventually("it runs", lambda: mine.batches.retrieve(batch.id).status == "in_progress" and jobs)
    for act in (other.batches.retrieve, other.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="No batch found with id"):
            act(job.id)
    for act in (other.files.retrieve, other.files.content, other.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            act(job.input_file_id)
    world.fakes[provider].control(hold=[])
    last = ended(mine, batch)
    assert last.status == "completed", last


def test_a_vendor_that_is_down_and_a_key_that_may_not(world: World) -> None:
    client = world.client("openai-main", "sk-team-c-0123456789")
    with pytest.raises(openai.PermissionDeniedError, match="may not use the provider"):
        client.batches.retrieve("batch_elsewhere")
    client = world.client("openai-main")
    world.fakes["openai-main"].control(revoked=True)
    with pytest.raises(openai.InternalServerError) as denied:
        client.batches.retrieve("batch_elsewhere")
    assert (denied.value.status_code, denied.value.code) == (502, "provider_denied")
    assert ACCOUNT_KEY not in denied.value.response.text
