"""`batchway db`: the database's schema."""

import typer

from batchway.cli.console import say
from batchway.cli.options import Config, DataDir, settings_of

database = typer.Typer(no_args_is_help=True, help="Look after the database.")


@database.callback()
def group() -> None:
    """Look after the database."""
    # A callback keeps `upgrade` a command of a group; Typer folds a lone command into its parent.


@database.command()
def upgrade(config: Config = None, data_dir: DataDir = None) -> None:
    """Bring the schema up to this version; `serve` does so by itself."""
    settings = settings_of(config, {"data_dir": data_dir})
    from batchway.bootstrap.keeping import upgrade_database  # noqa: PLC0415 - slow, see the package

    say(f"The database has schema {upgrade_database(settings)}, the newest of this version.")
