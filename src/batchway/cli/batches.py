"""`list`, `status`, `watch` and `cancel`: clients of a server.

Owns flags and what is printed; the calls are `client`'s, and following a batch is `following`'s.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from batchway.cli import progress
from batchway.cli.console import (
    columns_of,
    duration,
    minute,
    moment,
    note,
    pairs,
    printable,
    say,
    table,
)
from batchway.cli.following import ENDED, connected, follow, pair, tell_problems
from batchway.cli.left_out import left_out
from batchway.cli.options import DEFAULT_SERVER, BatchId, Json, ServerKey, ServerUrl

_HEAD: Final = (
    "ID",
    "STATUS",
    "LINES",
    "FAILED",
    "CREATED",
    "TOOK",
    "PROVIDER",
    "MODEL",
    "NAME",
)
# What a narrow terminal does without, the first one first.
_SPARE: Final = ("NAME", "MODEL", "CREATED", "TOOK", "PROVIDER", "FAILED")
_ENDS: Final = ("completed_at", "failed_at", "expired_at", "cancelled_at")


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
    asked |= {f"metadata[{key}]": text for key, text in map(pair, metadata or ())}
    batches = connected(server, api_key).batches(limit=limit, after=after, where=asked)
    if as_json:
        say(json.dumps(batches, indent=2))
        return
    if not batches:
        note("No batches.")
        return
    width = columns_of(sys.stdout)
    rows: list[list[str]] = []
    for batch in batches:
        look = progress.Snapshot.from_json(batch)
        created = batch.get("created_at")
        rows.append(
            [
                str(batch.get("id")),
                look.status,
                f"{look.done:,}/{look.total:,}",
                f"{look.failed:,}",
                moment(created) if width is None else minute(created),
                _took(batch) or "-",
                str(batch.get("provider") or "-"),
                str(batch.get("model") or "-"),
                str(batch.get("job_name") or "-"),
            ]
        )
    say(table(_HEAD, rows, width=width, spare=_SPARE))


def status(
    batch_id: BatchId,
    *,
    as_json: Json = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Show one batch of a server."""
    batch = connected(server, api_key).batch(batch_id)
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
                "online": " ".join(look.online),
                "left out": left_out(batch.get("warnings")),
                "tokens": f"{look.tokens:,}" if look.tokens else None,
                "took": _took(batch),
                "endpoint": batch.get("endpoint"),
                "provider": batch.get("provider"),
                "model": batch.get("model"),
                "window": batch.get("completion_window"),
                "input": batch.get("input_file_id"),
                "output": batch.get("output_file_id"),
                "errors": batch.get("error_file_id"),
                "metadata": ", ".join(f"{key}={value}" for key, value in metadata.items()),
                **times,
            },
            width=columns_of(sys.stdout),
        )
    )
    tell_problems(batch)


def watch(
    batch_id: BatchId,
    *,
    as_json: Json = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Show the progress of a batch of a server until it ends.

    Exits 0 when the batch completed and every line was answered, 3 when lines failed or it was
    cancelled or expired, 1 when the batch failed.
    """
    raise typer.Exit(follow(connected(server, api_key), batch_id, as_json=as_json))


def cancel(
    batch_id: BatchId,
    *,
    as_json: Json = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Cancel a batch of a server. What is done by then is kept."""
    batch = connected(server, api_key).cancel(batch_id)
    if as_json:
        say(json.dumps(batch, indent=2))
        return
    say(f"{printable(batch.get('id'))} is {printable(batch.get('status'))}.")


def _took(batch: Mapping[str, Any]) -> str | None:
    """How long the batch took, or has been running."""
    created = batch.get("created_at")
    if not isinstance(created, int):
        return None
    ended = next((batch[name] for name in _ENDS if isinstance(batch.get(name), int)), None)
    if ended is None and batch.get("status") in ENDED:
        return None
    return duration(max(0.0, (time.time() if ended is None else ended) - created))
