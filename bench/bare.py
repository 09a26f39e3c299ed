"""The yardstick of managed mode: a bare loop of the product's own HTTP client, with no durability.

N workers take request bodies from memory, POST them and await the whole answer as bytes. No ledger,
no limiter, no retry, no parsing of either side: what this reaches is the most that a Python process
can reach, and a crash of it loses everything. `bench.upstream` answers.

    .venv/bin/python -m bench.bare [LINES]    # every setting, interleaved, five rounds

Chosen: uvloop, one `Url` for all requests, Tokio's multithreaded runtime (it needs two threads to
help). One run of the command above on 2 shared cores gave, best / median / worst of five rounds in
1,000 lines/s, for one Tokio thread and for many:

    in flight   latency   one                  many
           64      0 ms   32.9 / 31.4 / 24.3   44.3 / 36.2 / 33.8
          128      0 ms   33.2 / 29.7 / 25.5   44.3 / 41.0 / 34.5
          256      0 ms   31.4 / 29.2 / 22.3   38.8 / 37.1 / 34.0
          512      0 ms   30.3 / 28.3 / 25.3   30.1 / 27.3 / 19.6
        1,024      0 ms   30.4 / 29.1 / 26.4   29.8 / 28.1 / 23.9
        1,024     20 ms   18.6 / 16.6 / 16.2   27.4 / 24.0 / 21.9

When others used the machine the same settings fell to a third and overlapped, so a figure counts
only next to others of its own run. In earlier runs of four rounds, asyncio's own loop reached 15-17
where uvloop reached 20-34, and aiohttp on uvloop 9-10. Headers per client rather than per request,
decompression, redirects, pool size and several clients made no difference that stood out.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from bench.figures import percentile
from bench.inputs import chat_file
from bench.upstream import API_KEY, Upstream
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.http import Url

IN_FLIGHT: Final = 128
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


def make_client(*, multithreaded: bool = True) -> Client:
    """The client with the settings found fastest (see above)."""
    # A proxy in the environment would be measured in the upstream's place.
    return ClientBuilder().no_proxy().http1_only().runtime_multithreaded(multithreaded).build()


async def bare_loop(
    bodies: Sequence[bytes],
    base_url: str,
    *,
    in_flight: int = IN_FLIGHT,
    multithreaded: bool = True,
) -> BareRun:
    """POST every body to `base_url` + `/v1/chat/completions` with `in_flight` workers.

    Raises `BareLoopError` on the first answer that is not a 200 with a body, and pyreqwest's
    `RequestError` on the first failed connection.
    """
    url = Url(base_url + COMPLETIONS)  # parsed once; a `str` would be parsed for every request
    headers = {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"}

    async def work(client: Client, todo: Iterator[bytes]) -> None:
        for body in todo:
            request = client.post(url).headers(headers).body_bytes(body).build()
            response = await request.send()
            content = await response.bytes()
            if response.status != 200 or not content:
                raise BareLoopError(f"status {response.status}, {len(content)} bytes")

    async with make_client(multithreaded=multithreaded) as client:
        todo = iter(bodies)
        started, cpu_started = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work(client, todo) for _ in range(in_flight)))
        return BareRun(
            lines=len(bodies),
            seconds=time.perf_counter() - started,
            cpu_seconds=time.process_time() - cpu_started,
        )


def run_bare(
    bodies: Sequence[bytes],
    *,
    latency_ms: float = 0,
    in_flight: int = IN_FLIGHT,
    multithreaded: bool = True,
) -> BareRun:
    """One bare loop on a fresh uvloop and upstream, checked to have sent each line once."""
    upstream = Upstream(latency_ms=latency_ms)
    with upstream as base_url:
        run = _on_uvloop(
            bare_loop(bodies, base_url, in_flight=in_flight, multithreaded=multithreaded)
        )
        answered = upstream.stats()["requests"]
    if answered != len(bodies):
        raise BareLoopError(f"{len(bodies)} lines, but the upstream answered {answered} requests")
    return run


def _on_uvloop(loop: Coroutine[Any, Any, BareRun]) -> BareRun:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(loop)


def main() -> None:
    """Print lines/s for each setting: best, median and worst of the rounds, interleaved."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    bodies = bodies_of(chat_file(count))
    settings = [
        (in_flight, multithreaded, latency_ms)
        for multithreaded in (False, True)
        for in_flight, latency_ms in ((64, 0), (128, 0), (256, 0), (512, 0), (1024, 0), (1024, 20))
    ]
    runs: dict[tuple[int, bool, int], list[BareRun]] = {setting: [] for setting in settings}
    for _ in range(5):
        for in_flight, multithreaded, latency_ms in settings:
            run = run_bare(
                bodies, latency_ms=latency_ms, in_flight=in_flight, multithreaded=multithreaded
            )
            runs[in_flight, multithreaded, latency_ms].append(run)
    print("in flight  threads  latency    best  median   worst  lines/s   least client µs/line")
    for (in_flight, multithreaded, latency_ms), these in runs.items():
        speeds = sorted(run.lines_per_second for run in these)
        cost = min(run.cpu_seconds / run.lines for run in these) * 1e6
        print(
            f"{in_flight:9}  {'many' if multithreaded else 'one':>7}  {latency_ms:4} ms "
            f"{speeds[-1]:8,.0f}{percentile(speeds, 50):8,.0f}{speeds[0]:8,.0f}  {cost:30.1f}"
        )


if __name__ == "__main__":
    main()
