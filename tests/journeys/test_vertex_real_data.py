"""The real data of `examples/` on Vertex AI, as jobs and line by line, in every family's language.

GSM8K's questions: 1,319 lines of chat and 500 of embeddings, whose bodies name OpenAI's models;
the header names Google's. Every answer is a function of its own line's prompt and of the model.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from tests.journeys.conftest import running_servers
from tests.journeys.lines import completed, example, submit
from tests.journeys.processes import Server
from tests.journeys.vertex import BUCKET, CLAUDE, GEMINI, LLAMA, named, vertex

from batchway.simulator.google import GoogleFake, running

CHAT, EMBEDDINGS = "gsm8k_test.batch.jsonl", "gsm8k_test.embeddings.jsonl"
DATA: Final = [
    (CHAT, GEMINI),
    (CHAT, CLAUDE),
    (CHAT, LLAMA),
    (EMBEDDINGS, "gemini-embedding-001"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GoogleFake, Server]]:
    """One fake, and a server that calls it in both modes."""
    folder = tmp_path_factory.mktemp("real-data")
    with (
        running(shuffle=True, duplicate_rows=0.1, shards=3, folder_markers=True) as fake,
        running_servers(folder) as servers,
    ):
        jobs = {"mode": "native", "bucket": BUCKET, "native": {"max_lines": 400}}
        yield (
            fake,
            servers(
                vertex(fake, folder, "native", **jobs),
                vertex(fake, folder, "managed", mode="managed"),
            ),
        )


@pytest.mark.parametrize("mode", ["native", "managed"])
@pytest.mark.parametrize(("name", "model"), DATA)
def test_every_answer_belongs_to_its_line(
    world: tuple[GoogleFake, Server], name: str, model: str, mode: str
) -> None:
    fake, server = world
    before = fake.stats()
    _, asked = example(name)
    client = server.client()
    headers = {"x-tfy-provider-name": mode, "x-tfy-provider-model": model}
    batch = submit(client, asked, endpoint=asked[0]["url"], extra_headers=headers)

    last = completed(client, batch, asked, models=named(asked, model), within=120)

    stats = fake.stats()
    assert last.usage is not None
    assert last.usage.input_tokens > len(asked)
    made = len(stats["creates"]) - len(before["creates"])
    lines, online = (stats[count] - before[count] for count in ("lines", "online"))
    if mode == "native":
        assert (made, lines, online) == (-(-len(asked) // 400), len(asked), 0)
    else:
        assert (made, lines, online) == (0, 0, len(asked))
    assert stats["objects"] == {}
    assert stats["jobs"] == []
