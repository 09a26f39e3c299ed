"""A model of an engine at work in real time: a coroutine takes as long as its request would.

Owns the timer and who waits for which request. Does not own how long anything takes
(`engine_model`). Belongs to one event loop.
"""

import asyncio
import math
from typing import Final

from batchway.simulator.online.engine_model import ENGINES, Engine

# The names that vLLM serves them by, with its label:
# https://docs.vllm.ai/en/latest/usage/metrics.html
_METRICS: Final = (
    "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
    "# TYPE vllm:num_requests_running gauge\n"
    'vllm:num_requests_running{{model_name="{model}"}} {running}.0\n'
    "# HELP vllm:num_requests_waiting Number of requests waiting to be processed.\n"
    "# TYPE vllm:num_requests_waiting gauge\n"
    'vllm:num_requests_waiting{{model_name="{model}"}} {waiting}.0\n'
)


class Working:
    """One engine that requests share."""

    def __init__(self, name: str, *, seed: int) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._engine = Engine(ENGINES[name], seed=seed)
        self._served: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    async def work(self, tokens: int) -> None:
        """Return when a request for so many output tokens, sent now, would be answered."""
        self._ring()
        self._number += 1
        number = self._number
        served = self._served[number] = self._loop.create_future()
        self._engine.arrive(self._now(), number, tokens)
        self._set_timer()
        try:
            await served
        except asyncio.CancelledError:
            self._ring()
            if self._served.pop(number, None) is not None:
                self._engine.leave(self._now(), number)
                self._set_timer()
            raise

    def metrics(self) -> bytes:
        """What vLLM would answer to `GET /metrics`, as far as somebody reads it."""
        self._ring()
        return _METRICS.format(
            model=self._name, running=self._engine.running, waiting=self._engine.waiting
        ).encode()

    def _now(self) -> float:
        return self._loop.time() - self._started

    def _ring(self) -> None:
        """Answer whatever has ended by now."""
        for number in self._engine.advance(self._now()):
            served = self._served.pop(number, None)
            if served is not None and not served.done():
                served.set_result(None)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._engine.next_event()
        if math.isfinite(due):
            self._timer = self._loop.call_at(self._started + due, self._ring)
