"""`batchway submit`: a file becomes a batch of a server.

Owns flags, and the first seconds of the batch: what keeps its account from being used is told then.
"""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from batchway.cli import progress
from batchway.cli.console import note, printable, say
from batchway.cli.failures import CommandError
from batchway.cli.following import ENDED, connected, follow, pair, tell_problems
from batchway.cli.inputs import Lines, is_stdin, opened
from batchway.cli.options import (
    DEFAULT_SERVER,
    Endpoint,
    Input,
    Json,
    Model,
    Provider,
    ServerKey,
    ServerUrl,
    Window,
    window_or_fail,
)
from batchway.domain.reason import ReasonKind

if TYPE_CHECKING:
    from batchway.cli.client import Server

_LOOK_SECONDS: Final = 6.0
_POLL: Final = 0.3
# What a batch waits for that is wrong with how it was submitted, and not only for want of room.
_TO_MEND: Final = frozenset({ReasonKind.ACCOUNT, ReasonKind.CONFIGURATION, ReasonKind.UNREACHABLE})


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
    model: Model = None,
    job_name: Annotated[
        str | None, typer.Option(help="A name for the batch.", show_default=False)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    preflight: Annotated[
        bool,
        typer.Option(
            "--preflight/--no-preflight",
            help="Whether the batch is looked at for some seconds, until a line has a result.",
            show_default=False,
        ),
    ] = True,
    as_json: Json = False,
    server: ServerUrl = DEFAULT_SERVER,
    api_key: ServerKey = None,
) -> None:
    """Upload a file and create a batch of it on a server. Prints the batch's id.

    Exits 1 when the batch fails at once, or when its provider refuses the key, the model or the
    account or cannot be reached; it stays on the server then, and goes on when that is mended.
    """
    from batchway.cli.client import Refused  # noqa: PLC0415 - see the package

    window_or_fail(window)
    with opened(input, model=model, endpoint=endpoint) as lines:
        client = connected(server, api_key)
        body: dict[str, Any] = {
            "endpoint": endpoint or _first_url(lines),
            "completion_window": window,
        }
        if metadata:
            body["metadata"] = dict(pair(text) for text in metadata)
        if job_name is not None:
            body["job_name"] = job_name
        total = lines.path.stat().st_size
        with progress.transferred(f"Uploading {printable(lines.name)}", total) as sent:
            file = client.upload(lines.path, name=_upload_name(input), sent=sent)
        try:
            batch = client.create({**body, "input_file_id": file["id"]}, provider=provider)
        except Refused:
            client.delete(file["id"])  # nobody else knows its id
            raise
        if not as_json:
            say(printable(batch["id"]))
        if watch:
            raise typer.Exit(follow(client, batch["id"], as_json=as_json))
        if preflight:
            batch = _first_seconds(client, batch)
        if as_json:
            say(json.dumps(batch, indent=2))
        raise typer.Exit(_begins(batch))


def _first_seconds(client: "Server", batch: dict[str, Any]) -> dict[str, Any]:
    """The batch when a line has a result, when it says why it waits, or some seconds later."""
    deadline = time.monotonic() + _LOOK_SECONDS
    while time.monotonic() < deadline:
        look = progress.Snapshot.from_json(batch)
        if look.status in ENDED or look.done or look.waits is not None:
            break
        time.sleep(_POLL)
        try:
            batch = client.batch(batch["id"])
        except CommandError:
            break  # it was created: that is what was asked for
    return batch


def _begins(batch: dict[str, Any]) -> int:
    """Tell how the batch begins; the exit code."""
    look = progress.Snapshot.from_json(batch)
    if look.status == "failed":
        tell_problems(batch)
        note(f"Error: the batch {printable(batch.get('id'))} failed: nothing was sent.")
        return 1
    for text in look.online:
        note(text)
    if look.waits is None or look.status in ENDED:
        return 0
    note(f"The batch waits: {look.waits}")
    if look.done or str(batch.get("status_reason")) not in _TO_MEND:
        return 0
    note(
        "It goes on by itself when that is mended; "
        f"`batchway cancel {printable(batch.get('id'))}` gives it up."
    )
    return 1


def _upload_name(input: Path) -> str:
    if is_stdin(input):
        return "stdin.jsonl"
    name = input.name.removesuffix(".gz")
    return name if name == input.name or name.lower().endswith(".jsonl") else f"{name}.jsonl"


def _first_url(lines: Lines) -> str:
    """The `url` of the file's first line, as the batch's endpoint."""
    from batchway.bootstrap.check import first_line, not_jsonl  # noqa: PLC0415 - slow

    first = first_line(lines.path)
    try:
        record: Any = json.loads(first)
        url: Any = record["url"]
    except (ValueError, KeyError, TypeError, RecursionError):
        url = None
    if not isinstance(url, str):
        raise CommandError(not_jsonl(first, lines.name))
    return url
