"""`python -m batchway.simulator.online`: the simulator as a process, every dial a flag.

Owns the flags, which are made from the settings so that no dial can lack one. Prints the base URL
as its only line once it listens.
"""

import argparse
import sys
from collections.abc import Sequence

from batchway.simulator.online.server import run
from batchway.simulator.online.settings import InvalidSettings, SimulatorSettings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m batchway.simulator.online",
        description="An OpenAI-compatible model server with dialled behaviour.",
    )
    for name, field in SimulatorSettings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        text = (field.description or "").replace("%", "%%")
        if field.annotation is bool:
            parser.add_argument(
                flag,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=f"{text} (default: {field.default})",
            )
        else:
            default = field.get_default(call_default_factory=True)
            parser.add_argument(
                flag,
                default=argparse.SUPPRESS,
                metavar="VALUE",
                help=text if default in (None, {}, ()) else f"{text} (default: {default})",
            )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the flags and serve until interrupted."""
    parser = _parser()
    try:
        settings = SimulatorSettings.parse(vars(parser.parse_args(arguments)))
    except InvalidSettings as invalid:
        parser.error(str(invalid))

    def ready(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    run(settings, ready=ready)


if __name__ == "__main__":
    main()
