"""`check`: every problem of a file, without a server, a database or a provider."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from batchway.bootstrap.accounts import dialects_of, new_account
from batchway.bootstrap.parts import SystemClock, routing_table, scan_limits
from batchway.domain.batch import BatchError
from batchway.domain.call import Call
from batchway.domain.endpoint import Endpoint, endpoint_of
from batchway.domain.routing import Destination, Resolution, Target
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Mode
from batchway.ports import Dialect
from batchway.settings import Settings
from batchway.workflows.plan.scan import Scan

_HEAD_BYTES: Final = 64 << 20
_ENDPOINTS: Final = ", ".join(sorted(Endpoint))


class CannotRun(Exception):
    """A run or check cannot start; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSummary:
    """What `batchway check` found.

    `warnings` are numbers of lines, by what is left out of them; `run_online` tells of lines that
    would run online although the mode prefers jobs.
    """

    lines: int
    problems: int
    endpoint: str
    models: dict[str, int] = field(default_factory=dict[str, int])
    warnings: dict[str, int] = field(default_factory=dict[str, int])
    run_online: tuple[RunOnline, ...] = ()


def read_endpoint(path: Path, given: str | None = None, *, name: str | None = None) -> Endpoint:
    """The endpoint of a file: the `given` one, or the one that its first line names.

    `name` is what people call the file. Blank lines are skipped. Raises `CannotRun` for an
    endpoint that batches do not have, and for a file that is no JSONL at all.
    """
    if given is not None:
        known = endpoint_of(given)
        if known is None:
            raise CannotRun(f"'{given}' is none of the endpoints {_ENDPOINTS}.")
        return known
    shown = name or str(path)
    first = first_line(path)
    try:
        # Bytes would be taken for UTF-16 where they are, and `NaN` for JSON.
        record: Any = json.loads(first.decode("utf-8-sig"), parse_constant=_no_constant)
        url: Any = record["url"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CannotRun(not_jsonl(first, shown)) from error
    known = endpoint_of(url) if isinstance(url, str) else None
    if known is None:
        raise CannotRun(f"The first line of {shown} is for '{url}', which is none of {_ENDPOINTS}.")
    return known


def first_line(path: Path) -> bytes:
    """The first line that is not blank, without a byte order mark; empty where there is none."""
    with path.open("rb") as file:
        line = file.readline(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
        while line and line.isspace():
            line = file.readline(_HEAD_BYTES)
    return line.strip()


def model_of(line: bytes) -> str:
    """The model that a line names; empty where it names none."""
    try:
        record: Any = json.loads(line)
        model: Any = record["body"]["model"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return model if isinstance(model, str) else ""


def not_jsonl(first: bytes, name: str) -> str:
    """What a first line that names no `url` says of its file, and what to do."""
    if not first:
        return f"{name} is empty: it has no line to run."
    if first.startswith((b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        return f"{name} is packed in a way that Batchway does not read: unpack it, or use gzip."
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"{name} is UTF-16 text. Save it as UTF-8."
    try:
        text = first.decode()
    except UnicodeDecodeError:
        return f"{name} is not UTF-8 text. Save it as UTF-8."
    if text.startswith("["):
        return (
            f"{name} is a JSON array. Batches take one object a line: "
            f"`jq -c '.[]' {name}` makes that of it."
        )
    if text.startswith("{"):
        try:
            json.loads(text, parse_constant=_no_constant)
        except _ConstantError as error:
            return (
                f"The first line of {name} holds {error}, which JSON does not have: write null, or "
                "leave the field out."
            )
        except (ValueError, RecursionError):
            return (
                f"The first line of {name} is not one whole JSON object. Batches take one object a "
                f"line; `jq -c . {name}` joins objects that are spread over several."
            )
        return (
            f"The first line of {name} does not say which `url` it is for. Name it with --endpoint."
        )
    separator = next((each for each in (",", ";", "\t") if each in text), None)
    kind = "looks like CSV" if separator else "is not JSON"
    return (
        f"The first line of {name} {kind}. Batches take one JSON object a line: "
        f'{{"custom_id": "1", "method": "POST", "url": "{Endpoint.CHAT_COMPLETIONS}", '
        '"body": {...}}.'
    )


def _no_constant(name: str) -> object:
    raise _ConstantError(name)


class _ConstantError(ValueError):
    """`NaN` and the infinities, which Python writes into JSON."""


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
    *,
    name: str | None = None,
) -> CheckSummary:
    """Read a whole file as validation would and report every problem. Needs no server."""
    asked = read_endpoint(path, endpoint, name=name)
    routing = routing_table(settings)

    def resolve(model: str) -> Resolution:
        if not settings.providers:
            # Checked away from where it will run: which models there are is not known here.
            return Destination(group="", mode=Mode.MANAGED, primaries=())
        return routing.resolve(model, endpoint=asked, provider=provider, allowed=None)

    entries = {entry.name: entry for entry in settings.providers}

    def dialect(target: Target, mode: Mode) -> Dialect | None:
        try:
            account = new_account(entries[target.provider].uncalled(), clock=SystemClock())
        except ValueError:
            return None  # a mistake of the configuration, not of the file
        call = Call(endpoint=asked, model=target.model)
        return dialects_of({target.provider: account})(target.provider, call, mode)

    scan = Scan(
        blobs=_OneFile(path),
        key="input",
        batch_id="check",
        endpoint=asked,
        limits=scan_limits(settings, max_errors=None),
        resolve=resolve,
        dialect=dialect,
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
        lines=scan.requests,
        problems=scan.problems,
        endpoint=asked,
        models=scan.models,
        warnings=scan.warnings,
        run_online=scan.online.told,
    )
