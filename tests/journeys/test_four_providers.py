"""One Batchway in front of OpenAI, Azure, Vertex AI and Bedrock: the seed call and the list.

The call is TrueFoundry's (truefoundry.com/docs/api-reference/batch/get-batch): each header of its
page with each provider, those of the other providers included. Whole answers are compared with the
golden copy in `tests/contract/golden`. One server and four fakes for all; every test only reads.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import openai
import pytest
import requests
from openai.types import Batch
from tests.contract.truefoundry import HEADERS, check_fields, without_chance
from tests.journeys import vertex as google
from tests.journeys.bedrock import (
    BUCKET,
    CLAUDE,
    NOVA,
    QUICK,
    ROLE,
    bedrock,
    made_with_awss_client,
    rows_of_nova,
)
from tests.journeys.conftest import running_servers
from tests.journeys.lines import chats, ended, jsonl, submit
from tests.journeys.processes import Server

from batchway.simulator import aws, batches
from batchway.simulator import google as googles

pytestmark = pytest.mark.xdist_group("s3")

GOLDEN: Final = Path(__file__).parents[1] / "contract" / "golden" / "seed_call_four.json"
KEY: Final = "sk-team-a-0123456789"
ACCOUNT_KEY: Final = "sk-the-accounts-own"
MODELS: Final = {
    "openai-main": "gpt-4o-mini",
    "azure-eu": "gpt-4o-mini-batch",
    "google": google.GEMINI,
    "aws": CLAUDE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A batch of ours at each provider, which has ended, and the id of the provider's own job."""

    server: Server
    batches: dict[str, Batch]
    remote: dict[str, str]

    def client(self) -> openai.OpenAI:
        """A client that names no provider."""
        return openai.OpenAI(api_key=KEY, base_url=self.server.base_url, max_retries=0)

    def get(self, path: str, **headers: str) -> dict[str, Any]:
        """A plain call, as curl makes it."""
        sent = {"authorization": f"Bearer {KEY}", **headers}
        answer = requests.get(self.server.origin + path, headers=sent, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("four")
    with ExitStack() as stack:
        of_openai = stack.enter_context(batches.running("openai", keys=[ACCOUNT_KEY]))
        of_azure = stack.enter_context(
            batches.running("azure", keys=[ACCOUNT_KEY], pending_polls=0)
        )
        of_google = stack.enter_context(googles.running())
        of_aws = stack.enter_context(aws.running(min_records=1))
        of_aws.make_bucket(BUCKET)
        servers = stack.enter_context(running_servers(folder))
        common = {"api_key": ACCOUNT_KEY, "mode": "native", "native": QUICK}
        jobs = {"mode": "native", "bucket": BUCKET}
        server = servers(
            {"name": "openai-main", "type": "openai", "base_url": of_openai.base_url, **common},
            {"name": "azure-eu", "type": "azure-openai", "endpoint": of_azure.base_url, **common},
            google.vertex(of_google, folder, "google", mode="native", bucket=google.BUCKET),
            bedrock(of_aws, role_arn=ROLE, **jobs),
            auth={"keys": [{"name": "a", "tenant": "a", "key": KEY, "passthrough": True}]},
        )
        client = server.client(KEY)
        made = {
            name: submit(
                client,
                chats(100, name, model=f"{name}/{model}"),
                metadata={"at": name, "half": str(at // 2)},
            )
            for at, (name, model) in enumerate(MODELS.items())
        }
        made = {name: ended(client, batch) for name, batch in made.items()}
        rows = rows_of_nova("theirs", 3)
        remote = {
            "openai-main": _submitted(
                openai.OpenAI(base_url=of_openai.base_url, api_key=ACCOUNT_KEY)
            ),
            "azure-eu": _submitted(
                openai.AzureOpenAI(
                    azure_endpoint=of_azure.base_url, api_key=ACCOUNT_KEY, api_version="2024-10-21"
                )
            ),
            "google": google.made_with_googles_client(
                of_google, _of_google(of_google), f"gs://{google.BUCKET}/theirs/out"
            ),
            "aws": made_with_awss_client(of_aws, "theirs", rows, model=NOVA)[0],
        }
        for name, job in remote.items():
            ended(_named(server, name), _named(server, name).batches.retrieve(job))
        yield World(server=server, batches=made, remote=remote)


def _named(server: Server, provider: str) -> openai.OpenAI:
    return openai.OpenAI(
        api_key=KEY,
        base_url=server.base_url,
        default_headers={"x-tfy-provider-name": provider},
        max_retries=0,
    )


def _submitted(vendor: openai.OpenAI) -> str:
    """The id of a job that was made with the vendor's own SDK."""
    file = vendor.files.create(file=("in.jsonl", jsonl(chats(3, "theirs"))), purpose="batch")
    vendor.files.wait_for_processing(file.id, poll_interval=0.01)
    return vendor.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    ).id


def _of_google(fake: googles.GoogleFake) -> str:
    """The input of a job of Google's."""
    given = f"gs://{google.BUCKET}/theirs/input.jsonl"
    text = {"contents": [{"role": "user", "parts": [{"text": "Say it"}]}]}
    fake.put(given, jsonl({"request": text} for _ in range(3)))
    return given


def _golden(world: World, provider: str, kind: str, shown: dict[str, Any]) -> None:
    text = json.dumps(without_chance(shown))
    for chance in (world.remote[provider], world.remote[provider].rpartition("/")[2]):
        text = text.replace(chance, "ID")
    found = json.loads(re.sub(r"prediction-model-[0-9T:.Z-]+", "prediction-model-MOMENT", text))
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert found == golden[provider][kind]


@pytest.mark.parametrize("provider", MODELS)
def test_the_seed_call_for_a_batch_of_ours(world: World, provider: str) -> None:
    """With each header alone, which is another one's as a rule, with all, and with none."""
    batch_id = world.batches[provider].id
    plain = world.get(f"/batches/{batch_id}")
    check_fields(plain)
    _golden(world, provider, "ours", plain)
    named = {"x-tfy-provider-name": provider, **HEADERS}
    for prefix in ("", "/v1"):
        for headers in (named, *({name: text} for name, text in named.items())):
            assert world.get(f"{prefix}/batches/{batch_id}", **headers) == plain, headers


@pytest.mark.parametrize("provider", MODELS)
def test_the_seed_call_for_a_job_of_the_provider(world: World, provider: str) -> None:
    """By the provider's own id, URL-encoded; the provider's name has to come with it."""
    named = {"x-tfy-provider-name": provider}
    path = f"/batches/{quote(world.remote[provider], safe='')}"
    plain = world.get(path, **named)
    check_fields(plain)
    _golden(world, provider, "theirs", plain)
    for prefix in ("", "/v1"):
        for headers in (HEADERS, *({name: text} for name, text in HEADERS.items())):
            assert world.get(prefix + path, **named, **headers) == plain, headers


def test_the_list_has_the_batches_of_all_of_them(world: World) -> None:
    """Newest first, page by page, and by filters; what it shows is what each call shows."""
    client = world.client()
    newest = [world.batches[name] for name in reversed(MODELS)]
    cases: list[tuple[dict[str, str], list[Batch]]] = [
        ({}, newest),
        *(({"provider": name}, [batch]) for name, batch in world.batches.items()),
        ({"status": "completed"}, newest),
        ({"status": "failed"}, []),
        ({"metadata[half]": "1"}, newest[:2]),
        ({"metadata[half]": "1", "provider": "openai-main"}, []),
        ({"endpoint": "/v1/chat/completions", "metadata[at]": "aws"}, newest[:1]),
    ]
    for query, found in cases:
        for limit in (1, 3, 20):
            assert list(client.batches.list(limit=limit, extra_query=query)) == found, query
    first = world.get("/batches?limit=2")
    assert [each["id"] for each in first["data"]] == [batch.id for batch in newest[:2]]
    assert (first["object"], first["has_more"], first["first_id"], first["last_id"]) == (
        "list",
        True,
        newest[0].id,
        newest[1].id,
    )
    rest = world.get(f"/v1/batches?after={first['last_id']}")
    assert [each["provider"] for each in first["data"] + rest["data"]] == list(reversed(MODELS))
    assert rest["has_more"] is False
    for name in ("x-tfy-provider-name", *HEADERS):
        text = {"x-tfy-provider-name": "aws", **HEADERS}[name]
        assert len(world.get("/batches", **{name: text})["data"]) == 4, name
