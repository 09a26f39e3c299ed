"""Every command in one tree."""

from typing import Annotated

import typer

from batchway.cli import batches, keys, simulate
from batchway.cli.check import check
from batchway.cli.console import say
from batchway.cli.database import database
from batchway.cli.demo import demo
from batchway.cli.download import download
from batchway.cli.retry import retry
from batchway.cli.run import run
from batchway.cli.serve import serve
from batchway.cli.submit import submit

# Plain help: framed boxes break sentences over lines, and importing what draws them takes longer
# than everything else that help needs.
app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="One OpenAI-compatible Files + Batches API for every model provider.",
    epilog="Exit codes: 0 every line answered, 1 cannot be done, 2 not understood, 3 done but some "
    "lines have no result, 130 interrupted (Ctrl-C), 143 terminated.",
)


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """One OpenAI-compatible Files + Batches API for every model provider."""


def version() -> None:
    """Print the version."""
    from batchway import __version__  # noqa: PLC0415 - with its only use

    say(__version__)


app.command()(serve)
app.command()(run)
app.command()(retry)
app.command()(check)
app.command()(submit)
app.command("list")(batches.list_batches)
app.command()(batches.status)
app.command()(batches.watch)
app.command()(batches.cancel)
app.command()(download)
app.add_typer(keys.keys, name="keys")
app.add_typer(database, name="db")
app.command()(simulate.simulate)
app.command()(demo)
app.command()(version)
