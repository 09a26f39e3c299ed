"""A job's input, read: how many records there are, and what keeps a job from starting.

Owns the words that such a job fails with, as far as they were seen: the one about too few records
is of live reports, the others are the fake's own.
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from batchway.simulator.aws.behaviour import Behaviour

_OLD_ID: Final = re.compile(r"[0-9A-Za-z]{11}")


class Record(msgspec.Struct):
    """A line of input: what it is told apart by, and the body as it was written."""

    model_input: msgspec.Raw = msgspec.field(name="modelInput")
    record_id: str | None = msgspec.field(name="recordId", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An object of a job's input, on disk. `name` is what its output is named after."""

    uri: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was found in a job's input; `problem` fails the job."""

    records: int = 0
    problem: str | None = None


DECODER: Final = msgspec.json.Decoder(Record)


def read(inputs: list[Input], *, arn: str, behaviour: Behaviour) -> Read:
    """Look at every line. Belongs in a thread."""
    records = size = 0
    for given in inputs:
        length = given.path.stat().st_size
        size += length
        if length > behaviour.max_bytes:
            return Read(
                problem=f"The file {given.uri} is larger than the allowed maximum of: "
                f"{behaviour.max_bytes} bytes"
            )
        for number, line in enumerate(lines_of(given.path), 1):
            records += 1
            if behaviour.discard:
                continue
            problem = _problem(line, behaviour)
            if problem is not None:
                return Read(problem=f"Line {number} of {given.uri} {problem}")
    if size > behaviour.max_job_bytes:
        return Read(problem=f"Batch job {arn} is larger than the allowed maximum.")
    if records < behaviour.min_records:
        return Read(
            problem=f"Batch job {arn} contains less records ({records}) than the required minimum "
            f"of: {behaviour.min_records}"
        )
    if records > behaviour.max_records:
        return Read(
            problem=f"Batch job {arn} contains more records ({records}) than the allowed maximum "
            f"of: {behaviour.max_records}"
        )
    return Read(records=records)


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines that hold anything."""
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield line


def _problem(line: bytes, behaviour: Behaviour) -> str | None:
    try:
        record = DECODER.decode(line)
    except msgspec.ValidationError as error:
        return f"is not a record: {error}"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "is not valid JSON."
    if behaviour.old_record_ids and not _OLD_ID.fullmatch(record.record_id or ""):
        return "has a recordId that is not an 11 character alphanumeric string."
    return None
