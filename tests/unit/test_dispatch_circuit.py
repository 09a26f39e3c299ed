"""Every event in every state of the circuit's drawing."""

import math

import pytest

from batchway.dispatch.circuit import MOST_PAUSE, Circuit
from batchway.dispatch.fault import Fault, Setback

DOWN = Setback(fault=Fault.UNREACHABLE)
BROKEN = Setback(fault=Fault.BROKEN, status=500)


def _closed() -> Circuit:
    return Circuit(trips_after=3)


def _open() -> Circuit:
    circuit = _closed()
    for _ in range(3):
        circuit.failed(DOWN, counts=False, probe=False, now=100.0)
    return circuit


def _probing() -> Circuit:
    circuit = _open()
    assert circuit.sent()
    return circuit


def _state(circuit: Circuit) -> str:
    if circuit.down_since is None:
        return "closed"
    return "probing" if circuit.probing else "open"


@pytest.mark.parametrize(
    ("event", "closed", "open_", "probing"),
    [
        ("alive", "closed", "closed", "closed"),
        ("failed", "closed", "open", "probing"),  # a request that was sent before
        ("probe failed", "closed", "open", "open"),
        ("probe dropped", "closed", "open", "open"),
        ("sent", "closed", "probing", "probing"),
    ],
)
def test_every_event_in_every_state(event: str, closed: str, open_: str, probing: str) -> None:
    after: list[str] = []
    for circuit in (_closed(), _open(), _probing()):
        match event:
            case "alive":
                circuit.alive()
            case "failed":
                circuit.failed(BROKEN, counts=True, probe=False, now=101.0)
            case "probe failed":
                circuit.failed(BROKEN, counts=True, probe=True, now=101.0)
            case "probe dropped":
                circuit.dropped(probe=True)
            case _:
                circuit.sent()
        after.append(_state(circuit))
    assert after == [closed, open_, probing]


def test_pauses_grow_to_a_minute_and_start_over_after_good_news() -> None:
    circuit = _open()
    now, pauses = 100.0, list[float]()
    for _ in range(9):
        pauses.append(circuit.wait(now))
        now += pauses[-1]
        assert circuit.wait(now) == 0
        circuit.sent()
        assert circuit.wait(now) == math.inf
        circuit.failed(DOWN, counts=False, probe=True, now=now)
    assert pauses == [1, 2, 4, 8, 16, 32, MOST_PAUSE, MOST_PAUSE, MOST_PAUSE]
    circuit.alive()
    for _ in range(3):
        circuit.failed(DOWN, counts=False, probe=False, now=now)
    assert circuit.wait(now) == 1


@pytest.mark.parametrize(
    ("fault", "opens"),
    [
        (Fault.UNREACHABLE, True),
        (Fault.UNAVAILABLE, True),
        (Fault.THROTTLED, True),
        (Fault.ACCOUNT, True),
        (Fault.DENIED, False),
        (Fault.BROKEN, False),
        (Fault.GARBAGE, False),
        (Fault.TIMEOUT, False),
        (Fault.INTERRUPTED, False),
    ],
)
def test_a_line_that_always_fails_takes_nothing_down(fault: Fault, opens: bool) -> None:
    circuit = _closed()
    for attempt in range(8):
        circuit.failed(Setback(fault=fault), counts=attempt == 0, probe=False, now=1.0)
    assert (circuit.down_since is not None) is opens


def test_pauses_stay_within_what_is_set_and_end_when_there_is_reason_to_hope() -> None:
    circuit = _open()
    circuit.most_pause = 10.0
    now, pauses = 100.0, list[float]()
    for _ in range(6):
        pauses.append(circuit.wait(now))
        now += pauses[-1]
        circuit.sent()
        circuit.failed(BROKEN, counts=False, probe=True, now=now)
    assert pauses == [1, 2, 4, 8, 10, 10]
    circuit.try_now(now + 3)
    assert circuit.wait(now + 3) == 0
    circuit.sent()
    circuit.failed(BROKEN, counts=False, probe=True, now=now + 3)
    assert circuit.wait(now + 3) == 2  # they start over
