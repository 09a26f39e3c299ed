"""Managed batches of one server: beside a bare client, the ideal, a copy; memory; polls.

Owns what is compared with what. Does not own the server and its measuring (`bench.served`).
"""

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.bare import bodies_of, run_bare
from bench.figures import MIB, Figure, Table, percentile
from bench.goals import COMMAND, Goal, median, publish
from bench.inputs import chat_file
from bench.served import Served, ServedRun, online
from bench.upstream import Upstream

_IN_FLIGHT: Final = 256
_IDEAL_IN_FLIGHT: Final = 1_024
_IDEAL_LATENCY: Final = 0.2


def throughput(scale: float) -> list[Goal]:
    """Durable lines/s of a served batch beside a bare loop of aiohttp's session, in turns."""
    lines = int(50_000 * scale)
    path = chat_file(lines)
    bodies = bodies_of(path)
    bare: list[float] = []
    served: list[ServedRun] = []
    upstream = Upstream()
    with upstream as base_url, Served(online(base_url, concurrency=_IN_FLIGHT)) as server:
        server.run(chat_file(2_000), 2_000)
        for _ in range(3):
            bare.append(run_bare(bodies, in_flight=_IN_FLIGHT).lines_per_second)
            served.append(server.run(path, lines))
    rates = [run.lines_per_second for run in served]
    ratio = statistics.median(rates) / statistics.median(bare)
    table = Table(
        name="throughput",
        title="Lines/s: a bare loop of aiohttp's session, and a served, durable batch",
        command=COMMAND,
        figures=(
            median("bare loop", "lines/s", bare),
            median("served batch", "lines/s", rates),
        ),
        notes=(
            f"{lines:,} lines of about 1 KB, {_IN_FLIGHT} in flight; medians of three, in turns.",
            "The upstream is `bench/upstream.c`, compiled, about 8 µs of CPU a request. Client, "
            "server and upstream share the machine's cores.",
            "A served batch counts from create to completed: validation, dispatch, commits once a "
            "second, and writing the output file in input order.",
            f"Served is {ratio:.2f} of bare (goal: at least 0.6).",
        ),
    )
    publish(table)
    return [Goal(what="served lines/s, of bare", goal="at least 0.6", got=ratio, met=ratio >= 0.6)]


def ideal(scale: float) -> list[Goal]:
    """Share of the ideal at 200 ms latency and 1,024 in flight."""
    lines = int(100_000 * scale)
    path = chat_file(lines)
    best = _IDEAL_IN_FLIGHT / _IDEAL_LATENCY
    runs: list[float] = []
    upstream = Upstream(latency_ms=_IDEAL_LATENCY * 1000)
    with upstream as base_url, Served(online(base_url, concurrency=_IDEAL_IN_FLIGHT)) as server:
        runs += [server.run(path, lines).lines_per_second for _ in range(2)]
        in_flight = upstream.stats()["max_in_flight"]
    share = max(runs) / best
    publish(
        Table(
            name="ideal",
            title="Lines/s at 200 ms latency and 1,024 in flight",
            command=COMMAND,
            figures=(
                Figure(series="ideal", at="lines/s", value=best, unit=""),
                Figure(
                    series="served batch",
                    at="lines/s",
                    value=max(runs),
                    unit="",
                    runs=tuple(runs),
                ),
            ),
            notes=(
                f"{lines:,} lines; the upstream saw at most {in_flight:,} requests at once.",
                f"Served is {share:.2f} of the ideal (goal: at least 0.9), from create to "
                "completed, validation and output file included; the better of two runs.",
            ),
        )
    )
    return [
        Goal(what="share of the ideal at 200 ms", goal="at least 0.9", got=share, met=share >= 0.9)
    ]


