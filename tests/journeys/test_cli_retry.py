"""`batchway retry`: the failed lines of a run again, without losing an answer that was paid for."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli_harness import Ended, batchway
from tests.journeys.cli_upstream import Reply, Upstream, refused, said, upstream
from tests.journeys.lines import chat, jsonl
from tests.journeys.processes import Process, eventually

from batchway.bootstrap.check import CannotRun
from batchway.bootstrap.retry import merge, write_failed

LINES = [chat(f"line-{number}", f"question {number}") for number in range(12)]
BAD = {"question 0", "question 5", "question 11"}


def question(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def command(name: str, there: Upstream, *further: str) -> list[str]:
    return [name, "in.jsonl", "-o", "out.jsonl", "--base-url", there.base_url, *further]


def results(path: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in path.read_bytes().splitlines():
        record = json.loads(line)
        body = record["response"]["body"]
        found.append((record["custom_id"], body["choices"][0]["message"]["content"]))
    return found


def test_failed_lines_are_run_again_and_take_their_places(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(LINES))
    bad = set(BAD)

    def answer(body: dict[str, Any]) -> Reply:
        text = question(body)
        if text in bad:
            return refused(400, "content_filter", f"The text '{text}' was filtered.")
        return said(text)

    with upstream(answer) as there:
        ended = batchway(*command("run", there), cwd=tmp_path)
        assert ended.code == 3
        assert "3 lines failed: 400 content_filter (lines 1, 6, 12)\n" in ended.err
        assert not any(text in ended.err for text in BAD)  # a prompt is not shown
        paid = (tmp_path / "out.jsonl").read_bytes().splitlines()
        bad -= {"question 5", "question 0"}
        there.asked.clear()

        ended = batchway(*command("retry", there, "--json"), cwd=tmp_path)
        assert ended.code == 3
        summary = json.loads(ended.out)
        assert (summary["lines"], summary["completed"], summary["failed"]) == (3, 2, 1)
        assert summary["causes"][0]["lines"] == [12]
        assert sorted(map(question, there.asked)) == sorted(BAD)
        expected = [(f"line-{n}", f"question {n}") for n in range(11)]
        assert results(tmp_path / "out.jsonl") == expected
        assert set(paid) <= set((tmp_path / "out.jsonl").read_bytes().splitlines())
        (error,) = (tmp_path / "out.errors.jsonl").read_bytes().splitlines()
        assert json.loads(error)["custom_id"] == "line-11"

        bad.clear()
        assert batchway(*command("retry", there), cwd=tmp_path).code == 0
        assert len(results(tmp_path / "out.jsonl")) == 12
        assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl"}
        assert batchway(*command("retry", there), cwd=tmp_path) == Ended(
            code=0, out="", err="Every line has a result: there is nothing to run again.\n"
        )


def test_an_interrupted_retry_goes_on(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(LINES))
    broken, slow = True, False

    def answer(body: dict[str, Any]) -> Reply:
        if slow and question(body) == "question 11":
            eventually("the retry is stopped", lambda: not slow, within=60)
        return refused(400) if broken else said(question(body))

    with upstream(answer) as there:
        assert batchway(*command("run", there, "--no-preflight"), cwd=tmp_path).code == 3
        assert not (tmp_path / "out.jsonl").exists()
        broken, slow = False, True
        there.asked.clear()
        first = Process(
            ["-m", "batchway", *command("retry", there)],
            log=tmp_path / "retry.log",
            cwd=tmp_path,
            env={"BATCHWAY_EXECUTION__COMMIT_INTERVAL": "0.1"},
        )
        eventually("eleven answers", lambda: len(there.asked) == 12)
        first.signal(signal.SIGINT)
        first.line("in flight. Ctrl-C again leaves at once.")
        slow = False
        assert first.wait(60) == 130
        assert (tmp_path / "out.jsonl.retry").is_dir()
        assert batchway(*command("retry", there), cwd=tmp_path).code == 0
        assert len(there.asked) == 12  # nothing was asked again
    assert len(results(tmp_path / "out.jsonl")) == 12


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(LINES))
    arguments = ["retry", "in.jsonl", "-o", "out.jsonl", "--base-url", "http://127.0.0.1:9"]
    ended = batchway(*arguments, cwd=tmp_path)
    assert ended.code == 1
    assert "There is no finished run: neither out.jsonl nor out.errors.jsonl." in ended.err
    (tmp_path / "out.jsonl").write_text('{"custom_id": "another"}\n')
    ended = batchway(*arguments, cwd=tmp_path)
    assert ended.code == 1
    assert "out.jsonl is not the output of these lines, or not in their order" in ended.err
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl"}


def test_merging_twice_changes_nothing(tmp_path: Path) -> None:
    lines, output, found = (tmp_path / name for name in ("in", "out", "found"))
    lines.write_bytes(b"\xef\xbb\xbf" + b"".join(b'{"custom_id":"%d"}\n\n' % n for n in range(6)))
    output.write_bytes(b'{"custom_id":"1","v":1}\n{"custom_id":"4","v":1}')
    assert write_failed(lines, output, tmp_path / "failed").failed == 4
    found.write_bytes(b'{"custom_id":"0"}\n{"custom_id":"5"}\n')
    merge(lines, output, found)
    once = output.read_bytes()
    assert once == (
        b'{"custom_id":"0"}\n{"custom_id":"1","v":1}\n{"custom_id":"4","v":1}\n{"custom_id":"5"}\n'
    )
    merge(lines, output, found)
    assert output.read_bytes() == once
    found.write_bytes(b'{"custom_id":"5"}\n{"custom_id":"0"}\n')
    with pytest.raises(CannotRun):
        merge(lines, output, found)
    assert output.read_bytes() == once
