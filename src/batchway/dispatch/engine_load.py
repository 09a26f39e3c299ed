"""What an engine says of itself: how many requests run in it and how many wait.

    vllm:num_requests_running, vllm:num_requests_waiting     https://docs.vllm.ai/en/latest/usage/metrics.html
    sglang:num_running_reqs, sglang:num_queue_reqs           https://docs.sglang.io/references/production_metrics.html

An optional signal of `concurrency`: it costs one request every few seconds while lines are in
flight, and an engine that does not answer is left alone for long.

Owns reading the metrics and the pace of looking. Does not own what follows from them.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from batchway.ports import Clock, EngineMetrics

_log: Final = logging.getLogger(__name__)

LOOK_EVERY: Final = 3.0
_NOT_THERE_SECONDS: Final = 600.0
_RUNNING: Final = (b"vllm:num_requests_running", b"sglang:num_running_reqs")
_WAITING: Final = (b"vllm:num_requests_waiting", b"sglang:num_queue_reqs")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoad:
    """Requests of everybody that uses the engine."""

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


class LoadWatch:
    """Looks again and again while that is wanted. Belongs to one event loop."""

    __slots__ = ("_clock", "_metrics", "_quiet_until", "_seen", "_task", "_wanted")

    def __init__(
        self,
        *,
        metrics: EngineMetrics,
        wanted: Callable[[], bool],
        seen: Callable[[EngineLoad], None],
        clock: Clock,
    ) -> None:
        self._metrics = metrics
        self._wanted = wanted
        self._seen = seen
        self._clock = clock
        self._quiet_until = 0.0
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Begin to look, unless that is being done or was in vain."""
        if self._task is None and self._clock.monotonic() >= self._quiet_until:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                await self._clock.sleep(LOOK_EVERY)
                if not self._wanted():
                    return
                load = await self._look()
                if load is None:
                    self._quiet_until = self._clock.monotonic() + _NOT_THERE_SECONDS
                    return
                self._seen(load)
        finally:
            self._task = None

    async def _look(self) -> EngineLoad | None:
        try:
            metrics = await self._metrics.read()
        except Exception as error:  # noqa: BLE001 - a look that cannot be had must end nothing
            _log.debug("an engine's metrics cannot be read: %s", type(error).__name__)
            return None
        return None if metrics is None else read_load(metrics)
