"""The official clients of Google's, Anthropic's and OpenAI's on the fake, and steps with them."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import openai
from anthropic.lib.vertex import AnthropicVertex
from google import genai
from google.cloud import storage
from google.genai import types
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials
from obstore.store import GCSStore

from batchway.simulator.google import GoogleFake

PROJECT: Final = "fake-project"
REGION: Final = "us-central1"
GEMINI: Final = "gemini-2.5-flash"
CLAUDE: Final = "claude-opus-4-6@20260101"
BUCKET: Final = "bucket"
_ENDED: Final = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


def gen_ai(fake: GoogleFake, *, location: str = REGION, version: str | None = None) -> genai.Client:
    """Google's client of Vertex AI. It closes its connections once it is let go of."""
    return genai.Client(
        vertexai=True,
        project=PROJECT,
        location=location,
        credentials=Credentials(token="t-1"),
        http_options=types.HttpOptions(base_url=fake.url, api_version=version),
    )


def buckets(fake: GoogleFake) -> storage.Client:
    """Google's client of Cloud Storage, with tokens by a service account's key."""
    return storage.Client(
        project=PROJECT,
        credentials=service_account.Credentials.from_service_account_info(
            fake.key(), scopes=[_SCOPE]
        ),
        client_options={"api_endpoint": fake.url},
    )


def store(fake: GoogleFake, bucket: str = BUCKET, *, retries: int = 0) -> GCSStore:
    """obstore's client of a bucket."""
    return GCSStore(
        bucket,
        config={"base_url": fake.url, "bearer_token": "t-1"},
        client_options={"allow_http": True},
        retry_config={"max_retries": retries},
    )


def claude(fake: GoogleFake) -> AnthropicVertex:
    """Anthropic's client of Claude on Vertex AI."""
    return AnthropicVertex(
        base_url=f"{fake.url}/v1",
        project_id=PROJECT,
        region=REGION,
        access_token="t-1",
        max_retries=0,
    )


def maas(fake: GoogleFake) -> openai.OpenAI:
    """OpenAI's client on the endpoint of the platform that speaks its language."""
    return openai.OpenAI(
        base_url=f"{fake.url}/v1/projects/{PROJECT}/locations/{REGION}/endpoints/openapi",
        api_key="t-1",
        max_retries=0,
    )


def line(number: int, **request: Any) -> dict[str, Any]:
    """A line of Gemini's, named twice; `request` is laid over its request."""
    name = f"r{number:010}"
    return {
        "custom_id": name,
        "request": {
            "contents": [{"role": "user", "parts": [{"text": f"Line {number}: é漢😀"}]}],
            "labels": {"batchway_line": name},
            **request,
        },
    }


def lines(count: int) -> list[dict[str, Any]]:
    """Plain lines, numbered from 0."""
    return [line(number) for number in range(count)]


def jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as a file."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def submit(
    fake: GoogleFake,
    rows: Iterable[Mapping[str, Any]] | bytes,
    *,
    model: str = GEMINI,
    name: str = "t-1",
    location: str = REGION,
) -> types.BatchJob:
    """Lay a file into the bucket and make a job of it."""
    data = rows if isinstance(rows, bytes) else jsonl(rows)
    fake.put(f"gs://{BUCKET}/in/{name}.jsonl", data)
    client = gen_ai(fake, location=location)
    return client.batches.create(
        model=model,
        src=f"gs://{BUCKET}/in/{name}.jsonl",
        config=types.CreateBatchJobConfig(display_name=name, dest=f"gs://{BUCKET}/out/{name}"),
    )


def look(fake: GoogleFake, job: types.BatchJob) -> types.BatchJob:
    """The job now."""
    assert job.name is not None
    client = gen_ai(fake)
    return client.batches.get(name=job.name)


def ended(fake: GoogleFake, job: types.BatchJob) -> types.BatchJob:
    """The job, once it is over."""
    deadline = time.monotonic() + 30
    # What the client takes for `done` does not know JOB_STATE_PARTIALLY_SUCCEEDED.
    while state_of(seen := look(fake, job)) not in _ENDED:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The job did not end: {seen.state}")
        time.sleep(0.01)
    return seen


def state_of(job: types.BatchJob) -> str:
    """The state, without its prefix."""
    assert job.state is not None
    return job.state.value.removeprefix("JOB_STATE_")


def directory(job: types.BatchJob) -> str:
    """The output directory, as the URI that it is."""
    assert job.output_info is not None
    assert job.output_info.gcs_output_directory is not None
    return job.output_info.gcs_output_directory


def files(fake: GoogleFake, job: types.BatchJob) -> dict[str, bytes]:
    """The output of a job: bytes by the name below its directory."""
    start = directory(job) + "/"
    found = [uri for uri in fake.objects() if uri.startswith(start)]
    return {uri.removeprefix(start): fake.read(uri) for uri in found}


def rows_of(fake: GoogleFake, job: types.BatchJob) -> list[dict[str, Any]]:
    """The rows of all files of a job."""
    whole = b"".join(data for _, data in sorted(files(fake, job).items()))
    return [json.loads(row) for row in whole.splitlines()]
