"""Bedrock's jobs from the command line: a file is checked without keys, and run with them."""

import json
from pathlib import Path

import pytest
from tests.journeys.bedrock import BUCKET, CLAUDE, ROLE, bedrock, named, nothing_is_left
from tests.journeys.cli_harness import batchway
from tests.journeys.lines import Results, chat, chats, check, jsonl

from batchway.simulator.aws import running

pytestmark = pytest.mark.xdist_group("s3")

JAMBA = "ai21.jamba-1-5-mini-v1:0"


@pytest.mark.parametrize("mode", ["auto", "native", "managed"])
def test_a_file_is_checked_for_what_each_model_takes(tmp_path: Path, mode: str) -> None:
    entry = {
        "name": "b",
        "type": "aws-bedrock",
        "region": "us-east-1",
        "bucket": "my-bucket",
        "role_arn": ROLE,
        "mode": mode,
        "profile": "nobody-has-this",
        "models": {JAMBA: "converse"},
    }
    (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [entry]}))
    tools = [{"type": "function", "function": {"name": "now"}}]
    lines = [
        *chats(100, model=CLAUDE),
        chat("n", model=CLAUDE, n=2),
        *chats(100, "jamba", model=JAMBA),
        chat("tools", model=JAMBA, tools=tools),
    ]
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))

    ended = batchway("check", "in.jsonl", "--json", cwd=tmp_path)

    told = json.loads(ended.out)
    assert ended.code == 1
    assert [(each["line"], each["code"], each["param"]) for each in told["problems"]] == [
        (101, "unsupported_parameter", "body.n"),
        *([(202, "unsupported_parameter", "body.tools")] if mode == "native" else []),
    ]
    assert [each["lines"] for each in told["run_online"]] == ([1] if mode == "auto" else [])


def test_a_run_ends_where_the_account_may_make_no_job_and_goes_on_when_it_may(
    tmp_path: Path,
) -> None:
    """As with a bad key: a permission that is missing does not come by itself."""
    asked = chats(100, model=CLAUDE)
    (tmp_path / "in.jsonl").write_bytes(jsonl(asked))
    run = ("run", "in.jsonl", "-o", "out.jsonl")
    with running(denied=["iam:PassRole"]) as fake:
        fake.make_bucket(BUCKET)
        entry = bedrock(fake, mode="native", bucket=BUCKET, role_arn=ROLE)
        (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [entry]}))
        refused = batchway(*run, cwd=tmp_path)
        fake.control(denied=[])
        again = batchway(*run, cwd=tmp_path)
        nothing_is_left(fake)
        assert len(fake.stats()["jobs"]) == 1
    assert (refused.code, again.code) == (1, 0), again.err
    last = refused.err.splitlines()[-1]
    assert last.startswith("Error: The provider 'aws' answered 403")
    assert "iam:PassRole on the role `role_arn`" in last
    written = (tmp_path / "out.jsonl").read_bytes().splitlines()
    results = Results(output=[json.loads(each) for each in written])
    check(asked, results, models=named(asked, CLAUDE))
