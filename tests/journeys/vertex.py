"""The fake of Google as a provider of the journeys."""

from pathlib import Path
from typing import Any, Final

from tests.journeys.conftest import Configuration

from batchway.simulator.google import GoogleFake

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
