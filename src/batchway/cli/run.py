"""`batchway run`: a file, no server.

Owns flags and where results and state go. The work is `bootstrap`'s, and so is what makes a run
resumable: the state in `OUT.jsonl.batchway/`, removed here when the run has ended. What is said
at the end is `conclusion`'s.
"""

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from batchway.cli import progress
from batchway.cli.accounts import BaseUrl, KeyVariable, settings_with, with_concurrency
from batchway.cli.conclusion import conclude
from batchway.cli.console import count, note, printable
from batchway.cli.failures import CommandError
from batchway.cli.inputs import Lines, is_stdin, opened
from batchway.cli.options import (
    Concurrency,
    Config,
    Endpoint,
    Errors,
    Input,
    Json,
    Model,
    Output,
    Preflight,
    Provider,
    Window,
    finish,
    window_or_fail,
)

if TYPE_CHECKING:
    from batchway.bootstrap.run import RunRequest, RunResult
    from batchway.domain.batch import Batch
    from batchway.settings import Settings

_PIECE: Final = 1 << 20
_SHOW_CURSOR: Final = "\x1b[?25h"


def run(
    input: Input,
    *,
    output: Output,
    errors: Errors = None,
    endpoint: Endpoint = None,
    provider: Provider = None,
    model: Model = None,
    base_url: BaseUrl = None,
    api_key_env: KeyVariable = None,
    concurrency: Concurrency = None,
    window: Window = "24h",
    preflight: Preflight = True,
    restart: Annotated[
        bool, typer.Option("--restart", help="Drop what an earlier run did and start again.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Run a file without a server. Interrupted, it goes on when the same command is run again.

    One line goes first; when its answer shows that the key, the model or the address is wrong,
    the run ends there. Exits 0 when every line has a result, 3 when some lines failed, 1 when it
    could not run.
    """
    allowed = window_or_fail(window)
    if as_json and str(output) == "-":
        raise CommandError("With -o - results go to standard output, so --json cannot.", code=2)
    with opened(input, model=model, endpoint=endpoint) as lines:
        settings = chosen(
            config, provider=provider, base_url=base_url, key=api_key_env, concurrency=concurrency
        )
        places = Places.of(input, output, errors, lines)
        _begin(places, restart=restart)
        from batchway.bootstrap.run import RunRequest  # noqa: PLC0415 - slow
        from batchway.bootstrap.run_state import remove_state  # noqa: PLC0415 - same

        request = RunRequest(
            input=lines.path,
            name=lines.name,
            output=places.results,
            errors=places.errors,
            endpoint=endpoint,
            state=places.state,
            window=allowed,
            provider=provider,
            preflight=preflight,
            from_flags=base_url is not None,
        )
        result = performed(settings, request)
        if places.to_stdout and result.output is not None:
            _print(result.output)
        code = conclude(result, lines, as_json=as_json, quiet=places.to_stdout)
        if places.to_stdout:
            places.results.unlink(missing_ok=True)
        remove_state(places.state)
    if restart:
        # What an earlier run wrote must not pass for a result of this one.
        for written, path in ((result.output, places.results), (result.errors, places.errors)):
            if written is None and result.batch.errors is None:
                path.unlink(missing_ok=True)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a run writes. With `to_stdout`, `results` is a file that is printed and removed."""

    results: Path
    errors: Path
    state: Path
    to_stdout: bool

    @classmethod
    def of(cls, input: Path, output: Path, errors: Path | None, lines: Lines) -> "Places":
        """The places of a command line. Raises `CommandError` for those that cannot be used."""
        if str(output) == "-":
            # Found again by what is in the input: there is no output to name the state after.
            stem = "stdin" if is_stdin(input) else input.name.removesuffix(".gz")
            stem = stem.removesuffix(".jsonl")
            base = f"{stem}.{digest(lines.path)[:12]}"
            places = cls(
                results=Path(f"{base}.batchway.jsonl"),
                errors=errors or Path(f"{stem}.errors.jsonl"),
                state=Path(f"{base}.batchway"),
                to_stdout=True,
            )
        else:
            if not output.name or output.is_dir():
                raise CommandError(f"{output} is a directory, not a file.")
            if output.exists() and not output.is_file():
                raise CommandError(f"{output} is no plain file. Use -o - for standard output.")
            places = cls(
                results=output,
                errors=errors or output.with_name(f"{output.stem}.errors{output.suffix}"),
                state=output.with_name(output.name + ".batchway"),
                to_stdout=False,
            )
        paths = [input.resolve(), places.results.resolve(), places.errors.resolve()]
        if len(set(paths)) < len(paths):
            raise CommandError("Input, output and errors must be three different files.", code=2)
        for path in (places.results, places.errors):
            if path.is_dir():
                raise CommandError(f"{path} is a directory, not a file.")
            if not path.parent.is_dir():
                raise CommandError(
                    f"There is no directory {path.parent} to write {path.name} into."
                )
        return places


def chosen(
    config: Path | None,
    *,
    provider: str | None,
    base_url: str | None,
    key: str | None,
    concurrency: int | None,
) -> "Settings":
    """The settings of a run. Raises `CommandError` when there is no provider."""
    settings = settings_with(config, provider=provider, base_url=base_url, key_variable=key)
    if not settings.providers:
        raise CommandError(
            "No provider is configured. Set OPENAI_API_KEY, list `providers` in batchway.yaml, or "
            "give --base-url."
        )
    return with_concurrency(settings, concurrency)


def performed(settings: "Settings", request: "RunRequest") -> "RunResult":
    """Run, showing how it goes. Raises `CommandError`, `typer.Exit` when interrupted."""
    from dataclasses import replace  # noqa: PLC0415 - with its only use

    from batchway.bootstrap.check import CannotRun  # noqa: PLC0415 - slow, see the package
    from batchway.bootstrap.run import run_file  # noqa: PLC0415 - same
    from batchway.bootstrap.signals import Interrupted  # noqa: PLC0415 - same
    from batchway.telemetry import configure_logging  # noqa: PLC0415 - same

    configure_logging(level="error", json=False)
    first = True
    try:
        with progress.shown(printable(Path(request.name).name)) as display:

            def look(batch: "Batch") -> None:
                nonlocal first
                seen = progress.Snapshot.of(batch)
                if first and seen.done:
                    display.tell(f"Going on: {count(seen.done, 'line')} done earlier.")
                first = False
                display.update(seen)

            def stopping(in_flight: int) -> None:
                waited = f"{count(in_flight, 'request')} in flight" if in_flight else "committing"
                display.tell(f"Stopping, {waited}. Ctrl-C again leaves at once.")

            asked = replace(request, stopping=stopping, leaving=_leave)
            return finish(run_file(settings, asked, progress=look))
    except CannotRun as error:
        raise CommandError(str(error)) from error
    except Interrupted as stopped:
        note(
            "Interrupted. Run the same command again to go on; what is done is kept in "
            f"{request.state}."
        )
        raise typer.Exit(stopped.code) from None


def _leave() -> None:
    """The second signal ends the process. What is committed is kept."""
    cursor = _SHOW_CURSOR if progress.on_terminal() else ""
    note(f"{cursor}Left at once: requests that were in flight are sent again by the next run.")


def _begin(places: Places, *, restart: bool) -> None:
    from batchway.bootstrap.run_state import remove_state  # noqa: PLC0415 - slow, see the package

    if restart:
        if places.state.exists():
            remove_state(places.state)
        shutil.rmtree(places.results.with_name(places.results.name + ".retry"), ignore_errors=True)
    if places.results.exists() and not places.state.exists() and not restart:
        raise CommandError(
            f"{places.results} exists already. Name another output, or replace it with --restart."
        )


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _print(path: Path) -> None:
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
