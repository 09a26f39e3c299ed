"""`batchway check`: every problem of a file, without sending anything."""

import json
import sys
from typing import TYPE_CHECKING

import typer

from batchway.cli.accounts import settings_with
from batchway.cli.console import columns_of, count, folded, note, printable, say, size
from batchway.cli.failures import CommandError
from batchway.cli.inputs import opened
from batchway.cli.left_out import sentence
from batchway.cli.online_lines import online_told
from batchway.cli.options import Config, Endpoint, Input, Json, Model, Provider, finish
from batchway.cli.problems import Problems, line_of

if TYPE_CHECKING:
    from batchway.domain.batch import BatchError


def check(
    input: Input,
    *,
    endpoint: Endpoint = None,
    provider: Provider = None,
    model: Model = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Print every problem of a file, without sending anything. Exits 1 when there are any.

    On a terminal a problem that several lines share is told once.

    Parameters that a provider has none of, and that change nothing in the answer, are no problems:
    they are named, and left out when the file runs.
    """
    settings = settings_with(config, provider=provider)
    from batchway.bootstrap.check import (  # noqa: PLC0415 - slow, see the package
        CannotRun,
        check_file,
    )

    found: list[dict[str, object]] = []
    width, problems = columns_of(sys.stdout), Problems()
    with opened(input, model=model, endpoint=endpoint) as lines:

        def tell(problem: "BatchError") -> None:
            if as_json:
                found.append(
                    {
                        "line": problem.line,
                        "code": problem.code,
                        "param": problem.param,
                        "message": problem.message,
                    }
                )
            elif width is None:
                say(line_of(problem, lines.name))
            else:
                problems.add(problem)

        try:
            summary = finish(
                check_file(settings, lines.path, endpoint, provider, tell, name=lines.name)
            )
        except CannotRun as error:
            raise CommandError(str(error)) from error
        bytes_read = lines.path.stat().st_size
    if as_json:
        answer = {
            "lines": summary.lines,
            "bytes": bytes_read,
            "endpoint": summary.endpoint,
            "models": summary.models,
            "warnings": summary.warnings,
            "run_online": [
                {"lines": each.lines, "reason": each.reason} for each in summary.run_online
            ],
            "problems": found,
        }
        say(json.dumps(answer, indent=2))
        raise typer.Exit(1 if summary.problems else 0)
    for text in problems.told(lines.name):
        say(folded(text, width))
    if problems.left_out:
        note(f"... and {problems.left_out:,} others; `batchway check ... | less` shows all.")
    for text in online_told(summary.run_online):
        note(text)
    warnings = sentence(summary.warnings)
    if warnings is not None:
        note(warnings)
    if summary.problems:
        note(f"{count(summary.problems, 'problem')} in {lines.name}.")
        raise typer.Exit(1)
    say(
        f"{lines.name}: {count(summary.lines, 'line')}, {size(bytes_read)}, "
        f"{summary.endpoint}, no problems."
    )
    for name, number in sorted(summary.models.items(), key=lambda item: (-item[1], item[0])):
        say(f"  {printable(name)}: {count(number, 'line')}")