def memory(scale: float) -> list[Goal]:
    """Peak memory of the server by the size of the batch, a fresh server for each."""
    sizes = [int(size * scale) for size in (10_000, 100_000, 1_000_000)]
    peaks: list[ServedRun] = []
    figures: list[Figure] = []
    for size in sizes:
        with Upstream() as base_url, Served(online(base_url, concurrency=_IN_FLIGHT)) as server:
            run = server.run(chat_file(size), size)
        peaks.append(run)
        for series, value in (("PSS", run.memory.pss), ("RSS", run.memory.rss)):
            at = f"{size:,}"
            figures.append(Figure(series=series, at=at, value=value / MIB, unit="MiB"))
    growth = peaks[-1].memory.rss / peaks[0].memory.rss
    most = peaks[-1].memory.rss / 1e6
    publish(
        Table(
            name="memory",
            title="Peak memory of the server by lines of the batch",
            command=COMMAND,
            figures=tuple(figures),
            notes=(
                "Upload, validation, dispatch, commits and output file of lines of about 1 KB; "
                "every process of the server, sampled ten times a second.",
                f"The largest is {growth:.2f} times the smallest (goal: at most 1.3) and "
                f"{most:.0f} MB (goal: under 250 MB).",
            ),
        )
    )
    return [
        Goal(what="memory, last of first", goal="at most 1.3", got=growth, met=growth <= 1.3),
        Goal(what="memory of the last, MB", goal="under 250", got=most, met=most < 250),
    ]


def polling(scale: float) -> list[Goal]:
    """p50 and p99 of `GET /batches/{id}`, idle and while a batch runs flat out."""
    lines = int(100_000 * scale)
    with Upstream() as base_url, Served(online(base_url, concurrency=_IN_FLIGHT)) as server:
        client = server.client()
        first = server.run(chat_file(2_000), 2_000)
        known = client.batches.list(limit=1).data[0].id
        idle = server.poll(known, 1_000)
        busy = server.run(chat_file(lines), lines, poll_every=0.01).polls
    figures: list[Figure] = []
    for series, latencies in (("idle", idle), ("batch running flat out", busy)):
        for percent in (50, 99):
            value = percentile(latencies, percent) * 1e3
            figures.append(Figure(series=series, at=f"p{percent}", value=value, unit="ms"))
    p99 = percentile(busy, 99) * 1e3
    publish(
        Table(
            name="polling",
            title="Latency of GET /batches/{id}",
            command=COMMAND,
            figures=tuple(figures),
            notes=(
                f"{len(idle):,} polls idle; {len(busy):,} polls, one each 10 ms, during a batch of "
                f"{lines:,} lines at full speed. One connection, answers read whole.",
                f"p99 while running is {p99:.1f} ms (goal: under 50 ms). "
                f"Warm-up: {first.lines:,} lines.",
            ),
        )
    )
    return [Goal(what="p99 of a poll while busy, ms", goal="under 50", got=p99, met=p99 < 50)]


def upload(scale: float) -> list[Goal]:
    """MB/s of an upload through the official SDK beside a plain copy to the same disk."""
    lines = int(500_000 * scale)
    path = chat_file(lines)
    size = path.stat().st_size
    uploads: list[float] = []
    copies: list[float] = []
    with Upstream() as base_url, Served(online(base_url, concurrency=1)) as server:
        client = server.client()
        for _ in range(3):
            copies.append(size / 1e6 / _copy_seconds(path))
            started = time.perf_counter()
            with path.open("rb") as file:
                stored = client.files.create(file=file, purpose="batch")
            uploads.append(size / 1e6 / (time.perf_counter() - started))
            client.files.delete(stored.id)
    share = statistics.median(uploads) / statistics.median(copies)
    publish(
        Table(
            name="upload",
            title="MB/s: a plain copy with fsync, and an upload through the OpenAI SDK",
            command=COMMAND,
            figures=(
                median("plain copy and fsync", "MB/s", copies),
                median("upload", "MB/s", uploads),
            ),
            notes=(
                f"One file of {size / 1e6:,.0f} MB, medians of three in turns. The upload goes "
                "through the SDK's multipart encoder, a socket, our parser and SHA-256, and ends "
                f"with fsync; it is {share:.2f} of the copy.",
            ),
        )
    )
    return []


def _copy_seconds(path: Path) -> float:
    with tempfile.NamedTemporaryFile(prefix="batchway-bench-") as target:
        started = time.perf_counter()
        with path.open("rb") as source:
            shutil.copyfileobj(source, target, MIB)
        target.flush()
        os.fsync(target.fileno())
        return time.perf_counter() - started
