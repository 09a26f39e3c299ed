"""Flags that several commands share, and loading settings with them."""

import os
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from batchway.domain.endpoint import Endpoint as KnownEndpoint

if TYPE_CHECKING:
    from batchway.domain.window import Window as CompletionWindow
    from batchway.settings import Settings

T = TypeVar("T")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file. Without it BATCHWAY_CONFIG, then batchway.yaml.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Overrides `data_dir`.", show_default=False),
]
Input = Annotated[
    Path,
    typer.Argument(
        metavar="IN.jsonl", help="Lines to run, also packed with gzip; - for standard input."
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="OUT.jsonl", help="Where results go, - for standard output."
    ),
]
Errors = Annotated[
    Path | None,
    typer.Option(
        metavar="ERR.jsonl",
        help="Where failed lines go; by default OUT.errors.jsonl.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model of every line, instead of the one that it names.",
        show_default=False,
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Requests in flight at once for each model, instead of the configured.",
        show_default=False,
    ),
]
Preflight = Annotated[
    bool,
    typer.Option(
        "--preflight/--no-preflight",
        help="Whether one line goes first, so that a wrong key, model or address ends it at once.",
        show_default=False,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="PATH",
        help=f"Endpoint of the lines, such as {KnownEndpoint.CHAT_COMPLETIONS}; by default what "
        "their `url` says. With it lines may leave out `method` and `url`.",
        show_default=False,
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="NAME",
        help="Provider of every line; by default what their `model` says.",
        show_default=False,
    ),
]
Window = Annotated[
    str, typer.Option("--window", metavar="TIME", help="How long it may take: 90m, 24h or 7d.")
]
ServerUrl = Annotated[
    str,
    typer.Option("--server", metavar="URL", envvar="BATCHWAY_URL", help="The Batchway server."),
]
ServerKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        envvar="BATCHWAY_API_KEY",
        help="Key for the server.",
        show_default=False,
    ),
]
BatchId = Annotated[str, typer.Argument(metavar="ID", help="Id of a batch.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_SERVER = "http://127.0.0.1:8080"


def settings_of(config: Path | None, flags: Mapping[str, object]) -> "Settings":
    """The settings of this process: defaults < file < environment < flags."""
    from batchway.settings import load  # noqa: PLC0415 - slow to import, see the package

    return load(config, flags, os.environ, Path.cwd())


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end, on the fast loop where there is one."""
    import asyncio  # noqa: PLC0415 - slow to import, see the package

    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop  # noqa: PLC0415 - slow to import, see the package

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def window_or_fail(text: str) -> "CompletionWindow":
    """The completion window that a flag says, before anything starts."""
    from batchway.domain.window import window_of  # noqa: PLC0415 - see the package

    window = window_of(text)
    if window is None:
        raise typer.BadParameter("--window must be 1 minute to 30 days, such as 90m, 24h or 7d")
    return window
