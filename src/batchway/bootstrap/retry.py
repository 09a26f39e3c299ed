"""The failed lines of a finished run: which they are, and putting their results in place.

Input and output are in the same order, so both are read side by side, whatever their size: a line
is to be run again when the output has no result of it. The results of the new run are merged into
a new file that takes the output's name in one step, so an answer that was paid for is on disk at
every moment; merging again changes nothing.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from batchway.bootstrap.check import CannotRun
from batchway.bootstrap.run_files import put_in_place

_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What was found of a finished run: its lines, and those among them without a result."""

    lines: int
    failed: int


class _Id(msgspec.Struct):
    custom_id: str


_id = msgspec.json.Decoder(_Id)


def write_failed(lines: Path, output: Path, target: Path) -> Failed:
    """Write the lines without a result in `output` to `target`, which appears when it is whole.

    Raises `CannotRun` when the output is not that of these lines.
    """
    total = failed = 0
    partial = target.with_name(target.name + ".partial")
    with lines.open("rb") as source, partial.open("wb") as file:
        for line, result in _side_by_side(source, [output]):
            total += 1
            if result is None:
                failed += 1
                file.write(line if line.endswith(b"\n") else line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    put_in_place(partial, target)
    return Failed(lines=total, failed=failed)


def merge(lines: Path, output: Path, found: Path) -> None:
    """Put the results in `found`, those of a run of failed lines, among those of `output`."""
    partial = output.with_name(output.name + ".partial")
    with lines.open("rb") as source, partial.open("wb") as file:
        for _, result in _side_by_side(source, [output, found]):
            if result is not None:
                file.write(result)
        file.flush()
        os.fsync(file.fileno())
    put_in_place(partial, output)


class _Results:
    """The results of one file, in order; the one that comes next can be looked at."""

    def __init__(self, path: Path, file: IO[bytes] | None) -> None:
        self._path = path
        self._file = file
        self.id: str | None = None
        self._record = b""
        self.advance()

    def advance(self) -> bytes:
        """The next result, newline included; looks at the one behind it."""
        taken, self.id = self._record, None
        while self._file is not None and (record := self._file.readline()):
            if not record.isspace():
                self._record = record if record.endswith(b"\n") else record + b"\n"
                try:
                    self.id = _id.decode(record).custom_id
                except msgspec.MsgspecError as error:
                    raise CannotRun(f"{self._path} holds a line that is no result.") from error
                break
        return taken


def _side_by_side(source: IO[bytes], outputs: list[Path]) -> Iterator[tuple[bytes, bytes | None]]:
    """Each line that is not blank with its result in the first of `outputs` that has one."""
    files = [path.open("rb") if path.exists() else None for path in outputs]
    try:
        results = [_Results(path, file) for path, file in zip(outputs, files, strict=True)]
        for line in source:
            if not line.removeprefix(_MARK).strip():
                continue
            try:
                custom_id = _id.decode(line.removeprefix(_MARK)).custom_id
            except msgspec.MsgspecError as error:
                raise CannotRun("The input holds a line that is no request.") from error
            found: bytes | None = None
            for each in results:
                if each.id == custom_id:
                    record = each.advance()
                    found = record if found is None else found
            yield line, found
        for path, each in zip(outputs, results, strict=True):
            if each.id is not None:
                raise CannotRun(
                    f"{path} is not the output of these lines, or not in their order: they have no "
                    f"line for its result '{each.id[:100]}'."
                )
    finally:
        for file in files:
            if file is not None:
                file.close()
