"""Metrics of vLLM and SGLang as a signal: read rightly, asked rarely, used against long queues."""

import asyncio

import pytest
from tests.unit.dispatch_world import VirtualClock, in_virtual_time

from batchway.dispatch.concurrency import Auto
from batchway.dispatch.engine_load import EngineLoad, read_load, watch_load

VLLM = b"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a b} c"} 256.0
vllm:num_requests_running{engine="1",model_name="a b} c"} 200.0
vllm:num_requests_waiting{engine="0",model_name="a b} c"} 44.0 1700000000000
vllm:num_requests_waiting_by_reason{engine="0"} 44.0
vllm:kv_cache_usage_perc{engine="0"} NaN
"""
SGLANG = b"""\
sglang:num_running_reqs{model_name="m"} 7.0
sglang:num_queue_reqs{model_name="m"} 3.0
"""


@pytest.mark.parametrize(
    ("metrics", "load"),
    [
        (VLLM, EngineLoad(running=456, waiting=44)),
        (SGLANG, EngineLoad(running=7, waiting=3)),
        (b"vllm:num_requests_running 5\n", EngineLoad(running=5, waiting=0)),
        (b'vllm:num_requests_running{a="b"} NaN\n', None),
        (b'vllm:num_requests_running{a="b"}\n', None),
        (b"python_gc_objects_collected_total 1.0\n", None),
        (b"<html>404</html>", None),
        (b"", None),
    ],
)
def test_the_load_is_read_from_metrics(metrics: bytes, load: EngineLoad | None) -> None:
    assert read_load(metrics) == load


def _heard(auto: Auto, *loads: tuple[int, int]) -> int:
    for running, waiting in loads:
        auto.heard(EngineLoad(running=running, waiting=waiting), sent=1_000, in_flight=1)
    return auto.limit


def test_a_long_queue_is_made_short_and_not_empty() -> None:
    auto = Auto(most=1024, start=400)
    assert _heard(auto, (256, 144)) == 400  # may be a burst that passes
    assert _heard(auto, (256, 144)) == 400 - 144 + 32
    assert _heard(auto, (256, 32), (256, 32)) == 288


def test_a_fall_for_a_queue_that_others_make_is_bounded() -> None:
    assert _heard(Auto(most=1024, start=100), (256, 5_000), (256, 5_000)) == 50


def test_an_engine_without_a_queue_changes_nothing() -> None:
    assert _heard(Auto(most=1024, start=100), *[(100, 0)] * 10) == 100


class Metrics:
    """`ports.EngineMetrics` that counts how often it is read."""

    def __init__(self, text: bytes | None) -> None:
        self.text = text
        self.reads = 0

    async def read(self) -> bytes | None:
        self.reads += 1
        if self.text == b"broken":
            raise ValueError("broken")
        return self.text


@pytest.mark.parametrize(
    ("text", "reads", "seen"), [(SGLANG, 20, 20), (None, 1, 0), (b"", 1, 0), (b"broken", 1, 0)]
)
def test_it_costs_a_request_every_three_seconds_and_none_where_nothing_answers(
    text: bytes | None, reads: int, seen: int
) -> None:
    async def main() -> None:
        metrics, loads = Metrics(text), list[EngineLoad]()
        watch = watch_load(metrics, wanted=lambda: True, seen=loads.append, clock=VirtualClock())
        for _ in range(61):
            watch.wake()
            await asyncio.sleep(1.0)
        assert (metrics.reads, len(loads)) == (reads, seen)

    in_virtual_time(main())


def test_nothing_is_asked_while_nothing_is_in_flight() -> None:
    async def main() -> None:
        metrics = Metrics(SGLANG)
        watch = watch_load(
            metrics, wanted=lambda: False, seen=lambda load: None, clock=VirtualClock()
        )
        watch.wake()
        await asyncio.sleep(60.0)
        assert metrics.reads == 0

    in_virtual_time(main())
