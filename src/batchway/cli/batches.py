"""`submit`, `list`, `status`, `watch`, `cancel` and `download`: clients of a server.

Owns flags and what is printed; the calls are `client`'s.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from batchway.cli import progress
from batchway.cli.console import count, moment, note, pairs, printable, say, size, table
from batchway.cli.failures import CommandError
from batchway.cli.options import (
    DEFAULT_SERVER,
    Endpoint,
    Input,
    Json,
    Provider,
    ServerKey,
    ServerUrl,
    Window,
    window_or_fail,
)

if TYPE_CHECKING:
    from batchway.cli.client import Server

_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_POLL: Final = 1.0  # seconds; a look costs the server one row
_PATIENCE: Final = 60.0  # seconds that a watched server may be away, for a restart

BatchId = Annotated[str, typer.Argument(metavar="ID", help="Id of a batch.")]


def submit(
    input: Input,
    *,
    endpoint: Endpoint = None,
    window: Window = "24h",
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Metadata of the batch; may be repeated."),
    ] = None,
    provider: Provider = None,
    job_name: Annotated[
        str | None, typer.Option(help="A name for the batch.", show_default=False)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Upload a file and create a batch of it on a server. Prints the batch's id."""
    from batchway.cli.client import Refused  # noqa: PLC0415 - see the package

    window_or_fail(window)
    body: dict[str, Any] = {
        "endpoint": endpoint or _first_url(input),
        "completion_window": window,
    }
    if metadata:
        body["metadata"] = dict(_pair(text) for text in metadata)
    if job_name is not None:
        body["job_name"] = job_name
    with _open(server, api_key) as client:
        total = input.stat().st_size
        with progress.transferred(f"Uploading {printable(input.name)}", total) as sent:
            file = client.upload(input, sent=sent)
        try:
            batch = client.create({**body, "input_file_id": file["id"]}, provider=provider)
        except Refused:
            client.delete(file["id"])  # nobody else knows its id
            raise
        say(printable(batch["id"]))
        code = _watched(client, batch["id"]) if watch else 0
    raise typer.Exit(code)


def list_batches(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    after: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Start behind this batch.", show_default=False),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only with this status, such as in_progress.", show_default=False),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only those this provider runs lines of.", show_default=False
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Only of this endpoint.", show_default=False),
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only with this metadata; may be repeated."),
    ] = None,
    created_after: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only newer: 2026-11-23T08:00Z, or seconds.", show_default=False
        ),
    ] = None,
    created_before: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only older.", show_default=False),
    ] = None,
    as_json: Json = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """List batches of a server, newest first."""
    where = {
        "status": status,
        "provider": provider,
        "endpoint": endpoint,
        "created_after": created_after,
        "created_before": created_before,
    }
    asked = {name: text for name, text in where.items() if text is not None}
    asked |= {f"metadata[{key}]": text for key, text in map(_pair, metadata or ())}
    with _open(server, api_key) as client:
        batches = client.batches(limit=limit, after=after, where=asked)
    if as_json:
        say(json.dumps(batches, indent=2))
        return
    if not batches:
        note("No batches.")
        return
    rows: list[list[str]] = []
    for batch in batches:
        look = progress.Snapshot.from_json(batch)
        rows.append(
            [
                str(batch.get("id")),
                look.status,
                f"{look.done:,}/{look.total:,}",
                f"{look.failed:,}",
                moment(batch.get("created_at")),
                str(batch.get("model") or "-"),
                str(batch.get("job_name") or "-"),
            ]
        )
    say(table(["ID", "STATUS", "LINES", "FAILED", "CREATED", "MODEL", "NAME"], rows))


