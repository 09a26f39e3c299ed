"""Being asked to stop by people, schedulers and terminals: what is in flight is not paid twice."""

import signal
import time
from pathlib import Path

import pytest
from tests.journeys.cli_harness import batchway
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import chats, completed, jsonl, reached, submit
from tests.journeys.processes import Process, eventually
from tests.journeys.test_cli_run import names, read

STOPS = [signal.SIGTERM, signal.SIGHUP]  # Ctrl-C is in `test_cli_run` and `test_starting`


def arguments(base_url: str, concurrency: int = 8) -> list[str]:
    run = ["run", "in.jsonl", "-o", "out.jsonl", "--base-url", base_url]
    return [*run, "--concurrency", str(concurrency)]


@pytest.mark.parametrize("number", STOPS)
def test_a_run_drains_and_goes_on(
    new_simulator: NewSimulator, tmp_path: Path, number: signal.Signals
) -> None:
    simulator = new_simulator(latency="0.3", record=True)
    lines = chats(60)
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))
    run = arguments(simulator.base_url)
    first = Process(["-m", "batchway", *run], log=tmp_path / "run.log", cwd=tmp_path)
    eventually("answers", lambda: simulator.stats()["answered"] > 8)
    first.signal(number)
    first.signal(number)  # as `timeout`, a shell and the kernel do
    assert first.wait(60) == 128 + number
    assert first.output().splitlines()[-1].startswith("Interrupted. Run the same command again")
    before = simulator.stats()["answered"]
    assert before < len(lines)

    assert batchway(*run, cwd=tmp_path).code == 0
    assert [r["custom_id"] for r in read(tmp_path / "out.jsonl")] == [
        line["custom_id"] for line in lines
    ]
    assert names(tmp_path) == {"in.jsonl", "out.jsonl"}
    assert set(simulator.stats()["requests_by_digest"].values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_second_signal_ends_a_run_at_once(
    new_simulator: NewSimulator, tmp_path: Path, number: signal.Signals
) -> None:
    simulator = new_simulator(latency="30")
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(9)))
    first = Process(
        ["-m", "batchway", *arguments(simulator.base_url)], log=tmp_path / "run.log", cwd=tmp_path
    )
    eventually("requests", lambda: simulator.stats()["requests"] > 0)
    first.signal(number)
    time.sleep(0.5)
    assert first.running  # it waits for answers that are paid for
    first.signal(number)
    assert first.wait(15) == 128 + number  # the answers would come after 30
    assert (tmp_path / "out.jsonl.batchway").is_dir()


def test_a_run_under_nohup_outlives_its_terminal(
    new_simulator: NewSimulator, tmp_path: Path
) -> None:
    simulator = new_simulator(latency="0.2")
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(20)))
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, '-m', 'batchway', *sys.argv[1:]])"
    )
    first = Process(
        ["-c", ignoring, *arguments(simulator.base_url, 4)], log=tmp_path / "run.log", cwd=tmp_path
    )
    eventually("answers", lambda: simulator.stats()["answered"] > 2)
    first.signal(signal.SIGHUP)
    assert first.wait(30) == 0


@pytest.mark.parametrize("number", STOPS)
def test_a_server_drains_and_goes_on(
    new_simulator: NewSimulator, new_server: NewServer, number: signal.Signals
) -> None:
    simulator = new_simulator(latency="0.3", record=True)
    server = new_server(
        provider(simulator, limits={"concurrency": 8}), execution={"drain_timeout": 20}
    )
    asked = chats(40)
    client = server.client()
    batch = submit(client, asked)
    reached(client, batch, completed=8)
    server.process.signal(number)
    server.process.signal(number)
    assert server.process.wait() == 0
    server.start()
    completed(server.client(), batch, asked)
    assert set(simulator.stats()["requests_by_digest"].values()) == {1}
