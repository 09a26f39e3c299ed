"""`batchway run`, killed, interrupted and frozen, then run again until it ends."""

import random
import signal
import time
from pathlib import Path

import pytest
from tests.chaos.arena import TROUBLE, WASTE_WINDOW
from tests.chaos.orders import MODEL, Order, order
from tests.chaos.payments import Payments
from tests.chaos.processes import Child, Simulator
from tests.chaos.site import look
from tests.chaos.trial import seed
from tests.chaos.verdict import answered_lines, result_faults

CONCURRENCY = 48
FAILED_LINES = 3  # the exit code when some lines failed


class Runs:
    """One `batchway run` through all of its lives."""

    def __init__(self, root: Path, *, simulator: Simulator, asked: Order) -> None:
        self.output = root / "out.jsonl"
        self.errors = root / "out.errors.jsonl"
        self.state = root / "out.jsonl.batchway"
        (root / "in.jsonl").write_bytes(asked.data)
        self.child = Child(
            [
                *("batchway", "run", root / "in.jsonl", "-o", self.output),
                *("--base-url", simulator.url, "--concurrency", str(CONCURRENCY)),
            ],
            log=root / "run.log",
        )
        self._root = root

    def results(self) -> int:
        """Answered lines in the ledger that the last life left."""
        if not (self.state / "batchway.db").exists():
            return 0
        return look(self.state, self._root / "scratch").results

    def until(self, condition: str) -> None:
        """Wait until the run has got so far, or has ended."""
        while self.child.alive:
            if condition == "state" and (self.state / "run.json").exists():
                return
            if condition == "output" and self.output.exists():
                return
            time.sleep(0.001)


def trial(root: Path, *, lives: int, count: int) -> None:
    """Run a file through so many early ends, then to its end."""
    chosen = seed()
    print(f"CHAOS_SEED={chosen}")
    dice = random.Random(chosen)
    asked = order(tag="run", tenant="default", model=MODEL, start=0, count=count)
    simulator = Simulator(log=root / "simulator.log", **TROUBLE)
    simulator.start()
    payments = Payments(simulator=simulator, window=WASTE_WINDOW)
    payments.start()
    runs = Runs(root, simulator=simulator, asked=asked)
    try:
        for number in range(lives):
            runs.child.start()
            way = ("kill", "interrupt", "freeze", "start")[number % 4]
            if way != "start":
                runs.until("state")
            time.sleep(dice.uniform(0.2, 2.5))
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
                at = time.monotonic()
                runs.child.kill()
            else:
                runs.child.kill()
            if runs.output.exists():
                break
            payments.killed(at, runs.results())
        if not runs.output.exists():
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
        for index in (1, 5, 9):  # interrupted, not killed
            if index < len(payments.losses):
                assert payments.losses[index].wasted == 0, payments.losses
        said = runs.child.said()
        assert "Traceback" not in said
        assert "unexpected" not in said
    finally:
        runs.child.kill()
        payments.stop()
        simulator.kill()


@pytest.mark.timeout(240)
def test_a_run_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    trial(tmp_path, lives=5, count=900)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_goes_on_however_often_it_was_killed(tmp_path: Path) -> None:
    trial(tmp_path, lives=28, count=2 * 1319)