def status(
    batch_id: BatchId,
    *,
    as_json: Json = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Show one batch of a server."""
    with _open(server, api_key) as client:
        batch = client.batch(batch_id)
    if as_json:
        say(json.dumps(batch, indent=2))
        return
    look = progress.Snapshot.from_json(batch)
    times = {
        name.removesuffix("_at"): moment(batch[name])
        for name in batch
        if name.endswith("_at") and batch[name] is not None
    }
    metadata: dict[str, str] = batch.get("metadata") or {}
    say(
        pairs(
            {
                "id": batch.get("id"),
                "name": batch.get("job_name"),
                "status": look.status,
                "details": batch.get("status_details"),
                "lines": f"{look.done:,} of {look.total:,}, {look.failed:,} failed",
                "tokens": f"{look.tokens:,}" if look.tokens else None,
                "endpoint": batch.get("endpoint"),
                "model": batch.get("model"),
                "window": batch.get("completion_window"),
                "input": batch.get("input_file_id"),
                "output": batch.get("output_file_id"),
                "errors": batch.get("error_file_id"),
                "metadata": ", ".join(f"{key}={value}" for key, value in metadata.items()),
                **times,
            }
        )
    )
    _problems(batch)


def watch(
    batch_id: BatchId, *, server: ServerUrl = DEFAULT_SERVER, api_key: ServerKey = None
) -> None:
    """Show the progress of a batch of a server until it ends.

    Exits 0 when the batch completed and every line was answered, 3 when lines failed or it was
    cancelled or expired, 1 when the batch failed.
    """
    with _open(server, api_key) as client:
        code = _watched(client, batch_id)
    raise typer.Exit(code)


def cancel(
    batch_id: BatchId, *, server: ServerUrl = DEFAULT_SERVER, api_key: ServerKey = None
) -> None:
    """Cancel a batch of a server. What is done by then is kept."""
    with _open(server, api_key) as client:
        batch = client.cancel(batch_id)
    say(f"{printable(batch.get('id'))} is {printable(batch.get('status'))}.")


def download(
    batch_id: BatchId,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.jsonl",
            help="Where results go, - for standard output; by default ID_output.jsonl.",
            show_default=False,
        ),
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="ERR.jsonl",
            help="Where failed lines go; by default ID_error.jsonl.",
            show_default=False,
        ),
    ] = None,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Download the results of a batch that has ended."""
    with _open(server, api_key) as client:
        batch = client.batch(batch_id)
        state = printable(batch.get("status"))
        if state not in _ENDED:
            raise CommandError(
                f"The batch {printable(batch_id)} is {state}; its results are there when it has "
                f"ended. `batchway watch {printable(batch_id)}` waits for that."
            )
        if not batch.get("output_file_id") and not batch.get("error_file_id"):
            _problems(batch)
            raise CommandError(f"The batch {printable(batch_id)} is {state} and has no results.")
        name = Path(str(batch["id"])).name
        _fetch(client, batch.get("output_file_id"), output or Path(f"{name}_output.jsonl"))
        _fetch(client, batch.get("error_file_id"), errors or Path(f"{name}_error.jsonl"))


def _open(url: str, api_key: str | None) -> "Server":
    from batchway.cli.client import Server  # noqa: PLC0415 - slow to import, see the package

    return Server(url=url, api_key=api_key)


def _fetch(client: "Server", file_id: str | None, target: Path) -> None:
    if not file_id:
        return
    if str(target) == "-":
        client.copy(file_id, sys.stdout.buffer, received=lambda _: None)
        sys.stdout.buffer.flush()
        return
    if not target.parent.is_dir():
        raise CommandError(f"There is no directory {target.parent} to write {target.name} into.")
    with progress.transferred(f"Downloading {printable(target.name)}", None) as received:
        written = client.download(file_id, target, received=received)
    note(f"{target}: {size(written)}")


def _watched(client: "Server", batch_id: str) -> int:
    try:
        return _follow(client, batch_id)
    except KeyboardInterrupt:
        note(f"The batch goes on. `batchway watch {printable(batch_id)}` shows it again.")
        raise typer.Exit(130) from None


def _follow(client: "Server", batch_id: str) -> int:
    from batchway.cli.client import Refused, Unreachable  # noqa: PLC0415 - see the package

    away: float | None = None
    batch: dict[str, Any] | None = None
    with progress.shown(printable(batch_id)) as display:
        while True:
            try:
                batch = client.batch(batch_id)
            except (Refused, Unreachable) as error:
                # A server that restarts goes on with the batch, so its watcher stays as well;
                # one that was never there, or that refuses, is a mistake to tell at once.
                if batch is None or (isinstance(error, Refused) and error.status < 500):
                    raise
                away = away or time.monotonic()
                if time.monotonic() - away > _PATIENCE:
                    raise
            else:
                away = None
                display.update(progress.Snapshot.from_json(batch))
                if batch.get("status") in _ENDED:
                    break
            time.sleep(_POLL)
    return _conclude(batch)


def _conclude(batch: dict[str, Any]) -> int:
    look = progress.Snapshot.from_json(batch)
    _problems(batch)
    if look.status == "failed":
        note(f"Error: the batch {printable(batch.get('id'))} failed: nothing was sent.")
        return 1
    missing = look.total - look.done
    parts = [f"{look.completed:,} of {count(look.total, 'line')} completed"]
    if look.failed:
        parts.append(f"{look.failed:,} failed")
    if missing:
        parts.append(f"{missing:,} not run ({look.status})")
    note(", ".join(parts) + f". `batchway download {printable(batch.get('id'))}` gets the results.")
    return 3 if look.failed or missing or look.status != "completed" else 0


def _problems(batch: dict[str, Any]) -> None:
    found: list[dict[str, Any]] = (batch.get("errors") or {}).get("data") or []
    for problem in found:
        line = problem.get("line")
        where = "" if line is None else f"line {line}: "
        note(f"{where}{printable(problem.get('message'))} [{printable(problem.get('code'))}]")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"--metadata takes KEY=VALUE, not '{printable(text)}'")
    return key, value


def _first_url(path: Path) -> str:
    """The `url` of the file's first line, as the batch's endpoint."""
    with path.open("rb") as file:
        line = file.readline(64 * 1024 * 1024)
    try:
        record: Any = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        url = record["url"]
    except (ValueError, KeyError, TypeError, RecursionError):
        url = None
    if not isinstance(url, str):
        raise CommandError(
            f"The first line of {path} names no `url`. Say the endpoint with --endpoint, or see "
            f"what is wrong with `batchway check {path}`."
        )
    return url
