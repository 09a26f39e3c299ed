"""The yardstick of managed mode: a bare loop of aiohttp's session, with no durability.

N workers take request bodies from memory, POST them and await the whole answer as bytes. No ledger,
no limiter, no retry, no parsing of either side, and a crash of it loses everything. It is what the
product was first measured by, and stays as it was: the product itself writes short requests without
the session since (ADR 0005). `bench.upstream` answers.

    .venv/bin/python -m bench.bare [LINES]    # every setting, interleaved, five rounds

The session is the transport's (`new_session`), the loop uvloop; URL, headers and timeout are made
once. One short run of the command above, with 8,000 lines, gave on 2 cores shared with others, best
/ median / worst of five rounds in 1,000 lines/s and the least CPU of the client:

    in flight   latency                          µs a line
           64      0 ms   12.9 /  8.2 /  7.6            78
          128      0 ms   12.5 /  8.1 /  6.0            81
          256      0 ms    8.8 /  5.3 /  4.8           114
          512      0 ms    7.3 /  6.1 /  3.5           138
        1,024      0 ms    5.2 /  4.0 /  3.3           194
        1,024     20 ms    5.3 /  3.5 /  2.3           189

Opening the connections counts, which a longer run spreads over more lines. The rounds differ
twofold, so a figure counts only next to others of its own run.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from aiohttp import ClientSession, ClientTimeout
from bench.figures import percentile
from bench.inputs import chat_file
from bench.upstream import API_KEY, Upstream
from multidict import CIMultiDict
from yarl import URL

from batchway.providers.http.transport import new_session

IN_FLIGHT: Final = 128
TIMEOUT: Final = ClientTimeout(total=600, connect=10, ceil_threshold=float("inf"))
COMPLETIONS: Final = "/v1/chat/completions"


class BareLoopError(Exception):
    """An answer was not a 200 with a body; the figure would be of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BareRun:
    """What one pass over the lines took; `cpu_seconds` is this process's, all threads."""

    lines: int
    seconds: float
    cpu_seconds: float

    @property
    def lines_per_second(self) -> float:
        """The figure."""
        return self.lines / self.seconds


class _Line(msgspec.Struct, frozen=True):
    body: msgspec.Raw


def bodies_of(path: Path) -> list[bytes]:
    """Every line's `body` exactly as written, in memory, before any clock runs."""
    decode = msgspec.json.Decoder(_Line).decode
    with path.open("rb") as file:
        return [bytes(decode(line).body) for line in file]


async def bare_loop(
    bodies: Sequence[bytes], base_url: str, *, in_flight: int = IN_FLIGHT
) -> BareRun:
    """POST every body to `base_url` + `/v1/chat/completions` with `in_flight` workers.

    Raises `BareLoopError` on the first answer that is not a 200 with a body, and aiohttp's
    `ClientError` on the first failed connection.
    """
    url = URL(base_url + COMPLETIONS)  # parsed once; a `str` would be parsed for every request
    headers = CIMultiDict(
        {
            "authorization": f"Bearer {API_KEY}",
            "content-type": "application/json",
            "accept-encoding": "identity",
        }
    )

    async def work(session: ClientSession, todo: Iterator[bytes]) -> None:
        for body in todo:
            response = await session.post(
                url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
            content = await response.read()
            if response.status != 200 or not content:
                raise BareLoopError(f"status {response.status}, {len(content)} bytes")

    async with new_session() as session:
        todo = iter(bodies)
        started, cpu_started = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work(session, todo) for _ in range(in_flight)))
        return BareRun(
            lines=len(bodies),
            seconds=time.perf_counter() - started,
            cpu_seconds=time.process_time() - cpu_started,
        )


def run_bare(
    bodies: Sequence[bytes], *, latency_ms: float = 0, in_flight: int = IN_FLIGHT
) -> BareRun:
    """One bare loop on a fresh uvloop and upstream, checked to have sent each line once."""
    upstream = Upstream(latency_ms=latency_ms)
    with upstream as base_url:
        run = _on_uvloop(bare_loop(bodies, base_url, in_flight=in_flight))
        answered = upstream.stats()["requests"]
    if answered != len(bodies):
        raise BareLoopError(f"{len(bodies)} lines, but the upstream answered {answered} requests")
    return run


def _on_uvloop(loop: Coroutine[Any, Any, BareRun]) -> BareRun:
    # As the product does it: without this the yardstick would be shorter than it need be.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(loop)


def main() -> None:
    """Print lines/s for each setting: best, median and worst of the rounds, interleaved."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    bodies = bodies_of(chat_file(count))
    settings = ((64, 0), (128, 0), (256, 0), (512, 0), (1024, 0), (1024, 20))
    runs: dict[tuple[int, int], list[BareRun]] = {setting: [] for setting in settings}
    for _ in range(5):
        for in_flight, latency_ms in settings:
            run = run_bare(bodies, latency_ms=latency_ms, in_flight=in_flight)
            runs[in_flight, latency_ms].append(run)
    print("in flight  latency    best  median   worst  lines/s   least client µs/line")
    for (in_flight, latency_ms), these in runs.items():
        speeds = sorted(run.lines_per_second for run in these)
        cost = min(run.cpu_seconds / run.lines for run in these) * 1e6
        print(
            f"{in_flight:9}  {latency_ms:4} ms {speeds[-1]:8,.0f}{percentile(speeds, 50):8,.0f}"
            f"{speeds[0]:8,.0f}  {cost:30.1f}"
        )


if __name__ == "__main__":
    main()
