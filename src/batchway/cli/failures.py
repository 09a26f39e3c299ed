"""What went wrong, as one sentence on standard error and an exit code.

Owns the mapping from exceptions to sentences. Anything that is not expected here is a defect: its
traceback goes to a file, or to the terminal with `--debug`.
"""

import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from typing import Final

from batchway.cli.console import note

EXIT_CODES: Final[Mapping[int, str]] = {
    0: "done: every line of a run or of a watched batch was answered",
    1: "it could not be done, or the batch failed: the sentence on standard error says why",
    2: "the command was not understood: an unknown option, a value out of range",
    3: "done, but some lines have no answer: they failed, or the batch was cancelled or expired",
    130: "interrupted (Ctrl-C); `run` and `retry` go on when called again",
    143: "terminated (SIGTERM); as 130",
}


class CommandError(Exception):
    """A command that cannot go on: `message` is the sentence, `code` the exit code."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def report(error: Exception, *, debug: bool) -> int:
    """Tell the person; returns the exit code."""
    code = error.code if isinstance(error, CommandError) else 1
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    sentence = explain(error)
    if sentence is None:
        sentence = _unexpected(error, debug=debug)
    note(f"Error: {sentence}")
    return code


def explain(error: Exception) -> str | None:
    """The sentence for an expected failure; `None` for a defect."""
    from batchway.domain.errors import ApiError, Unavailable  # noqa: PLC0415 - see the package
    from batchway.settings import SettingsError  # noqa: PLC0415 - see the package

    match error:
        case CommandError():
            return error.message
        case SettingsError() | Unavailable() | ApiError():
            return str(error)
        case OSError() if error.filename is not None:
            name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else ""
            return f"{name or error.filename}: {error.strerror}."
        case OSError() if error.strerror:
            return f"{error.strerror}."
        case _:
            return None


def _unexpected(error: Exception, *, debug: bool) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if debug:
        return f"Batchway met an unexpected {name}; the traceback is above."
    handle, path = tempfile.mkstemp(prefix="batchway-error-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as log:
        traceback.print_exception(error, file=log)
    return f"Batchway met an unexpected {name}. Please report it with the traceback in {path}."
