"""Pipes and packed files as input, standard output for results."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journeys.cli_harness import Ended, batchway
from tests.journeys.lines import chats, jsonl
from tests.journeys.processes import Simulator, environment
from typer.testing import CliRunner

from batchway.cli.app import app
from batchway.cli.failures import CommandError
from batchway.cli.inputs import opened

LINES = jsonl(chats(5))


def piped(cwd: Path, data: bytes, *arguments: str) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "batchway", *arguments],
        cwd=cwd,
        env=environment(),
        input=data,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Ended(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


def ids(text: str) -> list[str]:
    return [json.loads(line)["custom_id"] for line in text.splitlines()]


def test_a_pipe_from_end_to_end(plain_simulator: Simulator, tmp_path: Path) -> None:
    arguments = ("-o", "-", "--base-url", plain_simulator.base_url)
    ended = piped(tmp_path, gzip.compress(LINES), "run", "-", *arguments)
    assert ended.code == 0, ended.err
    # Results, and nothing else.
    assert ids(ended.out) == [line["custom_id"] for line in chats(5)]
    assert "5 of 5 lines completed" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_packed_file(plain_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(LINES))
    ended = batchway(
        *("run", "in.jsonl.gz", "-o", "out.jsonl", "--base-url", plain_simulator.base_url),
        *("--json",),
        cwd=tmp_path,
    )
    assert ended.code == 0
    summary = json.loads(ended.out)
    assert {name: summary[name] for name in ("status", "lines", "completed", "output")} == {
        "status": "completed",
        "lines": 5,
        "completed": 5,
        "output": "out.jsonl",
    }
    assert ids((tmp_path / "out.jsonl").read_text()) == [line["custom_id"] for line in chats(5)]


def test_check_of_a_pipe(tmp_path: Path) -> None:
    ended = piped(tmp_path, LINES + b"{\n", "check", "/dev/stdin", "--json")
    assert ended.code == 1
    assert json.loads(ended.out)["problems"][0]["line"] == 6


def test_json_and_results_do_not_share_standard_output(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(LINES)
    ended = batchway("run", "in.jsonl", "-o", "-", "--json", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "--json cannot" in ended.err


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.gz", b"plain", "a.gz is not packed with gzip, although its name says so."),
        (
            "b.jsonl",
            gzip.compress(LINES * 100)[:-40],
            "b.jsonl cannot be unpacked: it is damaged or cut short.",
        ),
    ],
)
def test_what_cannot_be_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(CommandError) as raised, opened(Path(name)):
        pass
    assert raised.value.message == sentence


def test_another_model_keeps_every_line_at_its_number(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"custom_id":"a","x":1.0,"body":{"model":"m","t":1e400}}\n\n{no\n'
    )
    with opened(path, model="n") as lines:
        assert lines.path.read_bytes().splitlines() == [
            b'\xef\xbb\xbf{"custom_id":"a","x":1.0,"body":{"model":"n","t":1e400}}',
            b"",
            b"{no",
        ]
    assert not lines.path.exists()


def test_lines_may_leave_out_what_flags_say(tmp_path: Path) -> None:
    """TrueFoundry's line forms, whose headers are flags here."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(
        b'{"custom_id":"a","body":{"x":1}}\n{"custom_id":"b","url":null,"method":"GET","body":{}}\n'
    )
    with opened(path, model="n", endpoint="/v1/embeddings") as lines:
        records = [json.loads(line) for line in lines.path.read_bytes().splitlines()]
    there = "/v1/embeddings"
    assert records == [
        {
            "custom_id": "a",
            "body": {"x": 1, "model": "n"},
            "method": "POST",
            "url": "/v1/embeddings",
        },
        {"custom_id": "b", "url": there, "method": "GET", "body": {"model": "n"}},
    ]
    # Whole lines are not copied, and not written again.
    path.write_bytes(b'{"custom_id":"a","method":"POST","url":"/v1/x","body":{}}\n')
    with opened(path, endpoint="/v1/embeddings") as lines:
        assert lines.path == path


def test_check_of_lines_that_leave_out_what_flags_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = {"name": "v", "type": "google-vertex", "project": "my-project", "mode": "managed"}
    Path("batchway.yaml").write_text(json.dumps({"providers": [entry]}))
    line = {"custom_id": "a", "body": {"messages": [{"role": "user", "content": "Hi"}]}}
    Path("in.jsonl").write_text(json.dumps(line) + "\n")
    flags = ["--provider", "v", "--model", "gemini-2.5-flash", "--endpoint"]
    ended = CliRunner().invoke(app, ["check", "in.jsonl", *flags, "/v1/chat/completions"])
    assert (ended.exit_code, ended.stdout.splitlines()[1]) == (0, "  gemini-2.5-flash: 1 line")
