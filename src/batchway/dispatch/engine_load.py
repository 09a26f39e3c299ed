"""What an engine says of itself: how many requests run in it and how many wait.

    vllm:num_requests_running, vllm:num_requests_waiting     https://docs.vllm.ai/en/latest/usage/metrics.html
    sglang:num_running_reqs, sglang:num_queue_reqs           https://docs.sglang.io/references/production_metrics.html

An optional signal of `concurrency`: it costs one request every few seconds while lines are in
flight, and an engine that does not answer is left alone for long.

Owns reading the metrics. Does not own the pace of looking (`watch`), or what follows from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from batchway.dispatch.watch import LOOK_EVERY, Watch
from batchway.ports import Clock, EngineMetrics

_NOT_THERE_SECONDS: Final = 600.0
_RUNNING: Final = (b"vllm:num_requests_running", b"sglang:num_running_reqs")
_WAITING: Final = (b"vllm:num_requests_waiting", b"sglang:num_queue_reqs")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoad:
    """Requests in the engine, those of its other users included."""

    running: int
    waiting: int


def read_load(metrics: bytes) -> EngineLoad | None:
    """The load in Prometheus' text format, all models and engines of a server together."""
    running, waiting = 0.0, 0.0
    known = False
    for line in metrics.splitlines():
        name, value = _sample(line)
        if value is None:
            continue
        if name in _RUNNING:
            running += value
            known = True
        elif name in _WAITING:
            waiting += value
    return EngineLoad(running=int(running), waiting=int(waiting)) if known else None


def _sample(line: bytes) -> tuple[bytes, float | None]:
    """Name and value of a line `name{labels} value`."""
    if line.startswith(b"#"):
        return b"", None
    name, _, _ = line.partition(b"{")
    fields = line.rpartition(b"}")[2].split() if b"{" in line else line.split()[1:]
    name = name.split(b" ", 1)[0]
    try:
        value = float(fields[0])
    except (IndexError, ValueError):
        return name, None
    return name, value if 0 <= value < 1e9 else None  # NaN is neither


async def look_at_load(metrics: EngineMetrics) -> EngineLoad | None:
    """What the engine tells now; `None` if nothing."""
    page = await metrics.read()
    return None if page is None else read_load(page)


def watch_load(
    metrics: EngineMetrics,
    *,
    wanted: Callable[[], bool],
    seen: Callable[[EngineLoad], None],
    clock: Clock,
) -> Watch[EngineLoad]:
    """A watch over an engine's load: one request every few seconds, none where nothing answers."""
    return Watch(
        look=lambda: look_at_load(metrics),
        wanted=wanted,
        seen=seen,
        clock=clock,
        delay=LOOK_EVERY,
        rest=_NOT_THERE_SECONDS,
    )
