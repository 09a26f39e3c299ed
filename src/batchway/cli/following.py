"""Asking a server for a batch again and again, until it has ended; what several commands share.

A server that restarts goes on with its batches, so it is waited for; one that was never there, or
that refuses, is told at once.
"""

import json
import time
from typing import TYPE_CHECKING, Any, Final

import typer

from batchway.cli import progress
from batchway.cli.causes import causes_in, told
from batchway.cli.console import count, note, printable, say
from batchway.cli.left_out import sentence
from batchway.cli.problems import Problems, ToldProblem

if TYPE_CHECKING:
    from batchway.cli.client import Server

ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_POLL: Final = 1.0  # seconds; a look costs the server one row
_PATIENCE: Final = 60.0  # seconds that a watched server may be away, for a restart


def connected(url: str, api_key: str | None) -> "Server":
    """A client of the server."""
    from batchway.cli.client import Server  # noqa: PLC0415 - slow to import, see the package

    return Server(url=url, api_key=api_key)


def follow(client: "Server", batch_id: str, *, as_json: bool = False) -> int:
    """Show a batch until it ends, then tell how it did; the exit code."""
    try:
        batch = _ended(client, batch_id)
    except KeyboardInterrupt:
        note(f"The batch goes on. `batchway watch {printable(batch_id)}` shows it again.")
        raise typer.Exit(130) from None
    if as_json:
        say(json.dumps(batch, indent=2))
    return _conclude(client, batch)


def tell_problems(batch: dict[str, Any]) -> None:
    """Why validation refused a batch."""
    found: list[dict[str, Any]] = (batch.get("errors") or {}).get("data") or []
    problems = Problems(
        ToldProblem(
            code=str(problem.get("code")),
            message=str(problem.get("message")),
            param=problem.get("param"),
            line=problem.get("line"),
        )
        for problem in found
    )
    for text in problems.told(None):
        note(text)


def pair(text: str) -> tuple[str, str]:
    """KEY=VALUE of `--metadata`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise typer.BadParameter(f"--metadata takes KEY=VALUE, not '{printable(text)}'")
    return key, value


def _ended(client: "Server", batch_id: str) -> dict[str, Any]:
    from batchway.cli.client import Refused, Unreachable  # noqa: PLC0415 - see the package

    away: float | None = None
    batch: dict[str, Any] | None = None
    with progress.shown(printable(batch_id)) as display:
        while True:
            try:
                batch = client.batch(batch_id)
            except (Refused, Unreachable) as error:
                if batch is None or (isinstance(error, Refused) and error.status < 500):
                    raise
                away = away or time.monotonic()
                if time.monotonic() - away > _PATIENCE:
                    raise
            else:
                away = None
                display.update(progress.Snapshot.from_json(batch))
                if batch.get("status") in ENDED:
                    return batch
            time.sleep(_POLL)


def _conclude(client: "Server", batch: dict[str, Any]) -> int:
    look = progress.Snapshot.from_json(batch)
    tell_problems(batch)
    for text in (look.waits, sentence(batch.get("warnings"))):
        if text is not None:
            note(text)
    if look.status == "failed":
        note(f"Error: the batch {printable(batch.get('id'))} failed: nothing was sent.")
        return 1
    if look.failed:
        _tell_causes(client, batch.get("error_file_id"))
    missing = look.total - look.done
    parts = [f"{look.completed:,} of {count(look.total, 'line')} completed"]
    if look.failed:
        parts.append(f"{look.failed:,} failed")
    if missing:
        parts.append(f"{missing:,} not run ({look.status})")
    note(", ".join(parts) + f". `batchway download {printable(batch.get('id'))}` gets the results.")
    return 3 if look.failed or missing or look.status != "completed" else 0


def _tell_causes(client: "Server", file_id: object) -> None:
    """Why lines failed. Without providers' messages: what of them repeats a prompt is not known."""
    from batchway.cli.client import Refused, Unreachable  # noqa: PLC0415 - see the package

    if not isinstance(file_id, str):
        return
    try:
        causes = causes_in(client.lines(file_id))
    except (Refused, Unreachable):
        return  # the download will tell
    for cause in causes:
        if not cause.ours:
            cause.message = ""
    for line in told(causes):
        note(line)
