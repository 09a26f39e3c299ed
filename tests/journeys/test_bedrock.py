"""AWS Bedrock line by line: every model's dialect, who calls, routes, and mistakes of a set-up."""

from collections.abc import Iterator

import openai
import pytest
from tests.journeys.bedrock import CLAUDE, LLAMA, NOVA, bedrock
from tests.journeys.conftest import running_servers
from tests.journeys.lines import (
    chats,
    check,
    completed,
    counts,
    ended,
    line,
    results,
    submit,
)
from tests.journeys.processes import Server, eventually

from batchway.simulator.aws import BedrockFake, running

EMBEDDINGS, RESPONSES = "/v1/embeddings", "/v1/responses"


def _said(client: openai.OpenAI, batch_id: str, words: str) -> str:
    """What a batch says once it says these words."""

    def look() -> str:
        said = str(client.batches.retrieve(batch_id).to_dict()["status_details"] or "")
        return said if words in said else ""

    return eventually(words, look)


# ----------------------------------------------------------------------------- every dialect


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BedrockFake, Server]]:
    """A server over a fake that is well, unless a test dials it otherwise and back."""
    folder = tmp_path_factory.mktemp("bedrock")
    with running() as fake, running_servers(folder) as servers:
        yield fake, servers(bedrock(fake))


def test_chat_of_every_maker_in_one_file(aws: tuple[BedrockFake, Server]) -> None:
    fake, server = aws
    client = server.client()
    asked = [
        *chats(40, "claude", model=CLAUDE),
        *chats(40, "nova", model=f"aws/{NOVA}"),
        *chats(40, "llama", model=LLAMA),
    ]
    asked = [asked[at * 7 % len(asked)] for at in range(len(asked))]
    models = {
        each["custom_id"]: {"claude": CLAUDE, "nova": NOVA, "llama": LLAMA}[
            each["custom_id"].partition("-")[0]
        ]
        for each in asked
    }
    last = completed(client, submit(client, asked), asked, models=models)
    stats = fake.stats()
    assert last.usage is not None
    assert last.usage.output_tokens > 0
