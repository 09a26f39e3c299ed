"""What a segment keeps of one line."""

from dataclasses import dataclass

from batchway.domain.batch import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class LineResult:
    """What a segment keeps of one line.

    `line` is the 0-based line number in the input file; `ok` is whether it belongs into the
    output file; `record` is the finished JSON line without its newline.
    """

    line: int
    ok: bool
    record: bytes
    usage: Usage
