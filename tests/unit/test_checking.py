"""Files that are no batch input: what `run`, `check` and `submit` say of them."""

import json
from pathlib import Path

import pytest
from tests.journeys.lines import chat, jsonl
from typer.testing import CliRunner

from batchway.bootstrap.check import CannotRun, first_line, model_of, read_endpoint
from batchway.cli.app import app
from batchway.cli.left_out import NOT_PROMISED, left_out, sentence
from batchway.dialects.anthropic import parameters as anthropic
from batchway.dialects.gemini import parameters as gemini


@pytest.mark.parametrize(
    ("content", "err"),
    [
        (b"", "in.jsonl is empty: it has no line to run."),
        (b"\n \n", "in.jsonl is empty: it has no line to run."),
        (
            b"[]\n",
            "in.jsonl is a JSON array. Batches take one object a line: `jq -c '.[]' in.jsonl` "
            "makes that of it.",
        ),
        (
            b"{}\n",
            "The first line of in.jsonl does not say which `url` it is for. Name it with "
            "--endpoint.",
        ),
        (
            b'{\n  "custom_id": "a"\n}\n',
            "The first line of in.jsonl is not one whole JSON object. Batches take one object a "
            "line; `jq -c . in.jsonl` joins objects that are spread over several.",
        ),
        (
            b"id,question\n1,Why?\n",
            "The first line of in.jsonl looks like CSV. Batches take one JSON object a line: "
            '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {...}}.',
        ),
        (
            b'{"url": "/v1/chat/completions", "body": {"temperature": NaN}}\n',
            "The first line of in.jsonl holds NaN, which JSON does not have: write null, or leave "
            "the field out.",
        ),
        (b"caf\xe9\n", "in.jsonl is not UTF-8 text. Save it as UTF-8."),
        (
            jsonl([{**chat("a")}]).decode().encode("utf-16"),
            "in.jsonl is UTF-16 text. Save it as UTF-8.",
        ),
        ("{}".encode("utf-16"), "in.jsonl is UTF-16 text. Save it as UTF-8."),
        (
            b"PK\x03\x04",
            "in.jsonl is packed in a way that Batchway does not read: unpack it, or use gzip.",
        ),
        (
            jsonl([{**chat("a"), "url": "/v1/x"}]),
            "The first line of in.jsonl is for '/v1/x', which is none of /v1/chat/completions, "
            "/v1/completions, /v1/embeddings, /v1/moderations, /v1/responses.",
        ),
    ],
)
def test_what_is_no_input_is_named(tmp_path: Path, content: bytes, err: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    with pytest.raises(CannotRun) as raised:
        read_endpoint(path, name="in.jsonl")
    assert str(raised.value) == err


@pytest.mark.parametrize("given", ["/v1/chat/completions", "/chat/completions"])
def test_an_endpoint_with_and_without_v1(tmp_path: Path, given: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\n \r\n" + jsonl([{**chat("a"), "url": given}]))
    assert read_endpoint(path) == "/v1/chat/completions"
    assert read_endpoint(path, given) == "/v1/chat/completions"
    assert model_of(first_line(path)) == "m"


@pytest.fixture
def brief(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for a provider that leaves parameters out, and where its configuration is."""
    entry = {"name": "own", "type": "python", "class": "tests.unit.own_account:Brief"}
    options = {"options": {"key": "k"}}
    (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [entry | options]}))
    lines = [chat("a"), chat("b"), chat("c")]
    lines[0]["body"] |= {"seed": 1}
    lines[2]["body"] |= {"seed": 2, "metadata": {}}
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_left_out_is_told_and_is_no_problem(brief: Path) -> None:
    ended = CliRunner().invoke(app, ["check", "in.jsonl"])
    assert (ended.exit_code, ended.stderr, ended.stdout.splitlines()[0][-12:]) == (
        0,
        "Left out, since it changes nothing there: metadata (1 line), seed (2 lines).\n",
        "no problems.",
    )
    ended = CliRunner().invoke(app, ["check", "in.jsonl", "--json"])
    assert ended.exit_code == 0
    assert json.loads(ended.stdout)["warnings"] == {"seed": 2, "metadata": 1}


def test_what_is_not_promised_there_is_not_told_to_change_nothing() -> None:
    assert sentence({"seed": 2, "tools[].function.strict": 1}) == (
        "Left out, since it changes nothing there: seed (2 lines). Not promised there, so "
        "arguments of tool calls may differ from the schema: tools[].function.strict (1 line)."
    )
    rows = [*anthropic.CHAT.rows, *gemini.CHAT.rows]
    assert {row.name for row in rows if row.promise} == set(NOT_PROMISED)


@pytest.mark.parametrize(
    ("warnings", "told"),
    [
        (None, None),
        ({}, None),
        ({"b": 1, "a": 1_200}, "a (1,200 lines), b (1 line)"),
        ({"a\x1b[1m": 2, "b": "?"}, "a\ufffd[1m (2 lines)"),
    ],
)
def test_what_a_server_says_is_left_out(
    warnings: dict[str, object] | None, told: str | None
) -> None:
    assert left_out(warnings) == told
    assert (sentence(warnings) is None) == (told is None)
