"""`batchway run` and `batchway check`: a file from end to end without a server."""

import json
import signal
from pathlib import Path
from typing import Any

from tests.journeys.cli_harness import Ended, batchway
from tests.journeys.conftest import NewSimulator
from tests.journeys.lines import EXAMPLES, chat, chats, jsonl
from tests.journeys.processes import Process, Simulator, eventually

from batchway.simulator.online import verify

QUESTIONS = EXAMPLES / "gsm8k_test.batch.jsonl"


def run(cwd: Path, simulator: Simulator, *arguments: str) -> Ended:
    return batchway(
        *("run", "in.jsonl", "-o", "out.jsonl", "--base-url", simulator.base_url),
        *arguments,
        cwd=cwd,
    )


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.suffix != ".log"}


def test_every_line_has_its_own_answer(plain_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(QUESTIONS.read_bytes())
    ended = run(tmp_path, plain_simulator, "--concurrency", "64")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "Results: out.jsonl")
    assert "\x1b" not in ended.err
    lines, results = read(QUESTIONS), read(tmp_path / "out.jsonl")
    assert [r["custom_id"] for r in results] == [line["custom_id"] for line in lines]
    for line, result in zip(lines, results, strict=True):
        assert verify(line["url"], line["body"], result["response"]["body"]) is None
    assert names(tmp_path) == {"in.jsonl", "out.jsonl"}


def test_failed_lines_go_to_a_file_of_their_own(plain_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a"), chat("b", "[[400]]"), chat("c")]))
    ended = run(tmp_path, plain_simulator)
    assert ended.code == 3
    assert ended.out.splitlines()[0].startswith("2 of 3 lines completed, 1 failed, ")
    assert ended.out.splitlines()[1:] == ["Results: out.jsonl", "Errors: out.errors.jsonl"]
    assert [r["custom_id"] for r in read(tmp_path / "out.jsonl")] == ["a", "c"]
    assert [r["custom_id"] for r in read(tmp_path / "out.errors.jsonl")] == ["b"]
    assert names(tmp_path) == {"in.jsonl", "out.jsonl", "out.errors.jsonl"}


def test_a_file_with_mistakes_is_not_run(plain_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a"), chat("a")]) + b"nonsense\n")
    ended = run(tmp_path, plain_simulator)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-3:] == [
        "in.jsonl:2: The custom_id 'a' for this request is a duplicate of another request. The "
        "custom_id parameter must be unique for each request in a batch. [duplicate_custom_id, "
        "custom_id]",
        "in.jsonl:3: This line is not parseable as valid JSON. [invalid_json_line]",
        "Error: in.jsonl cannot be run: nothing was sent.",
    ]
    assert names(tmp_path) == {"in.jsonl"}


def test_an_interrupted_run_goes_on(new_simulator: NewSimulator, tmp_path: Path) -> None:
    simulator = new_simulator(latency="0.1", record=True)
    lines = chats(300)
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))
    arguments = ["run", "in.jsonl", "-o", "out.jsonl", "--base-url", simulator.base_url]
    arguments += ["--concurrency", "10"]
    environ = {"BATCHWAY_EXECUTION__COMMIT_INTERVAL": "0.1"}
    first = Process(
        ["-m", "batchway", *arguments], log=tmp_path / "run.log", cwd=tmp_path, env=environ
    )
    eventually("answers", lambda: simulator.stats()["answered"] > 60)
    first.signal(signal.SIGINT)
    assert first.wait(60) == 130
    assert "Stopping, 10 requests in flight. Ctrl-C again leaves at once." in first.output()
    assert first.output().splitlines()[-1] == (
        "Interrupted. Run the same command again to go on; what is done is kept in "
        "out.jsonl.batchway."
    )
    assert names(tmp_path) == {"in.jsonl", "out.jsonl.batchway"}

    # Another input, or other wishes, would mix two runs into one output.
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines[1:]))
    ended = batchway(*arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert "in.jsonl has changed since" in ended.err
    assert "--restart" in ended.err
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))

    ended = batchway(*arguments, cwd=tmp_path, environ=environ)
    assert ended.code == 0
    earlier = next(line for line in ended.err.splitlines() if line.startswith("Going on: "))
    assert ended.out.splitlines()[0].endswith(earlier.removeprefix("Going on: "))
    results = read(tmp_path / "out.jsonl")
    assert [r["custom_id"] for r in results] == [line["custom_id"] for line in lines]
    assert names(tmp_path) == {"in.jsonl", "out.jsonl"}
    # Asking to stop lets requests in flight end, so nothing is paid for twice.
    assert simulator.stats()["answered"] == len(lines)


