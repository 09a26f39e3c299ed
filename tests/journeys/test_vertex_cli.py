"""Vertex AI from the command line: a file is checked without a key, and run with one."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli_harness import batchway
from tests.journeys.lines import Results, chat, chats, check, example, jsonl
from tests.journeys.vertex import BUCKET, CLAUDE, GEMINI, nothing_is_left, vertex

from batchway.simulator.google import running


@pytest.mark.parametrize("mode", ["auto", "native", "managed"])
def test_a_file_is_checked_for_what_each_model_takes(tmp_path: Path, mode: str) -> None:
    """With line and parameter, in every mode, and where there is no key file at all."""
    entry = {
        "name": "v",
        "type": "google-vertex",
        "project": "my-project",
        "bucket": "my-bucket",
        "mode": mode,
        "credentials_file": "missing.json",
    }
    (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [entry]}))
    lines = [
        chat("a", model=GEMINI, user="u", seed=1),
        chat("b", model=GEMINI, logit_bias={"1": 2}),
        chat("c", model=CLAUDE, n=2),
        chat("d", model="no-such-model"),
        chat("e", model=CLAUDE, user="u", seed=1),
        chat("f", model=GEMINI),
    ]
    # Which a job does not fetch, and a call does.
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    lines[-1]["body"]["messages"] = [{"role": "user", "content": [image]}]
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))

    ended = batchway("check", "in.jsonl", "--json", cwd=tmp_path)

    told = json.loads(ended.out)
    assert ended.code == 1
    of_job = (6, "unsupported_parameter", "body.messages[0].content[0].image_url.url")
    assert [(each["line"], each["code"], each["param"]) for each in told["problems"]] == [
        (2, "unsupported_parameter", "body.logit_bias"),
        (3, "unsupported_parameter", "body.n"),
        (4, "model_not_found", "body.model"),
        *([of_job] if mode == "native" else []),
    ]
    assert [each["lines"] for each in told["run_online"]] == ([1] if mode == "auto" else [])
    assert told["warnings"] == {"user": 2, "seed": 1}


def test_a_run_ends_where_the_account_may_make_no_job_and_goes_on_when_it_may(
    tmp_path: Path,
) -> None:
    """As with a bad key: a role that is missing does not come by itself."""
    asked = chats(3, model=GEMINI)
    (tmp_path / "in.jsonl").write_bytes(jsonl(asked))
    denied = "aiplatform.batchPredictionJobs.create"
    run = ("run", "in.jsonl", "-o", "out.jsonl")
    with running(denied=[denied]) as fake:
        entry = vertex(fake, tmp_path, mode="native", bucket=BUCKET)
        (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [entry]}))
        refused = batchway(*run, cwd=tmp_path)
        fake.control(denied=[])
        again = batchway(*run, cwd=tmp_path)
        nothing_is_left(fake)
    assert (refused.code, again.code) == (1, 0)
    last = refused.err.splitlines()[-1]
    assert last.startswith("Error: The provider 'vertex' answered 403")
    assert f"roles/aiplatform.user) in the project 'fake-project', for {denied}" in last
    assert "goes on trying" not in refused.err


@pytest.mark.parametrize("further", [{"mode": "native", "bucket": BUCKET}, {"mode": "managed"}])
def test_a_file_is_run(tmp_path: Path, further: dict[str, Any]) -> None:
    _, asked = example("gsm8k_test.batch.jsonl")
    asked = [{**each, "body": {**each["body"], "model": GEMINI}} for each in asked[:100]]
    asked += chats(20, model=CLAUDE)
    (tmp_path / "in.jsonl").write_bytes(jsonl(asked))
    with running(shuffle=True, shards=2) as fake:
        entry = vertex(fake, tmp_path, **further)
        (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [entry]}))
        ended = batchway("run", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
        made = len(fake.stats()["creates"])
        nothing_is_left(fake)
    assert (ended.code, made) == (0, 2 if further["mode"] == "native" else 0), ended.err
    written = (tmp_path / "out.jsonl").read_bytes().splitlines()
    check(asked, Results(output=[json.loads(each) for each in written]))
