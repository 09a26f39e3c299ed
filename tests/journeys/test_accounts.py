"""Account or line, over real servers: an account's bad hour costs no line, a bad line no batch."""

import json
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import yaml
from tests.journeys.conftest import NewServer, NewSimulator, configuration, provider
from tests.journeys.lines import (
    chat,
    chats,
    completed,
    counts,
    ended,
    reached,
    results,
    submit,
)
from tests.journeys.processes import Server, eventually

_ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}}]}


def _said(client: openai.OpenAI, batch_id: str, words: str) -> str:
    """What a batch says once it says these words."""

    def look() -> str:
        said = str(client.batches.retrieve(batch_id).to_dict()["status_details"] or "")
        return said if words in said else ""

    return eventually(words, look)


def _configure(server: Server, *providers: dict[str, Any]) -> None:
    """Write the configuration of the next start."""
    text = yaml.safe_dump(configuration(*providers))
    (server.directory / "batchway.yaml").write_text(text)


def test_a_key_that_is_revoked_and_restored(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    simulator = new_simulator(latency=0.02, api_key="good", record=True)
    server = new_server(provider(simulator, api_key="good", limits={"concurrency": 8}))
    client = server.client()
    asked = chats(300)
    batch = submit(client, asked)
    reached(client, batch, completed=40)
    simulator.dial(api_key="another")
    said = _said(client, batch.id, "refused its credentials")
    assert "(401 invalid_api_key)" in said
    assert counts(client.batches.retrieve(batch.id))[2] == 0
    simulator.dial(api_key="good")
    completed(client, batch, asked)

    assert set(simulator.stats()["requests_by_digest"].values()) == {1}
    told = [line for line in server.process.output().splitlines() if "provider 'sim'" in line]
    assert len(told) == 2, told
    assert "denies every request (401 invalid_api_key)" in told[0]
    assert "answers again" in told[1]
    assert "good" not in "".join(told)


def test_a_provider_that_is_renamed_and_comes_back(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    simulator = new_simulator(latency=0.02, record=True)
    ours = provider(simulator, limits={"concurrency": 8})
    server = new_server(ours)
    client = server.client()
    asked = [*chats(150, model="sim/m"), *chats(150, "s")]
    batch = submit(client, asked)
    reached(client, batch, completed=40)
    assert server.stop() == 0

    _configure(server, {**ours, "name": "renamed"})
    server.start()
    client = server.client()
    said = _said(client, batch.id, "'sim'")
    assert said.startswith("The provider 'sim' that this batch was accepted for is not configured")
    now = client.batches.retrieve(batch.id)
    assert (now.status, counts(now)[2]) == ("in_progress", 0)
    assert server.stop() == 0

    _configure(server, ours)
    server.start()
    models = {line["custom_id"]: "m" for line in asked}
    completed(server.client(), batch, asked, models=models)
    assert set(simulator.stats()["requests_by_digest"].values()) == {1}


def test_a_few_bad_lines_hold_nobody_up(new_simulator: NewSimulator, new_server: NewServer) -> None:
    """With few attempts and at the end of the file; with the defaults it is a test in no time."""
    limits = {"concurrency": 16, "max_attempts": 3}
    server = new_server(provider(new_simulator(latency=0.02), limits=limits))
    client = server.client()
    asked = [*chats(196), *(chat(f"bad-{n}", f"[[500]] {n}") for n in range(4))]
    last = ended(client, submit(client, asked), within=60)
    assert (last.status, counts(last)) == ("completed", (200, 196, 4))
    assert results(client, last).codes() == {f"bad-{n}": 500 for n in range(4)}


@contextmanager
def _upstream(
    answers: dict[str, list[tuple[int, dict[str, Any]]]],
) -> Generator[tuple[str, Counter[str]]]:
    """A server that answers each prompt from its list, the last for ever."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, {"data": []})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompt = body["messages"][0]["content"]
            script = answers.get(prompt, [(200, _ANSWER)])
            status, said = script[min(asked[prompt], len(script) - 1)]
            asked[prompt] += 1
            self._answer(status, said)

        def _answer(self, status: int, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_errors_in_a_200_and_payments_that_are_due(new_server: NewServer) -> None:
    def within(code: int) -> tuple[int, dict[str, Any]]:
        return 200, {"error": {"code": code, "message": "upstream"}, **_ANSWER}

    due = (402, {"error": {"code": 402, "message": "Insufficient credits"}})
    first = {
        "once": [within(502), (200, _ANSWER)],
        "always": [within(400)],
        "paid": [due],
    }
    with _upstream(first) as (url, asked), _upstream({}) as (other_url, _):
        main = {"name": "main", "type": "openai-compatible", "base_url": url}
        spare = {"name": "spare", "type": "openai-compatible", "base_url": other_url}
        targets = [
            {"provider": "main", "model": "x"},
            {"provider": "spare", "model": "x", "fallback": True},
        ]
        server = new_server(main, spare, routes=[{"model": "fb", "targets": targets}])
        client = server.client()
        lines = [
            chat("once", "once", model="main/m"),
            chat("always", "always", model="main/m"),
            chat("null", "null", model="main/m"),
            chat("paid", "paid", model="fb"),
        ]
        last = ended(client, submit(client, lines))
        given = results(client, last)
    assert counts(last) == (4, 3, 1)
    assert given.codes() == {"always": 400}
    assert given.errors[0]["response"]["body"]["error"] == {"code": 400, "message": "upstream"}
    assert (asked["once"], asked["always"], asked["paid"]) == (2, 1, 1)
