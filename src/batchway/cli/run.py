"""`batchway run` and `batchway check`: a file, no server.

Owns flags, the choice of providers and what is said at the end. The work is `bootstrap`'s, and so
is what makes a run resumable: the state in `OUT.jsonl.batchway/`, removed here when the run has
ended.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from batchway.cli import progress
from batchway.cli.console import count, note, printable, say, size
from batchway.cli.failures import CommandError
from batchway.cli.options import (
    Config,
    Endpoint,
    Input,
    Provider,
    Window,
    finish,
    settings_of,
    window_or_fail,
)

if TYPE_CHECKING:
    from batchway.bootstrap.files import RunResult
    from batchway.domain.batch import Batch, BatchError
    from batchway.settings import Settings

_SHOWN: Final = 20  # problems of a file that a failed run lists

BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An OpenAI-compatible endpoint to use instead of the configured providers, such as "
        "http://gpu:8000/v1.",
        show_default=False,
    ),
]
KeyVariable = Annotated[
    str | None,
    typer.Option(
        "--api-key-env",
        metavar="NAME",
        help="Environment variable that holds the key for --base-url.",
        show_default=False,
    ),
]


def run(
    input: Input,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.jsonl", help="Where results go.")
    ],
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="ERR.jsonl",
            help="Where failed lines go; by default OUT.errors.jsonl.",
            show_default=False,
        ),
    ] = None,
    endpoint: Endpoint = None,
    provider: Provider = None,
    base_url: BaseUrl = None,
    api_key_env: KeyVariable = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Requests in flight at once for each model, instead of the configured.",
            show_default=False,
        ),
    ] = None,
    window: Window = "24h",
    restart: Annotated[
        bool, typer.Option("--restart", help="Drop what an earlier run did and start again.")
    ] = False,
    config: Config = None,
) -> None:
    """Run a file without a server. Interrupted, it goes on when the same command is run again.

    Exits 0 when every line has a result, 3 when some lines failed, 1 when it could not run.
    """
    window_or_fail(window)
    _usable(input)
    settings = _settings(config, provider=provider, base_url=base_url, key_variable=api_key_env)
    if not settings.providers:
        raise CommandError(
            "No provider is configured. Set OPENAI_API_KEY, list `providers` in batchway.yaml, or "
            "give --base-url."
        )
    settings = _limited(settings, concurrency)
    if not output.name or output.is_dir():
        raise CommandError(f"{output} is a directory, not a file.")
    errors = errors or output.with_name(f"{output.stem}.errors{output.suffix}")
    _distinct(input, output, errors)

    state = output.with_name(output.name + ".batchway")
    _begin(output, state, restart=restart)

    from batchway.bootstrap.checking import CannotRun  # noqa: PLC0415 - slow, see the package
    from batchway.bootstrap.files import RunRequest, remove_state, run_file  # noqa: PLC0415 - same
    from batchway.bootstrap.signals import Interrupted  # noqa: PLC0415 - same
    from batchway.telemetry import configure_logging  # noqa: PLC0415 - same

    configure_logging(level="error", json=False)
    request = RunRequest(
        input=input,
        output=output,
        errors=errors,
        endpoint=endpoint,
        state=state,
        window=window,
        provider=provider,
    )
    try:
        with progress.shown(printable(input.name)) as update:

            def look(batch: "Batch") -> None:
                update(progress.Snapshot.of(batch))

            result = finish(run_file(settings, request, progress=look))
    except CannotRun as error:
        raise CommandError(str(error)) from error
    except Interrupted as stopped:
        note(f"Interrupted. Run the same command again to go on; what is done is kept in {state}.")
        raise typer.Exit(stopped.code) from None
    remove_state(state)
    if restart:
        # What an earlier run wrote must not pass for a result of this one.
        for written, path in ((result.output, output), (result.errors, errors)):
            if written is None and result.batch.errors is None:
                path.unlink(missing_ok=True)
    raise typer.Exit(_conclude(result, input))


def check(
    input: Input, *, endpoint: Endpoint = None, provider: Provider = None, config: Config = None
) -> None:
    """Print every problem of a file, without sending anything. Exits 1 when there are any."""
    _usable(input)
    settings = _settings(config, provider=provider)
    from batchway.bootstrap.checking import (  # noqa: PLC0415 - slow, see the package
        CannotRun,
        check_file,
    )

    def tell(problem: "BatchError") -> None:
        say(_line_of(problem, input))

    try:
        summary = finish(check_file(settings, input, endpoint, provider, tell))
    except CannotRun as error:
        raise CommandError(str(error)) from error
    if summary.problems:
        note(f"{count(summary.problems, 'problem')} in {input}.")
        raise typer.Exit(1)
    say(
        f"{input}: {count(summary.lines, 'line')}, {size(input.stat().st_size)}, "
        f"{summary.endpoint}, no problems."
    )
    for model, lines in sorted(summary.models.items(), key=lambda item: (-item[1], item[0])):
        say(f"  {printable(model)}: {count(lines, 'line')}")


def _begin(output: Path, state: Path, *, restart: bool) -> None:
    if restart and state.exists():
        from batchway.bootstrap.files import remove_state  # noqa: PLC0415 - slow, see the package

        remove_state(state)
    if output.exists() and not state.exists() and not restart:
        raise CommandError(
            f"{output} exists already. Name another output, or replace it with --restart."
        )


def _usable(path: Path) -> None:
    # Opened here so that a missing or unreadable file is named before anything is made.
    if path.is_dir():
        raise CommandError(f"{path} is a directory, not a file.")
    with path.open("rb"):
        pass


def _settings(
    config: Path | None,
    *,
    provider: str | None,
    base_url: str | None = None,
    key_variable: str | None = None,
) -> "Settings":
    flags: dict[str, object] = {}
    if base_url is not None:
        account = {"name": provider or "endpoint", "type": "openai-compatible"}
        account["base_url"] = base_url
        if key_variable is not None:
            if not os.environ.get(key_variable):
                raise CommandError(f"The environment variable {key_variable} is not set.")
            account["api_key"] = os.environ[key_variable]
        # Routes and keys of the file name the providers that this one stands in for.
        flags = {"providers": [account], "routes": [], "auth.keys": []}
    elif key_variable is not None:
        raise typer.BadParameter("--api-key-env belongs to --base-url")
    settings = settings_of(config, flags)
    names = [each.name for each in settings.providers]
    if provider is not None and provider not in names:
        known = ", ".join(names) or "none"
        raise CommandError(
            f"No provider named '{printable(provider)}' is configured. Configured: {known}."
        )
    return settings


def _limited(settings: "Settings", concurrency: int | None) -> "Settings":
    if concurrency is None:
        return settings
    providers = tuple(
        each.model_copy(
            update={"limits": each.limits.model_copy(update={"concurrency": concurrency})}
        )
        for each in settings.providers
    )
    return settings.model_copy(update={"providers": providers})


def _distinct(input: Path, output: Path, errors: Path) -> None:
    paths = [input.resolve(), output.resolve(), errors.resolve()]
    if len(set(paths)) < len(paths):
        raise CommandError("Input, output and errors must be three different files.", code=2)
    for path in (output, errors):
        if path.is_dir():
            raise CommandError(f"{path} is a directory, not a file.")
        if not path.parent.is_dir():
            raise CommandError(f"There is no directory {path.parent} to write {path.name} into.")


def _conclude(result: "RunResult", input: Path) -> int:
    batch = result.batch
    if batch.errors is not None and not batch.counts.total:
        shown = batch.errors[:_SHOWN]
        for problem in shown:
            note(_line_of(problem, input))
        more = len(batch.errors) - len(shown)
        if more:
            note(f"... and {more:,} more; `batchway check {input}` prints all.")
        note(f"Error: {input} cannot be run: nothing was sent.")
        return 1
    counts = batch.counts
    missing = counts.total - counts.completed - counts.failed
    parts = [f"{counts.completed:,} of {count(counts.total, 'line')} completed"]
    if counts.failed:
        parts.append(f"{counts.failed:,} failed")
    if missing:
        parts.append(f"{missing:,} not run ({batch.status})")
    for problem in batch.errors or ():
        note(f"Error: {printable(problem.message)}")
    if batch.usage.total_tokens:
        parts.append(f"{batch.usage.total_tokens:,} tokens")
    say(", ".join(parts) + ".")
    if result.output is not None:
        say(f"Results: {result.output}")
    if result.errors is not None:
        say(f"Errors: {result.errors}")
    return 3 if counts.failed or missing else 0


def _line_of(problem: "BatchError", path: Path) -> str:
    # The form of compilers, which editors turn into a link.
    where = f"{path}:{problem.line}" if problem.line is not None else str(path)
    what = problem.code if problem.param is None else f"{problem.code}, {problem.param}"
    return f"{where}: {printable(problem.message)} [{printable(what)}]"
