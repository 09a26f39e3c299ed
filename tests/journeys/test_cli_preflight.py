"""One line first: a wrong key, model or address ends `run` at once, and costs one request."""

import json
import time
from pathlib import Path
from typing import Any

from tests.journeys.cli_harness import batchway
from tests.journeys.cli_upstream import Reply, refused, said, upstream
from tests.journeys.lines import chats, jsonl
from tests.journeys.processes import Process

RUN = ("run", "in.jsonl", "-o", "out.jsonl")
KEY = "sk-do-not-show-this"


def test_a_refused_account_costs_one_request(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(300)))
    reply = refused(401, "invalid_api_key", f"Incorrect API key provided: {KEY}.")
    with upstream(lambda _: reply) as there:
        begun = time.monotonic()
        ended = batchway(
            *(*RUN, "--base-url", there.base_url, "--api-key-env", "K"),
            cwd=tmp_path,
            environ={"K": KEY},
        )
        took = time.monotonic() - begun
    host = there.base_url.removeprefix("http://").removesuffix("/v1")
    lines = ended.err.splitlines()
    assert (ended.code, ended.out, lines[-1]) == (
        1,
        "",
        f"Error: The provider 'endpoint' ({host}) refuses the key (401, invalid_api_key). Name the "
        "variable that holds its key with --api-key-env.",
    )
    assert KEY not in ended.err
    assert len(there.asked) == 1
    assert took < 20
    # Nothing is left in the way of the next try.
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_configured_provider_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(3)))
    with upstream(lambda _: refused(401, "invalid_api_key")) as there:
        provider = {"name": "vllm", "type": "openai-compatible", "base_url": there.base_url}
        (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [provider]}))
        ended = batchway(*RUN, cwd=tmp_path)
    assert ended.code == 1
    assert ended.err.endswith("Check `api_key` of the provider 'vllm'.\n")


def test_a_native_account_is_tried_before_anything_is_uploaded(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(3)))
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    ended = batchway(*RUN, cwd=tmp_path, environ=environ)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("Check `base_url` of the provider 'openai'.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_the_first_line_is_paid_once_and_goes_alone(tmp_path: Path) -> None:
    lines = chats(40)
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))
    alone: list[int] = []

    def answer(_: dict[str, Any]) -> Reply:
        if not alone:
            time.sleep(0.5)
            alone.append(len(there.asked))
        return said()

    with upstream(answer) as there:
        ended = batchway(*RUN, "--base-url", there.base_url, "--concurrency", "8", cwd=tmp_path)
    assert ended.code == 0
    assert alone == [1]
    assert len(there.asked) == len(lines)
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == len(lines)


def test_a_line_of_its_own_fault_does_not_end_a_run(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(5)))

    def answer(_: dict[str, Any]) -> Reply:
        return refused(400, "context_length_exceeded") if len(there.asked) == 1 else said()

    with upstream(answer) as there:
        ended = batchway(*RUN, "--base-url", there.base_url, cwd=tmp_path)
    assert ended.code == 3
    assert len(there.asked) == 5


def test_no_preflight_sends_on(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(5)))
    with upstream(lambda _: refused(404, "model_not_found")) as there:
        arguments = [*RUN, "--base-url", there.base_url, "--no-preflight"]
        process = Process(["-m", "batchway", *arguments], log=tmp_path / "run.log", cwd=tmp_path)
        process.line("(404 model_not_found)")  # it goes on, and says what it waits for
        assert there.asked
        assert process.stop() == 143


def test_a_route_with_another_provider_goes_on_there(tmp_path: Path) -> None:
    lines = [{**line, "body": {**line["body"], "model": "fast"}} for line in chats(5)]
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))
    with upstream(lambda _: refused(401)) as bad, upstream(lambda _: said()) as good:
        providers = [
            {"name": name, "type": "openai-compatible", "base_url": there.base_url}
            for name, there in (("bad", bad), ("good", good))
        ]
        targets = [{"provider": "bad", "model": "m"}]
        targets.append({"provider": "good", "model": "m", "fallback": True})  # type: ignore[dict-item]
        settings = {"providers": providers, "routes": [{"model": "fast", "targets": targets}]}
        (tmp_path / "batchway.yaml").write_text(json.dumps(settings))
        ended = batchway(*RUN, cwd=tmp_path)
    assert ended.code == 0
    assert len(good.asked) == 5


def test_model_replaces_the_lines_model(tmp_path: Path) -> None:
    lines = chats(3)
    del lines[1]["body"]["model"]
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))
    with upstream(lambda _: said()) as there:
        ended = batchway(*RUN, "--base-url", there.base_url, "--model", "qwen3-8b", cwd=tmp_path)
    assert ended.code == 0
    assert {body["model"] for body in there.asked} == {"qwen3-8b"}
    ended = batchway("check", "in.jsonl", "--model", "m", "--json", cwd=tmp_path)
    assert ended.code == 0
    assert json.loads(ended.out)["models"] == {"m": 3}
