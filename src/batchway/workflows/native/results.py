"""Joining a remote job's rows with the lines of its shard.

Rows come in any order, some twice, some never, and the last one may be torn. The first row of a
line wins, but an answer wins over one that was to be rescued; rows of lines that nobody asked for
are counted and dropped. Owns the join and the
choice of what is left to be rescued. Pure apart from the counts it keeps.
"""

from collections.abc import Callable, Iterator
from typing import Final

from batchway.dialects.openai.framing import INVALID_ANSWER, NO_ANSWER
from batchway.domain.remote import RemoteRow
from batchway.lines.shard_lines import ANSWERED, LEFT, OPEN, LineTable
from batchway.ports import LineCodec
from batchway.results.line_result import LineResult
from batchway.results.records import Records

_MISSING_PIECE: Final = 2_000
_LONGEST_ROW: Final = 64 << 20  # beyond it, what comes is no row but a fault
# Codes of rows without an HTTP answer that another try may mend.
_PASSING: Final = frozenset(
    {
        "batch_expired",
        "batch_cancelled",
        NO_ANSWER,
        INVALID_ANSWER,
        "request_timeout",
        "timeout",
        "rate_limit_exceeded",
        "server_error",
        "internal_error",
        "internal_server_error",
        "service_unavailable",
    }
)
_UNTRIED: Final = frozenset({"batch_expired", "batch_cancelled"})


def is_retryable(row: RemoteRow) -> bool:
    """Whether sending the line again may bring a better result."""
    if row.status is not None:
        return row.status in {408, 429} or row.status >= 500
    return row.code in _PASSING


def was_untried(row: RemoteRow) -> bool:
    """Whether the provider says that it did not get to the line."""
    return row.status is None and row.code in _UNTRIED


def _is_answer(row: RemoteRow) -> bool:
    return row.status is not None and 200 <= row.status < 300


class Join:
    """Turns pieces of a job's results into results of lines. All methods block.

    `leave` tells rows that are no result of their line: it stays open.
    """

    def __init__(
        self,
        *,
        table: LineTable,
        codec: LineCodec,
        records: Records,
        leave: Callable[[RemoteRow], bool],
    ) -> None:
        self._table = table
        self._codec = codec
        self._records = records
        self._leave = leave
        self._carry: list[bytes] = []  # pieces of a row whose end has not come
        self._carried = 0  # their bytes; more than the longest row while its rest is dropped
        self.rows = 0
        self.duplicates = 0
        self.unknown = 0

    def take(self, data: bytes, *, last: bool = False) -> list[LineResult]:
        """Results of the rows in the next piece, which may end anywhere unless it is the `last`."""
        rows = data.split(b"\n")
        rest = b"" if last else rows.pop()
        if rows and self._carried:
            self._keep(rows[0])
            rows[0] = self._carried_row()
        self._keep(rest)
        results: list[LineResult] = []
        for raw in rows:
            if raw and not raw.isspace():
                result = self._join(raw)
                if result is not None:
                    results.append(result)
        return results

    def _keep(self, piece: bytes) -> None:
        self._carried += len(piece)
        if self._carried > _LONGEST_ROW:
            self._carry.clear()
        elif piece:
            self._carry.append(piece)

    def begin(self) -> None:
        """A transfer begins: what was counted was of another one."""
        self.rows = self.duplicates = self.unknown = 0

    def forget(self) -> None:
        """A row that has not come whole will not: its file is read from the start again."""
        self._carried = 0
        self._carry.clear()

    def _carried_row(self) -> bytes:
        if self._carried > _LONGEST_ROW:
            self.unknown += 1
        row = b"".join(self._carry)
        self._carry.clear()
        self._carried = 0
        return row

    def _join(self, raw: bytes) -> LineResult | None:
        row = self._codec.decode(raw)
        index = None if row is None else self._table.find(row.line)
        if row is None or index is None:
            self.unknown += 1
            return None
        self.rows += 1
        marks = self._table.marks
        if marks[index] != OPEN and not (marks[index] == LEFT and _is_answer(row)):
            self.duplicates += 1
            return None
        if self._leave(row):
            marks[index] = LEFT
            return None
        marks[index] = ANSWERED
        custom_id = self._table.custom_id(index)
        if row.status is None:
            return self._records.unanswered(
                line=row.line, custom_id=custom_id, code=row.code, message=row.message
            )
        return self._records.answered(
            line=row.line,
            custom_id=custom_id,
            status=row.status,
            request_id=row.request_id,
            body=row.body,
            usage=row.usage,
        )


def missing(
    table: LineTable, records: Records, *, code: str, message: str
) -> Iterator[list[LineResult]]:
    """Error results of every line without a row, in pieces."""
    results: list[LineResult] = []
    for index in table.marked(OPEN):
        table.marks[index] = ANSWERED
        results.append(
            records.unanswered(
                line=table.line(index),
                custom_id=table.custom_id(index),
                code=code,
                message=message,
            )
        )
        if len(results) >= _MISSING_PIECE:
            yield results
            results = []
    if results:
        yield results
