"""What lines may be: every endpoint, real data, text files from elsewhere, odd ids."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import CHAT, chat, chats, completed, example, line, submit
from tests.journeys.processes import Server


@pytest.mark.parametrize(
    ("endpoint", "bodies"),
    [
        (
            "/v1/responses",
            [
                {"input": "a plain question"},
                {"input": [{"role": "user", "content": "a"}], "instructions": "Be brief."},
                {"input": "cut short", "max_output_tokens": 5},
            ],
        ),
        (
            "/v1/completions",
            [
                {"prompt": "once upon a time"},
                {"prompt": ["two", "at once"]},
                {"prompt": "many", "n": 3, "max_tokens": 7},
            ],
        ),
        (
            "/v1/moderations",
            [{"input": "is this fine?"}, {"input": ["one", "two"]}],
        ),
        (
            "/v1/embeddings",
            [
                {"input": "one text"},
                {"input": ["several", "texts"], "dimensions": 4},
                {"input": [1, 2, 3], "encoding_format": "base64"},
            ],
        ),
        (
            CHAT,
            [
                {"messages": [{"role": "user", "content": "☃ naïve"}], "n": 2},
                {
                    "messages": [
                        {"role": "system", "content": "Look."},
                        {"role": "user", "content": [{"type": "text", "text": "in parts"}]},
                    ],
                    "max_tokens": 3,
                },
            ],
        ),
    ],
)
def test_every_endpoint(plain_server: Server, endpoint: str, bodies: list[Any]) -> None:
    client = plain_server.client()
    asked = [line(f"r-{number}", endpoint, model="m", **body) for number, body in enumerate(bodies)]
    completed(client, submit(client, asked, endpoint=endpoint), asked)


def test_moderations_need_no_model(plain_server: Server) -> None:
    client = plain_server.client()
    asked = [line("r", "/v1/moderations", input="is this fine?")]
    last = completed(client, submit(client, asked, endpoint="/v1/moderations"), asked)
    assert last.model == "omni-moderation-latest"


def test_real_questions_end_to_end(new_simulator: NewSimulator, new_server: NewServer) -> None:
    simulator = new_simulator(
        latency="lognormal:0.05,0.5", error_rate=0.02, reset_rate=0.01, seed=1, record=True
    )
    server = new_server(provider(simulator, limits={"max_attempts": 10}))
    client = server.client()
    path, asked = example("gsm8k_test.batch.jsonl")
    file = client.files.create(file=path, purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    completed(client, batch, asked)

    paid = simulator.stats()["requests_by_digest"]
    # Nothing was killed, so nothing was asked for twice but what failed.
    assert (len(paid), set(paid.values())) == (1_319, {1})


def test_real_texts_are_embedded(plain_server: Server) -> None:
    client = plain_server.client()
    path, asked = example("gsm8k_test.embeddings.jsonl")
    file = client.files.create(file=path, purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
    )
    completed(client, batch, asked)


def test_windows_text_files_are_read(plain_server: Server, tmp_path: Path) -> None:
    """A byte order mark, CRLF, blank lines, and no newline at the end."""
    client = plain_server.client()
    asked = chats(5)
    text = "\r\n".join(json.dumps(each, ensure_ascii=False) for each in asked)
    path = tmp_path / "from-windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\r\n", "\r\n\r\n", 1).encode())
    file = client.files.create(file=path, purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    completed(client, batch, asked)


def test_an_odd_custom_id_comes_back_as_it_was(plain_server: Server) -> None:
    client = plain_server.client()
    asked = [chat(custom_id, "same") for custom_id in ('"quoted"\n', "☃", " ", "a/b\\c", "x" * 500)]
    completed(client, submit(client, asked), asked)
