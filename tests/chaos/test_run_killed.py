"""`batchway run`, killed, interrupted and frozen, then run again until it ends."""

import json
import signal
import time
from pathlib import Path

import pytest
from tests.chaos.arena import TROUBLE, WASTE_WINDOW
from tests.chaos.orders import MODEL, Order, order
from tests.chaos.payments import Payments
from tests.chaos.processes import Child, Simulator
from tests.chaos.site import look
from tests.chaos.trial import rolled
from tests.chaos.verdict import answered_lines, result_faults

SQLITES_OWN = {"batchway.db-wal", "batchway.db-shm", "batchway-engine.db-journal"}
FAILED_LINES = 3  # the exit code when some lines failed


class Runs:
    """One `batchway run` through all of its lives."""

    def __init__(self, root: Path, *, simulator: Simulator, asked: Order) -> None:
        self.output = root / "out.jsonl"
        self.errors = root / "out.errors.jsonl"
        self.state = root / "out.jsonl.batchway"
        (root / "in.jsonl").write_bytes(asked.data)
        provider = {
            "name": "sim",
            "type": "openai-compatible",
            "base_url": simulator.url,
            "limits": {"concurrency": 48, "timeout": 3, "max_attempts": 30},
        }
        config = root / "batchway.yaml"
        config.write_text(json.dumps({"providers": [provider]}))  # JSON is YAML
        arguments = ["batchway", "run", root / "in.jsonl", "-o", self.output, "--config", config]
        self.child = Child(arguments, log=root / "run.log")
        self._root = root
        self._simulator = simulator

    def results(self) -> int:
        """Answered lines in the ledger that the last life left."""
        if not (self.state / "batchway.db").exists():
            return 0
        return look(self.state, self._root / "scratch").results

    def tidies(self) -> None:
        """Wait until the first file of a finished run's state goes, or the run has ended."""
        while not self.output.exists():
            assert self.child.alive, self.child.said()
        names = {path.name for path in self.state.iterdir()}
        while self.child.alive and self.state.exists():
            try:
                if names - {path.name for path in self.state.iterdir()} - SQLITES_OWN:
                    return
            except FileNotFoundError:
                return

    def sends(self) -> None:
        """Wait until this life sends requests, or has ended."""
        while self.child.alive and not self._simulator.stats()["requests"]:
            time.sleep(0.02)


def trial(root: Path, *, lives: int, count: int) -> None:
    """Run a file through so many early ends, then to its end."""
    dice, interrupted = rolled(), 0
    asked = order(tag="run", tenant="default", model=MODEL, start=0, count=count)
    simulator = Simulator(log=root / "simulator.log", **TROUBLE)
    simulator.start()
    payments = Payments(simulator=simulator, window=WASTE_WINDOW)
    payments.start()
    runs = Runs(root, simulator=simulator, asked=asked)
    try:
        for number in range(lives):
            way = ("kill", "interrupt", "freeze", "start")[number % 4]
            runs.child.start(cold=way == "start")
            if way != "start":
                runs.sends()
            time.sleep(dice.uniform(0.0, 1.5))
            at = time.monotonic()
            if way == "interrupt":
                # It drains: what is in flight is not lost.
                runs.child.signal(signal.SIGINT)
                assert runs.child.wait() in (130, -signal.SIGINT, 0, FAILED_LINES), (
                    runs.child.said()
                )
            elif way == "freeze":
                runs.child.signal(signal.SIGSTOP)
                time.sleep(dice.uniform(0.5, 2.0))
                runs.child.signal(signal.SIGCONT)
                time.sleep(dice.uniform(0.0, 0.5))
                runs.child.kill()
            else:
                runs.child.kill()
            if runs.output.exists():
                break  # nothing is left to lose
            loss = payments.killed(at, runs.results())
            interrupted += loss.wasted if way == "interrupt" else 0
        if runs.state.exists() or not runs.output.exists():
            runs.child.start()
            assert runs.child.wait(150) == FAILED_LINES, runs.child.said()
        assert not runs.state.exists()
        output = runs.output.read_bytes()
        assert result_faults(asked, output, runs.errors.read_bytes()) == []
        payments.settle()
        wasted = payments.answers - len(answered_lines(asked, output))
        allowed = sum(loss.allowed for loss in payments.losses)
        print(f"wasted {wasted}, allowed {allowed}, losses {payments.losses}")
        assert wasted <= allowed
        assert interrupted == 0  # it drained
        said = runs.child.said()
        assert "Traceback" not in said
        assert "unexpected" not in said
    finally:
        runs.child.kill()
        payments.stop()
        simulator.kill()


def deliveries(root: Path, *, times: int) -> None:
    """Kill runs as soon as they tidy up, run them again: nothing may be paid for a second time."""
    dice = rolled()
    simulator = Simulator(log=root / "simulator.log")
    simulator.start()
    try:
        for number in range(times):
            place = root / f"run{number}"
            place.mkdir()
            asked = order(tag=f"run{number}", tenant="default", model=MODEL, start=0, count=40)
            runs = Runs(place, simulator=simulator, asked=asked)
            runs.child.start()
            runs.tidies()
            time.sleep(dice.choice([0.0, 0.0, dice.uniform(0.0, 0.002)]))
            runs.child.kill()
            runs.child.start()
            code = runs.child.wait()
            # It ended before the kill, or goes on from what it had.
            assert code == FAILED_LINES or "exists already" in runs.child.said(), runs.child.said()
            output = runs.output.read_bytes()
            assert result_faults(asked, output, runs.errors.read_bytes()) == []
            assert simulator.stats()["answered"] == len(answered_lines(asked, output)), number
            simulator.reset()
    finally:
        simulator.kill()


def test_a_run_killed_while_it_tidies_up_is_not_paid_for_again(tmp_path: Path) -> None:
    deliveries(tmp_path, times=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_runs_killed_while_they_tidy_up_are_not_paid_for_again(tmp_path: Path) -> None:
    deliveries(tmp_path, times=30)


@pytest.mark.timeout(240)
def test_a_run_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    trial(tmp_path, lives=5, count=1319)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_goes_on_however_often_it_was_killed(tmp_path: Path) -> None:
    trial(tmp_path, lives=28, count=5 * 1319)
