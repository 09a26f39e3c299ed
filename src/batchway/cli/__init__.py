"""The command line: `batchway serve`, `run`, `submit` and the rest.

Owns flags, what is printed and exit codes; the work itself is done by `bootstrap` in this process
or by a server over HTTP. One module for each group of commands; `failures` is the only place that
turns an exception into a sentence.

Exit codes are listed in `failures`.

Modules import at their top only what is needed to show help; commands import the rest themselves,
so that `batchway --help` answers at once.
"""

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. The one place where exceptions end."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not turn a file name into a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - TextIO hides what TextIOWrapper has
    try:
        from batchway.cli.app import app  # noqa: PLC0415 - Ctrl-C while importing ends here too

        try:
            app(args=given or ["--help"], prog_name="batchway")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # `batchway list | head`: nobody reads on. Point stdout elsewhere, or the interpreter
        # complains while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last resort, so that nobody meets a traceback
        from batchway.cli.failures import report  # noqa: PLC0415 - only when something failed

        sys.exit(report(error, debug="--debug" in given))
