"""The log of a server: one line for each change of state, with its ids, and nothing secret."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

import openai
import pytest
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import CHAT, chat, jsonl
from tests.journeys.processes import eventually

CANARY = "canary-prompt-5b1f"
KEY = "sk-canary-key-of-a-team-0123456789"
WRONG = "sk-canary-wrong-key-0123456789"
UPSTREAM_KEY = "sk-canary-upstream-0123456789"
NAME = "canary-file-name"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_batch_from_end_to_end(
    new_simulator: NewSimulator, new_server: NewServer, form: str
) -> None:
    simulator = new_simulator()
    server = new_server(
        provider(simulator, api_key=UPSTREAM_KEY, limits={"max_attempts": 1}),
        auth={"keys": [{"name": "team-a", "tenant": "blue", "key": KEY}]},
        logging={"format": form, "level": "debug"},
    )
    client = server.client(KEY)
    asked = [chat("canary-id-1", f"{CANARY} [[500]]"), chat("canary-id-2", CANARY)]
    file = client.files.create(file=(f"{NAME}.jsonl", jsonl(asked)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    eventually("the end", lambda: client.batches.retrieve(batch.id).status == "completed")
    bad = client.files.create(file=("x.jsonl", jsonl(asked[:1]) * 2), purpose="batch")
    failed = client.batches.create(input_file_id=bad.id, endpoint=CHAT, completion_window="24h")
    eventually("the failure", lambda: client.batches.retrieve(failed.id).status == "failed")
    client.files.delete(file.id)
    upload = client.uploads.create(
        bytes=5, filename=f"{NAME}.jsonl", mime_type="application/jsonl", purpose="batch"
    )
    client.uploads.cancel(upload.id)
    stranger = server.client(WRONG)
    for _ in range(30):
        with pytest.raises(openai.AuthenticationError):
            stranger.batches.list()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.base_url}/batches")
    assert server.stop() == 0

    log = server.process.output()
    for secret in ("canary", KEY, WRONG, UPSTREAM_KEY):
        assert secret not in log, secret
    lines = events(log, form)
    told = [line["message"] for line in lines]
    for words in (
        *("server starts", "data", "provider configured", "listening", "file created"),
        *("batch created", "batch in_progress", "batch finalizing", "batch completed"),
        *("batch failed", "file deleted", "upload created", "upload cancelled", "server stops"),
    ):
        assert words in told, words
    # A flood of wrong keys is a few lines and not thirty.
    assert told.count("request refused") == 10
    created = lines[told.index("batch created")]
    assert created["batch"] == batch.id
    assert (created["file"], created["tenant"], created["key"]) == (file.id, "blue", "team-a")
    assert created["request"].startswith("req_")
    end = lines[told.index("batch completed")]
    assert (end["batch"], str(end["completed"]), str(end["failed"])) == (batch.id, "1", "1")
    assert 0 <= int(end["seconds"]) < 60
    assert lines[told.index("data")]["blobs"] == str(server.data / "blobs")
    assert lines[told.index("server stops")]["signal"] == "SIGTERM"


def events(log: str, form: str) -> list[dict[str, Any]]:
    if form == "json":
        return [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    found: list[dict[str, Any]] = []
    for line in log.splitlines():
        said = re.fullmatch(r"\S+ \S+ \w+ +[\w.]+: (.*)", line)
        if said is not None:
            words, *_ = re.split(r" \w+=", said[1], maxsplit=1)
            pairs = re.findall(r' (\w+)=("[^"]*"|\S+)', said[1])
            found.append({"message": words, **{n: v.strip('"') for n, v in pairs}})
    return found


def test_batches_that_go_on_are_named(new_simulator: NewSimulator, new_server: NewServer) -> None:
    server = new_server(provider(new_simulator(latency="30")), execution={"drain_timeout": 0})
    client = server.client()
    file = client.files.create(file=("x.jsonl", jsonl([chat("a")])), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    eventually("work", lambda: client.batches.retrieve(batch.id).status == "in_progress")
    server.stop()
    server.start()
    assert batch.id in server.process.line("batches resumed count=1")
    # In the order in which it happens: what starts is said before what goes on.
    told = [line["message"] for line in events(server.process.output(), "text")]
    start = len(told) - told[::-1].index("server starts")
    assert told[start:][:4] == ["data", "provider configured", "batches resumed", "listening"]
