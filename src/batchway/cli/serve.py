"""`batchway serve`: the HTTP server with everything it runs on, in this process."""

from typing import Annotated

import typer

from batchway.cli.console import say
from batchway.cli.options import Config, DataDir, settings_of


def serve(
    *,
    config: Config = None,
    host: Annotated[
        str | None, typer.Option(help="Overrides `server.host`.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Overrides `server.port`.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Start the server. Batches that an earlier run left go on by themselves."""
    settings = settings_of(config, {"server.host": host, "server.port": port, "data_dir": data_dir})
    from batchway.bootstrap.serve import serve as run_server  # noqa: PLC0415 - slow, see the package

    run_server(settings, announce=say)