def test_a_second_interrupt_leaves_at_once(new_simulator: NewSimulator, tmp_path: Path) -> None:
    simulator = new_simulator(latency="600")
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(30)))
    arguments = ["run", "in.jsonl", "-o", "out.jsonl", "--base-url", simulator.base_url]
    process = Process(
        ["-m", "batchway", *arguments],
        log=tmp_path / "run.log",
        cwd=tmp_path,
        env={"BATCHWAY_EXECUTION__DRAIN_TIMEOUT": "600"},
    )
    eventually("a request", lambda: simulator.stats()["requests"] > 0)
    process.signal(signal.SIGINT)
    process.line("Stopping, 1 request in flight.")

    def interrupted_again() -> bool:
        process.signal(signal.SIGINT)  # one that comes with the first is taken for the same
        return not process.running

    eventually("it has left", interrupted_again)
    assert process.wait() == 130
    assert "Left at once" in process.output()


def test_restart_drops_an_interrupted_run_but_not_one_at_work(
    new_simulator: NewSimulator, tmp_path: Path
) -> None:
    simulator = new_simulator(latency="0.2")
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(500)))
    arguments = ["run", "in.jsonl", "-o", "out.jsonl", "--base-url", simulator.base_url]
    first = Process(
        ["-m", "batchway", *arguments, "--concurrency", "2"], log=tmp_path / "run.log", cwd=tmp_path
    )
    eventually("answers", lambda: simulator.stats()["answered"] > 2)
    ended = batchway(*arguments, "--restart", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert f"in use by another Batchway, process {first.pid}" in ended.err
    first.kill()

    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(4, prefix="new")))
    assert batchway(*arguments, "--restart", cwd=tmp_path).code == 0
    results = read(tmp_path / "out.jsonl")
    assert [r["custom_id"] for r in results] == [f"new-{number:04}" for number in range(4)]
    assert names(tmp_path) == {"in.jsonl", "out.jsonl"}


def test_restart_drops_what_was(plain_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a"), chat("b", "[[400]]")]))
    assert run(tmp_path, plain_simulator).code == 3
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(5)))
    assert run(tmp_path, plain_simulator) == Ended(
        code=1,
        out="",
        err="Error: out.jsonl exists already. Name another output, or replace it with --restart.\n",
    )
    assert run(tmp_path, plain_simulator, "--restart").code == 0
    assert len(read(tmp_path / "out.jsonl")) == 5
    assert names(tmp_path) == {"in.jsonl", "out.jsonl"}


def test_a_run_uses_the_configuration(plain_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a", model="fast")]))
    (tmp_path / "batchway.yaml").write_text(
        "providers:\n  - {name: sim, type: openai-compatible, base_url: "
        f"'{plain_simulator.base_url}'}}\n"
        "routes: [{model: fast, targets: [{provider: sim, model: tiny}]}]\n"
    )
    assert batchway("run", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path).code == 0
    (result,) = read(tmp_path / "out.jsonl")
    assert result["response"]["body"]["model"] == "tiny"
    # A run keeps its state to itself: no data directory appears.
    assert names(tmp_path) == {"in.jsonl", "out.jsonl", "batchway.yaml"}


def test_check_prints_every_problem(tmp_path: Path) -> None:
    broken = jsonl([chat("a")]) + b"{\n" * 1500 + jsonl([chat("a")])
    (tmp_path / "in.jsonl").write_bytes(broken)
    ended = batchway("check", "in.jsonl", cwd=tmp_path)
    assert (ended.code, ended.err) == (1, "1,501 problems in in.jsonl.\n")
    printed = ended.out.splitlines()
    assert len(printed) == 1501
    assert printed[0] == (
        "in.jsonl:2: This line is not parseable as valid JSON. [invalid_json_line]"
    )
    assert sorted(int(line.split(":")[1]) for line in printed) == list(range(2, 1503))


def test_check_sums_up_a_clean_file(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(
        b"\xef\xbb\xbf" + jsonl([chat("a"), chat("b", model="n"), chat("c", model="n")])[:-1]
    )
    size = (tmp_path / "in.jsonl").stat().st_size
    assert batchway("check", "in.jsonl", cwd=tmp_path) == Ended(
        code=0,
        out=f"in.jsonl: 3 lines, {size} bytes, /v1/chat/completions, no problems.\n"
        "  n: 2 lines\n  m: 1 line\n",
        err="",
    )
    assert names(tmp_path) == {"in.jsonl"}


def test_what_is_no_input_is_named(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"id,question\n1,Why?\n")
    ended = batchway(
        *("run", "in.jsonl", "-o", "out.jsonl", "--base-url", "http://127.0.0.1:9"), cwd=tmp_path
    )
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Error: The first line of in.jsonl looks like CSV. ")
    assert names(tmp_path) == {"in.jsonl"}


def test_blank_lines_come_before_the_first(plain_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf\n \r\n" + jsonl(chats(2)))
    assert run(tmp_path, plain_simulator).code == 0
    assert len(read(tmp_path / "out.jsonl")) == 2
