"""The fake of Google as a provider of the journeys."""

from pathlib import Path
from typing import Any, Final, cast

from google import genai
from google.genai.types import CreateBatchJobConfig, HttpOptions
from google.oauth2.credentials import Credentials
from openai.types import Batch
from tests.journeys.conftest import Configuration
from tests.journeys.lines import Line

from batchway.simulator.google import GoogleFake
from batchway.simulator.languages.prompts import of_openai

PROJECT: Final = "fake-project"
BUCKET: Final = "bucket-of-tests"
GEMINI: Final = "gemini-2.5-flash"
CLAUDE: Final = "claude-sonnet-4-5"
LLAMA: Final = "meta/llama-3.3-70b-instruct-maas"
QUICK: Final = {"poll_min": 0.05, "poll_max": 0.3, "settle": 0.5, "lateness": 3}


def vertex(fake: GoogleFake, folder: Path, name: str = "vertex", **further: Any) -> Configuration:
    """The fake as a provider, with a key that was made for it."""
    key = folder / f"{name}-key.json"
    if not key.exists():
        fake.key_file(key, project=PROJECT)
    return {
        "name": name,
        "type": "google-vertex",
        "project": PROJECT,
        "credentials_file": str(key),
        "base_url": fake.url,
        "storage_url": fake.url,
        **further,
        "native": {**QUICK, **further.get("native", {})},
    }


def plainly(line: Line) -> Line:
    """The line with its messages as the fake reads them, whatever wire they came on."""
    return {**line, "body": {**line["body"], "messages": of_openai(line["body"])}}


def named(asked: list[Line], model: str) -> dict[str, str]:
    """Every line was run by that model."""
    return {each["custom_id"]: model for each in asked}


def run_online(batch: Batch) -> list[dict[str, Any]]:
    """What a batch tells of lines that run online instead of in a job."""
    return cast("list[dict[str, Any]]", (batch.model_extra or {})["run_online"])


def nothing_is_left(fake: GoogleFake) -> None:
    """No object, no job, and nothing that was run twice."""
    stats = fake.stats()
    assert stats["objects"] == {}
    assert stats["jobs"] == []
    assert set(stats["creates_by_name"].values()) <= {1}
    assert set(stats["lines_by_digest"].values()) <= {1}


def made_with_googles_client(
    fake: GoogleFake,
    source: str,
    results: str,
    *,
    model: str = GEMINI,
    location: str = "us-central1",
) -> str:
    """The name of a job that nobody made through Batchway."""
    client = genai.Client(
        vertexai=True,
        project=PROJECT,
        location=location,
        credentials=Credentials("a-token-of-somebody"),  # pyright: ignore[reportNoUntypedCall, reportUnknownArgumentType] - its stubs are partial
        http_options=HttpOptions(base_url=fake.url),
    )
    made = client.batches.create(
        model=model, src=source, config=CreateBatchJobConfig(dest=results, display_name="theirs")
    )
    assert made.name is not None
    return made.name
