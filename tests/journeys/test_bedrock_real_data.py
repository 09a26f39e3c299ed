"""The real data of `examples/` on AWS Bedrock, as jobs and line by line, in every language there.

GSM8K's questions: 1,319 lines of chat and 500 of embeddings, whose bodies name OpenAI's models;
the header names Bedrock's. Every answer is a function of its own line's prompt and of the model.
Jobs take all of the lines; line by line, Claude does, and the other languages some hundreds.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from tests.journeys.bedrock import (
    BUCKET,
    CLAUDE,
    LLAMA,
    NOVA,
    ROLE,
    bedrock,
    named,
    nothing_is_left,
)
from tests.journeys.conftest import running_servers
from tests.journeys.lines import completed, example, submit
from tests.journeys.processes import Server

from batchway.simulator.aws import BedrockFake, running

pytestmark = pytest.mark.xdist_group("s3")

CHAT, EMBEDDINGS = "gsm8k_test.batch.jsonl", "gsm8k_test.embeddings.jsonl"
GPT_OSS: Final = "openai.gpt-oss-20b-1:0"
JAMBA: Final = "ai21.jamba-1-5-mini-v1:0"  # said to speak Converse in jobs, too
SOME: Final = 300
DATA: Final = [
    (CHAT, CLAUDE),
    (CHAT, NOVA),
    (CHAT, LLAMA),
    (CHAT, GPT_OSS),
    (CHAT, JAMBA),
    (EMBEDDINGS, "amazon.titan-embed-text-v2:0"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BedrockFake, Server]]:
    """One fake, and a server that calls it in both modes."""
    folder = tmp_path_factory.mktemp("real-data")
    with (
        running(shuffle=True, duplicate_rows=0.1, shards=3) as fake,
        running_servers(folder) as servers,
    ):
        fake.make_bucket(BUCKET)
        own = {"models": {JAMBA: "converse"}}
        jobs = {"mode": "native", "bucket": BUCKET, "role_arn": ROLE, "native": {"max_lines": 400}}
        yield (
            fake,
            servers(
                bedrock(fake, "native", **jobs, **own),
                bedrock(fake, "managed", mode="managed", **own),
            ),
        )


@pytest.mark.parametrize("mode", ["native", "managed"])
@pytest.mark.parametrize(("name", "model"), DATA)
def test_every_answer_belongs_to_its_line(
    world: tuple[BedrockFake, Server], name: str, model: str, mode: str
) -> None:
    fake, server = world
    before = fake.stats()
    _, asked = example(name)
    if mode == "managed" and model != CLAUDE:
        asked = asked[:SOME]
    client = server.client()
    headers = {"x-tfy-provider-name": mode, "x-tfy-aws-bedrock-model": model}
    batch = submit(client, asked, endpoint=asked[0]["url"], extra_headers=headers)

    last = completed(client, batch, asked, models=named(asked, model), within=120)

    stats = fake.stats()
    assert last.usage is not None
    assert last.usage.input_tokens > len(asked)
    made = len(stats["creates"]) - len(before["creates"])
    lines, online = (stats[count] - before[count] for count in ("lines", "online"))
    if mode == "native":
        assert (made, lines, online) == (-(-len(asked) // 400), len(asked), 0)
        nothing_is_left(fake)
    else:
        assert (made, lines, online) == (0, 0, len(asked))
