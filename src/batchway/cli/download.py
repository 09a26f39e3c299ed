"""`batchway download`: the results of a batch of a server."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchway.cli import progress
from batchway.cli.console import note, printable, say, size
from batchway.cli.failures import CommandError
from batchway.cli.following import ENDED, connected, tell_problems
from batchway.cli.options import DEFAULT_SERVER, BatchId, Json, ServerKey, ServerUrl

if TYPE_CHECKING:
    from batchway.cli.client import Server


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
    as_json: Json = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Download the results of a batch that has ended."""
    if as_json and str(output) == "-":
        raise CommandError("With -o - results go to standard output, so --json cannot.", code=2)
    client = connected(server, api_key)
    batch = client.batch(batch_id)
    state = printable(batch.get("status"))
    if state not in ENDED:
        raise CommandError(
            f"The batch {printable(batch_id)} is {state}; its results are there when it has "
            f"ended. `batchway watch {printable(batch_id)}` waits for that."
        )
    if not batch.get("output_file_id") and not batch.get("error_file_id"):
        tell_problems(batch)
        raise CommandError(f"The batch {printable(batch_id)} is {state} and has no results.")
    name = Path(str(batch["id"])).name
    kinds = (
        ("output", batch.get("output_file_id"), output or Path(f"{name}_output.jsonl")),
        ("errors", batch.get("error_file_id"), errors or Path(f"{name}_error.jsonl")),
    )
    written: dict[str, object] = {
        kind: _fetch(client, file_id, target) for kind, file_id, target in kinds
    }
    if as_json:
        say(json.dumps({"id": batch["id"], "status": batch.get("status"), **written}, indent=2))


def _fetch(client: "Server", file_id: str | None, target: Path) -> dict[str, object] | None:
    if not file_id:
        return None
    if str(target) == "-":
        client.copy(file_id, sys.stdout.buffer, received=lambda _: None)
        sys.stdout.buffer.flush()
        return None
    if not target.parent.is_dir():
        raise CommandError(f"There is no directory {target.parent} to write {target.name} into.")
    with progress.transferred(f"Downloading {printable(target.name)}", None) as received:
        written = client.download(file_id, target, received=received)
    note(f"{target}: {size(written)}")
    return {"file_id": file_id, "path": str(target), "bytes": written}
