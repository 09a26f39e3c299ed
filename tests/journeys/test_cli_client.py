"""The client commands against a server whose every answer a test writes: also those that a real
server gives only on a bad day."""

import json
import signal
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.journeys.cli_harness import Ended, batchway
from tests.journeys.processes import Process

LINE = '{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m","input":"x"}}\n'
BATCH: Mapping[str, Any] = {
    "id": "batch_1",
    "object": "batch",
    "status": "completed",
    "endpoint": "/v1/embeddings",
    "completion_window": "24h",
    "created_at": 1_760_000_000,
    "model": "m",
    "job_name": "night",
    "request_counts": {"total": 3, "completed": 2, "failed": 1},
    "usage": {"total_tokens": 1234},
    "output_file_id": "file-out",
    "error_file_id": "file-err",
    "errors": None,
    "metadata": {"team": "a"},
}
UNFINISHED = {**BATCH, "status": "in_progress", "output_file_id": None, "error_file_id": None}
CLEAN = {**BATCH, "request_counts": {"total": 2, "completed": 2, "failed": 0}}
FAILED = {
    **UNFINISHED,
    "status": "failed",
    "request_counts": {"total": 0, "completed": 0, "failed": 0},
    "errors": {
        "object": "list",
        "data": [
            {"code": "invalid_json_line", "message": "Not JSON.", "param": None, "line": 2},
            {"code": "empty_file", "message": "Empty.", "param": None, "line": None},
        ],
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; `cut` closes the connection after that many bytes of the body."""

    status: int = 200
    body: bytes = b""
    cut: int | None = None


def ok(value: object) -> Answer:
    return Answer(body=json.dumps(value).encode())


def refused(status: int, message: str) -> Answer:
    body = {"error": {"message": message, "type": "x", "param": None, "code": None}}
    return Answer(status=status, body=json.dumps(body).encode())


@dataclass(slots=True, kw_only=True)
class Script:
    """Answers by method and path, the last of a list for ever; and what was asked."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict[str, list[Answer]])
    asked: list[tuple[str, dict[str, str], bytes]] = field(
        default_factory=list[tuple[str, dict[str, str], bytes]]
    )


@pytest.fixture
def script() -> Generator[Script]:
    """A server that answers as told."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            key = f"{self.command} {self.path}"
            script.asked.append((key, {k.lower(): v for k, v in self.headers.items()}, body))
            left = script.answers[key]
            answer = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(answer.status)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])
            self.close_connection = answer.cut is not None

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def ask(script: Script, cwd: Path, *arguments: str, key: str | None = None) -> Ended:
    environ = {"BATCHWAY_URL": script.url, "TZ": "UTC"}
    if key is not None:
        environ["BATCHWAY_API_KEY"] = key
    return batchway(*arguments, cwd=cwd, environ=environ)


@pytest.mark.parametrize(
    ("answer", "err"),
    [
        (Answer(body=b"<html>"), "What answers at {url} is not a Batchway server."),
        (Answer(body=b"[1]"), "What answers at {url} is not a Batchway server."),
        (Answer(status=502, body=b"<html>"), "The server at {url} answered 502."),
        (
            refused(404, "No batch found with id 'batch_1'."),
            "No batch found with id 'batch_1'.",
        ),
        (
            refused(404, "Invalid URL (GET /batches/batch_1)"),
            "Invalid URL (GET /batches/batch_1). Is {url} the address of a Batchway server?",
        ),
        (refused(409, "No\x1b[31m"), "No\ufffd[31m."),
        (
            refused(401, "Missing bearer or basic authentication in header"),
            "Missing bearer or basic authentication in header. Give a key with --api-key or "
            "BATCHWAY_API_KEY.",
        ),
    ],
)
def test_answers_that_are_no_batch(
    script: Script, tmp_path: Path, answer: Answer, err: str
) -> None:
    script.answers = {"GET /batches/batch_1": [answer]}
    ended = ask(script, tmp_path, "status", "batch_1")
    assert ended == Ended(code=1, out="", err=f"Error: {err.format(url=script.url)}\n")


def test_a_key_is_sent_and_a_refused_one_is_told(script: Script, tmp_path: Path) -> None:
    script.answers = {"GET /batches/batch_1": [refused(401, "Incorrect API key provided: sk.")]}
    ended = ask(script, tmp_path, "status", "batch_1", key="sk-1")
    assert ended == Ended(code=1, out="", err="Error: Incorrect API key provided: sk.\n")
    assert script.asked[0][1]["authorization"] == "Bearer sk-1"


def test_status(script: Script, tmp_path: Path) -> None:
    script.answers = {"GET /batches/batch_1": [ok(BATCH)]}
    ended = ask(script, tmp_path, "status", "batch_1")
    assert ended.out.splitlines() == [
        "id        batch_1",
        "name      night",
        "status    completed",
        "lines     3 of 3, 1 failed",
        "tokens    1,234",
        "endpoint  /v1/embeddings",
        "model     m",
        "window    24h",
        "output    file-out",
        "errors    file-err",
        "metadata  team=a",
        "created   2025-10-09T08:53:20+00:00",
    ]
    ended = ask(script, tmp_path, "status", "batch_1", "--json")
    assert json.loads(ended.out) == BATCH


def test_list_reads_page_by_page(script: Script, tmp_path: Path) -> None:
    first = [{**BATCH, "id": f"batch_{number}"} for number in range(100)]
    last = [{**UNFINISHED, "id": "batch_last", "job_name": None}]
    script.answers = {
        "GET /batches?limit=100": [ok({"data": first, "has_more": True})],
        "GET /batches?limit=20&after=batch_99": [ok({"data": last, "has_more": False})],
        "GET /batches?limit=20": [ok({"data": [], "has_more": False})],
        "GET /batches?limit=1&after=batch_5": [ok({"data": last, "has_more": True})],
    }
    ended = ask(script, tmp_path, "list", "--limit", "120")
    lines = ended.out.splitlines()
    assert len(lines) == 102
    assert lines[0].split() == (
        ["ID", "STATUS", "LINES", "FAILED", "CREATED", "TOOK", "PROVIDER", "MODEL", "NAME"]
    )
    *before, _took, _hours, provider, model, name = lines[-1].split()
    assert before == ["batch_last", "in_progress", "3/3", "1", "2025-10-09T08:53:20+00:00"]
    assert (provider, model, name) == ("-", "m", "-")
    assert ask(script, tmp_path, "list") == Ended(code=0, out="", err="No batches.\n")
    ended = ask(script, tmp_path, "list", "--limit", "1", "--after", "batch_5", "--json")
    assert json.loads(ended.out) == last


def test_submit_sends_file_and_wishes(script: Script, tmp_path: Path) -> None:
    (tmp_path / "in ü.jsonl").write_text("\ufeff" + LINE * 3)
    script.answers = {
        "POST /files": [ok({"id": "file-in"})],
        "POST /batches": [ok(BATCH)],
    }
    ended = ask(
        script,
        tmp_path,
        *("submit", "in ü.jsonl", "--window", "90m", "--provider", "vllm"),
        *("--metadata", "team=a", "--metadata", "note=x=y", "--job-name", "night"),
    )
    assert ended == Ended(code=0, out="batch_1\n", err="")
    (_, headers, form), (_, wishes, body) = script.asked
    assert headers["content-type"].startswith("multipart/form-data")
    assert ("\ufeff" + LINE * 3).encode() in form
    assert b'name="purpose"' in form
    assert wishes["x-tfy-provider-name"] == "vllm"
    assert json.loads(body) == {
        "input_file_id": "file-in",
        "endpoint": "/v1/embeddings",
        "completion_window": "90m",
        "metadata": {"team": "a", "note": "x=y"},
        "job_name": "night",
    }


@pytest.mark.parametrize(
    ("batch", "code", "last"),
    [
        (
            CLEAN,
            0,
            "2 of 2 lines completed. `batchway download batch_1` gets the results.",
        ),
        (
            BATCH,
            3,
            "2 of 3 lines completed, 1 failed. `batchway download batch_1` gets the results.",
        ),
        (
            {**CLEAN, "status": "expired", "request_counts": {"total": 3, "completed": 2}},
            3,
            "2 of 3 lines completed, 1 not run (expired). `batchway download batch_1` gets the "
            "results.",
        ),
        (FAILED, 1, "Error: the batch batch_1 failed: nothing was sent."),
    ],
)
def test_watch_ends_by_outcome(
    script: Script, tmp_path: Path, batch: Mapping[str, Any], code: int, last: str
) -> None:
    script.answers = {"GET /batches/batch_1": [ok(UNFINISHED), ok(batch)]}
    ended = ask(script, tmp_path, "watch", "batch_1")
    assert (ended.code, ended.out) == (code, "")
    lines = ended.err.splitlines()
    assert lines[0] == "batch_1: in_progress: 3 of 3 lines, 1 failed, 1,234 tokens"
    assert lines[-1] == last
    assert "\x1b" not in ended.err


def test_watch_survives_a_restart_of_the_server(script: Script, tmp_path: Path) -> None:
    script.answers = {
        "GET /batches/batch_1": [
            ok(UNFINISHED),
            Answer(body=b"half", cut=1),
            refused(503, "Not now."),
            ok(CLEAN),
        ]
    }
    assert ask(script, tmp_path, "watch", "batch_1").code == 0
    assert len(script.asked) == 4


def test_watch_says_once_why_a_batch_waits(script: Script, tmp_path: Path) -> None:
    waiting = {**UNFINISHED, "status_details": "The provider 'p' is unreachable."}
    script.answers = {"GET /batches/batch_1": [ok(waiting), ok(waiting), ok(CLEAN)]}
    ended = ask(script, tmp_path, "watch", "batch_1")
    assert ended.code == 0
    assert ended.err.splitlines().count("batch_1: The provider 'p' is unreachable.") == 1


def test_watch_can_be_left(script: Script, tmp_path: Path) -> None:
    script.answers = {"GET /batches/batch_1": [ok(UNFINISHED)]}
    process = Process(
        ["-m", "batchway", "watch", "batch_1"],
        log=tmp_path / "watch.log",
        cwd=tmp_path,
        env={"BATCHWAY_URL": script.url},
    )
    process.line("in_progress")
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.output().splitlines()[-1] == (
        "The batch goes on. `batchway watch batch_1` shows it again."
    )


def test_cancel(script: Script, tmp_path: Path) -> None:
    script.answers = {
        "POST /batches/batch_1/cancel": [
            ok({**BATCH, "status": "cancelling"}),
            refused(409, "Cannot cancel a batch with status 'cancelled'."),
        ]
    }
    ended = ask(script, tmp_path, "cancel", "batch_1")
    assert ended == Ended(code=0, out="batch_1 is cancelling.\n", err="")
    ended = ask(script, tmp_path, "cancel", "batch_1")
    assert ended == Ended(
        code=1, out="", err="Error: Cannot cancel a batch with status 'cancelled'.\n"
    )


def test_download(script: Script, tmp_path: Path) -> None:
    script.answers = {
        "GET /batches/batch_1": [ok(BATCH)],
        "GET /files/file-out/content": [Answer(body=b"results\n" * 100_000)],
        "GET /files/file-err/content": [Answer(body=b"errors\n")],
    }
    ended = ask(script, tmp_path, "download", "batch_1")
    assert ended == Ended(
        code=0,
        out="",
        err="batch_1_output.jsonl: 781.2 KiB\nbatch_1_error.jsonl: 7 bytes\n",
    )
    names = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert names == {"batch_1_output.jsonl": 800_000, "batch_1_error.jsonl": 7}
    ended = ask(script, tmp_path, "download", "batch_1", "-o", "-", "--errors", "e.jsonl")
    assert ended == Ended(code=0, out="results\n" * 100_000, err="e.jsonl: 7 bytes\n")


def test_a_broken_download_leaves_nothing(script: Script, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("earlier")
    script.answers = {
        "GET /batches/batch_1": [ok(BATCH)],
        "GET /files/file-out/content": [Answer(body=b"results\n" * 1000, cut=100)],
    }
    ended = ask(script, tmp_path, "download", "batch_1", "-o", "out.jsonl")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"Error: The connection to the server at {script.url} broke: ")
    assert ended.err.count("\n") == 1
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out.jsonl": "earlier"}


@pytest.mark.parametrize(
    ("batch", "err"),
    [
        (
            UNFINISHED,
            "Error: The batch batch_1 is in_progress; its results are there when it has ended. "
            "`batchway watch batch_1` waits for that.\n",
        ),
        (
            FAILED,
            "line 2: Not JSON. [invalid_json_line]\nEmpty. [empty_file]\n"
            "Error: The batch batch_1 is failed and has no results.\n",
        ),
    ],
)
def test_nothing_to_download(
    script: Script, tmp_path: Path, batch: Mapping[str, Any], err: str
) -> None:
    script.answers = {"GET /batches/batch_1": [ok(batch)]}
    ended = ask(script, tmp_path, "download", "batch_1")
    assert ended == Ended(code=1, out="", err=err)
    assert list(tmp_path.iterdir()) == []
