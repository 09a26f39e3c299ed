"""One request first: the others to the same address wait until it has been answered.

A wrong key, model or address fails every line alike, so one line is enough to find out. It is a
line of the batch and its answer is kept: nothing is paid twice. An answer that speaks against the
account ends the trial: nothing more is sent, and `Trial.verdict` says why in a sentence.

Owns who goes first and who waits. What an answer says of its account is `first_answer`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from batchway.ports import Answer, Failure, Transport

# A first line that is answered slowly (a long generation) does not hold up the others for longer:
# a wrong key is refused at once.
_PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.2

Judge = Callable[[str, Mapping[str, str], bytes, Answer | Failure], Awaitable[str | None]]


@dataclass(slots=True, kw_only=True)
class Trial:
    """What the transports of a run have in common. Written by the work loop, read by any thread.

    `judge` gives the sentence against an account, `None` for an answer that shows it can be used.
    It is not asked, and nobody waits, when it is `None`.
    """

    judge: Judge | None
    verdict: str | None = None
    in_flight: int = 0
    used: set[str] = field(default_factory=set[str])  # addresses whose accounts can be used

    def over(self, transport: Transport) -> "TriedTransport":
        """The transport, tried first."""
        return TriedTransport(trial=self, transport=transport)


class TriedTransport:
    """`ports.Transport`: the one below, one request first. Belongs to one event loop."""

    def __init__(self, *, trial: Trial, transport: Transport) -> None:
        self._trial = trial
        self._transport = transport
        self._under_way: dict[str, asyncio.Event] = {}

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float
    ) -> Answer | Failure:
        """See `ports.Transport`."""
        trial = self._trial
        if trial.judge is None or url in trial.used:
            return await self._send(url, headers, body, timeout)
        if trial.verdict is None and (first := self._under_way.get(url)) is not None:
            try:
                await asyncio.wait_for(first.wait(), _PATIENCE_SECONDS)
            except TimeoutError:
                trial.used.add(url)
        if trial.verdict is not None:
            # Nothing is sent any more: as good as unreachable, until the run is stopped.
            await asyncio.sleep(_PAUSE_SECONDS)
            return Failure.UNREACHABLE
        if url in trial.used:
            return await self._send(url, headers, body, timeout)
        return await self._go_first(trial.judge, url, headers, body, timeout)

    async def get(
        self, url: str, headers: Mapping[str, str], *, timeout: float
    ) -> Answer | Failure:
        """See `ports.Transport`. A look costs nothing, so it waits for no trial."""
        return await self._transport.get(url, headers, timeout=timeout)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def _go_first(
        self, judge: Judge, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Answer | Failure:
        first = self._under_way[url] = asyncio.Event()
        try:
            drawn = await self._send(url, headers, body, timeout)
            verdict = await judge(url, headers, body, drawn)
            if verdict is None:
                self._trial.used.add(url)
                return drawn
            self._trial.verdict = verdict
            return Failure.UNREACHABLE  # the line is not to blame, and keeps its place
        finally:
            del self._under_way[url]
            first.set()

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Answer | Failure:
        self._trial.in_flight += 1
        try:
            return await self._transport.post(url, headers, body, timeout=timeout)
        finally:
            self._trial.in_flight -= 1
