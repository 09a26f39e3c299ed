"""`batchway retry`: the failed lines of a finished run once more, into the same files.

Owns the directory `OUT.jsonl.retry/`: the failed lines, the run of them and its results. It goes
when those are part of the output; until then the same command goes on with it.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from batchway.cli.accounts import BaseUrl, KeyVariable
from batchway.cli.conclusion import conclude
from batchway.cli.console import count, note
from batchway.cli.failures import CommandError
from batchway.cli.inputs import Lines, opened
from batchway.cli.options import (
    Concurrency,
    Config,
    Endpoint,
    Errors,
    Input,
    Json,
    Model,
    Preflight,
    Provider,
    Window,
    window_or_fail,
)
from batchway.cli.run import chosen, digest, performed


def retry(
    input: Input,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT.jsonl", help="The results of the run, to be completed."
        ),
    ],
    errors: Errors = None,
    endpoint: Endpoint = None,
    provider: Provider = None,
    model: Model = None,
    base_url: BaseUrl = None,
    api_key_env: KeyVariable = None,
    concurrency: Concurrency = None,
    window: Window = "24h",
    preflight: Preflight = True,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Run the lines of a finished run again that have no result, and add theirs to its output.

    Takes what `run` took: the input, the output and where to send lines; also a batch's input and
    its downloaded results. Interrupted, it goes on when the same command is run again.
    """
    allowed = window_or_fail(window)
    places = _Places.of(output, errors)
    with opened(input, model=model, endpoint=endpoint) as lines:
        settings = chosen(
            config, provider=provider, base_url=base_url, key=api_key_env, concurrency=concurrency
        )
        from batchway.bootstrap.check import CannotRun  # noqa: PLC0415 - slow, see the package
        from batchway.bootstrap.retry import merge  # noqa: PLC0415 - same
        from batchway.bootstrap.run import RunRequest  # noqa: PLC0415 - same

        try:
            _prepare(places, lines)
            request = RunRequest(
                input=places.failed,
                name=lines.name,
                output=places.scratch / "results.jsonl",
                errors=places.scratch / "errors.jsonl",
                endpoint=endpoint,
                state=places.scratch / "state",
                window=allowed,
                provider=provider,
                preflight=preflight,
                from_flags=base_url is not None,
            )
            try:
                result = performed(settings, request)
            except CommandError:
                if not request.state.exists():  # no line has a result: nothing is to be kept
                    shutil.rmtree(places.scratch)
                raise
            if result.output is not None:
                merge(lines.path, places.output, result.output)
        except CannotRun as error:
            raise CommandError(str(error)) from error
        if result.errors is not None:
            shutil.copyfile(result.errors, places.errors)
        elif result.batch.counts.total:
            places.errors.unlink(missing_ok=True)
        result = replace(
            result,
            output=places.output if places.output.exists() else None,
            errors=None if result.errors is None else places.errors,
        )
        code = conclude(result, lines, as_json=as_json, quiet=False)
        shutil.rmtree(places.scratch)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where a retry reads and writes; `scratch` is its own."""

    output: Path
    errors: Path
    scratch: Path

    @classmethod
    def of(cls, output: Path, errors: Path | None) -> "_Places":
        """The places of a command line. Raises `CommandError` when there is no finished run."""
        if str(output) == "-":
            raise CommandError("A retry completes a file of results: name it with -o.", code=2)
        places = cls(
            output=output,
            errors=errors or output.with_name(f"{output.stem}.errors{output.suffix}"),
            scratch=output.with_name(output.name + ".retry"),
        )
        if output.with_name(output.name + ".batchway").exists():
            raise CommandError(
                f"The run of {output} has not ended: `batchway run` with the same files goes on "
                "with it."
            )
        if not output.exists() and not places.errors.exists():
            raise CommandError(f"There is no finished run: neither {output} nor {places.errors}.")
        return places

    @property
    def failed(self) -> Path:
        """The lines to run again."""
        return self.scratch / "failed.jsonl"


def _prepare(places: _Places, lines: Lines) -> None:
    """Find the failed lines, unless an earlier retry has. Raises `typer.Exit` when there are none.

    The digest goes last: with it the scratch directory is whole.
    """
    from batchway.bootstrap.retry import write_failed  # noqa: PLC0415 - slow, see the package

    mark = places.scratch / "input.sha256"
    same = digest(lines.path)
    if mark.exists():
        if mark.read_text() != same:
            raise CommandError(
                f"{lines.name}, or its --model, has changed since the retry that {places.scratch} "
                "belongs to. Remove that directory to drop the retry and what it has paid for."
            )
        return
    shutil.rmtree(places.scratch, ignore_errors=True)
    places.scratch.mkdir()
    try:
        found = write_failed(lines.path, places.output, places.failed)
    except BaseException:
        shutil.rmtree(places.scratch)
        raise
    if not found.failed:
        shutil.rmtree(places.scratch)
        note("Every line has a result: there is nothing to run again.")
        raise typer.Exit(0)
    mark.write_text(same)
    note(f"{found.failed:,} of {count(found.lines, 'line')} are run again.")
