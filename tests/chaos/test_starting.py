"""Starting: killed on the way, a second time beside the first, in the place of a frozen one."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.chaos.arena import Arena, arena
from tests.chaos.campaign import Campaign
from tests.chaos.orders import Order
from tests.chaos.processes import free_port
from tests.chaos.site import damage
from tests.chaos.trial import rolled
from tests.chaos.verdict import ENDED, faults

CALM = {"latency": "lognormal:0.15,0.4"}


def begun(made: Arena, *, count: int) -> tuple[Campaign, Order]:
    """A server at work on one batch, some of whose lines have been answered."""
    campaign = Campaign(made, dice=rolled(), at_work=0)
    campaign.start()
    asked = campaign.new_order(count, model="steady/gpt-4o-mini")
    campaign.create(asked)
    until(lambda: made.simulator.stats()["answered"] > 20)
    return campaign, asked


def ended(campaign: Campaign, asked: Order) -> list[str]:
    """What is wrong with a batch, once it has ended."""
    client, batch_id = campaign.client(asked), asked.batch_id or ""
    until(lambda: client.batch(batch_id)["status"] in ENDED)
    batch = client.batch(batch_id)
    assert batch["status"] == "completed"
    return faults(
        asked,
        batch,
        client.content(batch["output_file_id"]),
        client.content(batch["error_file_id"]),
    )


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition for a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def killed_starts(root: Path, *, times: int) -> None:
    """Kill servers on empty directories before they answer; the next start must do."""
    dice = rolled()
    with arena(root, CALM) as made:
        for _ in range(times):
            made.data = root / f"data{dice.getrandbits(64)}"
            server = made.server = made.another_server()
            began = time.monotonic()
            # Imports take the first half second; what comes then is what can break.
            server.start(cold=True)
            while not (made.data / "batchway.lock").exists():
                assert server.alive, server.said()
                assert time.monotonic() - began < 30
                time.sleep(0.002)
            time.sleep(dice.uniform(0.0, 0.7))
            server.kill()
            server.start_and_wait()
            assert server.end() == 0
            assert damage(made.data, root / "scratch") == []


def test_a_first_start_may_be_killed(tmp_path: Path) -> None:
    killed_starts(tmp_path, times=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_first_starts_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    killed_starts(tmp_path, times=40)


def test_a_second_server_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with arena(tmp_path, CALM) as made:
        campaign, asked = begun(made, count=300)
        rival = made.another_server(port=free_port(), name="rival")
        rival.start()
        assert rival.wait() == 1
        assert f"in use by another Batchway, process {made.server.pid}" in rival.said()
        made.server.signal(signal.SIGSTOP)
        rival.start()
        assert rival.wait() == 1
        made.server.signal(signal.SIGCONT)
        assert ended(campaign, asked) == []


def test_a_frozen_server_goes_on_and_pays_nothing_twice(tmp_path: Path) -> None:
    with arena(tmp_path, CALM) as made:
        campaign, asked = begun(made, count=800)
        for seconds in (0.3, 2.0):
            made.server.signal(signal.SIGSTOP)
            time.sleep(seconds)
            made.server.signal(signal.SIGCONT)
            time.sleep(0.3)
        assert ended(campaign, asked) == []
        made.payments.settle()
        needed = sum(not line.refused for line in asked.lines)
        assert made.payments.answers == needed


def test_a_frozen_server_can_be_killed_and_replaced(tmp_path: Path) -> None:
    with arena(tmp_path, CALM) as made:
        campaign, asked = begun(made, count=400)
        made.server.signal(signal.SIGSTOP)
        time.sleep(0.5)
        made.kill()
        replacement = made.server = made.another_server(name="replacement")
        replacement.start_and_wait()
        assert ended(campaign, asked) == []
        assert replacement.end() == 0


def test_a_server_told_to_stop_drains_and_pays_nothing_twice(tmp_path: Path) -> None:
    with arena(tmp_path, CALM) as made:
        campaign, asked = begun(made, count=500)
        assert made.server.end() == 0
        campaign.start_alone()
        assert ended(campaign, asked) == []
        made.payments.settle()
        assert made.payments.answers == sum(not line.refused for line in asked.lines)
