"""`batchway db`: the database's schema."""

import typer

from batchway.cli.console import say
from batchway.cli.options import Config, DataDir, settings_of

database = typer.Typer(no_args_is_help=True, help="Look after the database.")


@database.callback()
def group() -> None:
    """Look after the database."""


@database.command()
def upgrade(config: Config = None, data_dir: DataDir = None) -> None:
    """Bring the schema up to this version; `serve` does so by itself."""
    settings = settings_of(config, {"data_dir": data_dir})
    from batchway.bootstrap.stored import upgrade_database  # noqa: PLC0415 - slow, see the package

    say(f"The database has schema {upgrade_database(settings)}, the newest of this version.")


@database.command("adopt-blobs")
def adopt_blobs(config: Config = None, data_dir: DataDir = None) -> None:
    """Let the database go on with the configured blob store, when its own is lost for good.

    Files and results that only the lost store had are gone; batches that had not ended run those
    lines again. Not while a server runs.
    """
    settings = settings_of(config, {"data_dir": data_dir})
    from batchway.bootstrap.opening import adopt_blobs as adopt  # noqa: PLC0415 - slow, as above

    say(f"The database belongs to the blob store {settings.blob_dir} ({adopt(settings)[:8]}) now.")
