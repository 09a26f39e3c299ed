"""The official OpenAI client on a fake, and the steps that tests take with it."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import openai
from openai.types import Batch
from tests.contract.fake_lines import CHAT

from batchway.simulator.batches import Fake

ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})

T = TypeVar("T")


@contextmanager
def client(fake: Fake) -> Generator[openai.OpenAI]:
    """The official client."""
    with openai.OpenAI(base_url=fake.base_url, api_key="sk-test", max_retries=0) as opened:
        yield opened


@contextmanager
def azure(fake: Fake, family: str) -> Generator[openai.OpenAI]:
    """The official client in either of the ways that Azure is called."""
    if family == "api-version":
        opened: openai.OpenAI = openai.AzureOpenAI(
            azure_endpoint=fake.base_url,
            api_key="k-test",
            api_version="2025-03-01-preview",
            max_retries=0,
        )
    else:
        opened = openai.OpenAI(
            base_url=f"{fake.base_url}/openai/v1/", api_key="k-test", max_retries=0
        )
    with opened:
        yield opened


def submit(
    sdk: openai.OpenAI,
    content: bytes,
    *,
    endpoint: Any = CHAT,
    name: str = "t-1.jsonl",
    metadata: dict[str, str] | None = None,
) -> Batch:
    """Upload a file, wait until it is ready, and make a batch of it."""
    file = sdk.files.create(file=(name, content), purpose="batch")
    eventually(lambda: sdk.files.retrieve(file.id), lambda found: found.status == "processed")
    return sdk.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", metadata=metadata
    )


def ended(sdk: openai.OpenAI, batch: Batch) -> Batch:
    """The batch, once it is over."""
    return eventually(lambda: sdk.batches.retrieve(batch.id), lambda found: found.status in ENDED)


def eventually(look: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """What is seen, once it is as told."""
    deadline = time.monotonic() + 30
    while not holds(seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It never came to that: {seen}")
        time.sleep(0.01)
    return seen
