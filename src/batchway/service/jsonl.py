"""The check that an upload for a batch gets at once; the validator reads all the rest later."""

import json

from batchway.domain.errors import ApiError, ApiText

_BOM = b"\xef\xbb\xbf"


def check_jsonl_name(filename: str) -> None:
    """Raises `ApiError` unless the name ends in `.jsonl`, in any case."""
    if not filename.lower().endswith(".jsonl"):
        raise ApiError(ApiText.NOT_JSONL)


def check_first_line(head: bytes, *, whole: bool) -> None:
    """Raises `ApiError` unless the first line of a file is JSON.

    `head` is the start of the file; `whole` tells whether the first line ends within it. A longer
    first line passes: keeping it would make memory grow with the file, and the validator reads it.
    """
    if not whole:
        return
    line = head.removeprefix(_BOM).partition(b"\n")[0]
    try:
        # Without `parse_int`, a number of 5,000 digits is a ValueError although it is JSON.
        json.loads(line.decode("utf-8"), parse_constant=_refuse_constant, parse_int=str)
    except RecursionError:
        return  # JSON nested too deep to read: the validator says so, with the line number
    except ValueError as error:
        raise ApiError(ApiText.NOT_JSONL) from error


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
