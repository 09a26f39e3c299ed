"""`check`: every problem of a file, without a server, a database or a provider."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from batchway.bootstrap.parts import routing_table, scan_limits
from batchway.domain.batch import BatchError
from batchway.domain.routing import Destination, Resolution
from batchway.domain.shard import Mode
from batchway.settings import Settings
from batchway.workflows.envelope import REQUIRED
from batchway.workflows.scan import Scan

_HEAD_BYTES: Final = 64 << 20


class CannotRun(Exception):
    """A run or check cannot start; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSummary:
    """What `batchway check` found."""

    lines: int
    problems: int
    endpoint: str
    models: dict[str, int] = field(default_factory=dict[str, int])


def endpoint_of(path: Path, given: str | None = None) -> str:
    """The endpoint of a file: the `given` one, or the one that its first line names.

    Raises `CannotRun` for one that batches do not have.
    """
    if given is not None:
        if given not in REQUIRED:
            raise CannotRun(f"'{given}' is none of the endpoints {', '.join(REQUIRED)}.")
        return given
    with path.open("rb") as file:
        first = file.readline(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
    try:
        url = json.loads(first)["url"]
    except (ValueError, KeyError, TypeError) as error:
        raise CannotRun(
            f"The first line of {path} does not say which `url` it is for. Name it with --endpoint."
        ) from error
    known = url if url in REQUIRED else f"/v1{url}"
    if known not in REQUIRED:
        raise CannotRun(
            f"The first line of {path} is for '{url}', which is none of {', '.join(REQUIRED)}."
        )
    return known


class _OneFile:
    """A file on disk as a blob store of one blob."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, key: str, start: int, length: int) -> bytes:  # noqa: ARG002 - there is one
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(length)


async def check_file(
    settings: Settings,
    path: Path,
    endpoint: str | None,
    provider: str | None,
    report: Callable[[BatchError], None],
) -> CheckSummary:
    """Read a whole file as validation would and report every problem. Needs no server."""
    endpoint = endpoint_of(path, endpoint)
    routing = routing_table(settings)

    def resolve(model: str) -> Resolution:
        if not settings.providers:
            # Checked away from where it will run: which models there are is not known here.
            return Destination(group="", mode=Mode.MANAGED, primaries=())
        return routing.resolve(model, endpoint=endpoint, provider=provider, allowed=None)

    scan = Scan(
        blobs=_OneFile(path),
        key="input",
        batch_id="check",
        endpoint=endpoint,
        limits=scan_limits(settings, max_errors=None),
        resolve=resolve,
        report=report,
    )
    try:
        for piece in scan.pieces():
            scan.take(piece)
            if scan.full:
                break
        scan.finish()
    finally:
        scan.close()
    return CheckSummary(
        lines=scan.requests, problems=scan.problems, endpoint=endpoint, models=scan.models
    )
