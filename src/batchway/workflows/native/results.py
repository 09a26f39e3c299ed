"""Joining a remote job's rows with the lines of its shard.

    row --framing--> envelope --dialect--> Outcome --join by our number--> a line's result

Rows come in any order, some twice, some never, and the last one may be torn. The first row of a
request wins, but an answer wins over one that was to be rescued; rows of requests that are not of
the job are counted and dropped. A line that was sent as several requests has a result when all of
them have a row: the dialect joins their answers, and one that failed fails the line.

Owns the join and the choice of what is left to be rescued. Pure apart from the counts it keeps.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from batchway.domain.batch import Usage
from batchway.domain.batch_errors import LineText
from batchway.domain.fate import Fate, fate_of
from batchway.lines.shard_lines import ANSWERED, LEFT, OPEN, LineTable
from batchway.ports import Dialect, Framing, Refused, Result, Row
from batchway.results.line_result import LineResult
from batchway.results.records import Records

_MISSING_PIECE: Final = 2_000
_LONGEST_ROW: Final = 64 << 20  # beyond it, what comes is no row but a fault
_WANTED: Final = frozenset({OPEN, LEFT})
_NO_USAGE: Final = Usage()
_NOT_JSON: Final[tuple[str, str]] = LineText.JOB_NOT_JSON.pair()

# Of several requests of a line, the one that decides what becomes of it, if not all were answered:
# where one has failed for good, to send the others again would be paid for in vain.
_MOST_FINAL_FIRST: Final = (Fate.FAILED, Fate.ACCOUNT, Fate.PASSING, Fate.UNTRIED)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of a request: a result, or an error with a `status`, or without one."""

    fate: Fate
    status: int | None
    body: bytes = b""
    usage: Usage = _NO_USAGE
    request_id: str | None = None
    code: str = ""
    message: str = ""


def outcome_of(row: Row, dialect: Dialect, context: bytes) -> Outcome:
    """What a row says, body and all. `context` is the dialect's, of the row's line."""
    status, fate = row.status, row.fate
    if status is None:
        return Outcome(fate, None, code=row.code, message=row.message)
    read = dialect.decode(status, row.body, context, at=row.at)
    if isinstance(read, Result):
        return Outcome(Fate.ANSWERED, status, read.body, read.usage, row.request_id)
    if isinstance(read, Refused):
        if fate is Fate.ANSWERED:  # an error that calls itself a success
            status = read.status
            fate = fate_of(status, of_account=read.of_account)
        return Outcome(fate, status, read.body, _NO_USAGE, row.request_id)
    code, message = _NOT_JSON
    return Outcome(Fate.PASSING, None, code=code, message=message)


class Join:
    """Turns pieces of a job's results into results of lines. All methods block.

    `leave` tells of the fates that are no result of their line: it stays open. `provider` is whose
    job it is.
    """

    def __init__(
        self,
        *,
        table: LineTable,
        framing: Framing,
        dialect: Dialect,
        records: Records,
        leave: Callable[[Fate], bool],
        provider: str,
    ) -> None:
        self._table = table
        self._row = framing.row
        self._dialect = dialect
        self._records = records
        self._leave = leave
        self._provider = provider
        self._carry: list[bytes] = []  # pieces of a row whose end has not come
        self._carried = 0  # their bytes; more than the longest row while its rest is dropped
        # Of lines that were sent as several requests: what came of each, by index.
        self._parts: dict[int, list[Outcome | None]] = {}
        self.rows = 0
        self.duplicates = 0
        self.unknown = 0

    @property
    def held(self) -> int:
        """Rows of lines that wait for another row of theirs."""
        marks = self._table.marks
        return sum(
            sum(part is not None for part in parts)
            for index, parts in self._parts.items()
            if marks[index] == OPEN
        )

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
        row = self._row(raw)
        table = self._table
        index = None if row is None else table.find(row.line)
        if row is None or index is None:
            self.unknown += 1
            return None
        mark = table.marks[index]
        if mark not in _WANTED:  # how many requests such a line was is not known any more
            self.rows += 1
            self.duplicates += 1
            return None
        if row.part and row.part >= table.parts.get(index, 1):
            self.unknown += 1
            return None
        self.rows += 1
        context = table.context(index)
        outcome: Outcome | None = outcome_of(row, self._dialect, context)
        if table.parts and index in table.parts:
            outcome = self._whole(row.part, outcome, index, context)
            if outcome is None:
                return None
        fate = outcome.fate
        if mark == LEFT and fate is not Fate.ANSWERED:
            self.duplicates += 1
            return None
        if fate is not Fate.ANSWERED and self._leave(fate):
            table.marks[index] = LEFT
            return None
        table.marks[index] = ANSWERED
        self._parts.pop(index, None)
        custom_id = table.custom_id(index)
        if outcome.status is None:
            return self._records.unanswered(
                line=row.line, custom_id=custom_id, code=outcome.code, message=outcome.message
            )
        return self._records.answered(
            line=row.line,
            custom_id=custom_id,
            status=outcome.status,
            request_id=outcome.request_id,
            body=outcome.body,
            usage=outcome.usage,
            provider=self._provider,
        )

    def _whole(self, part: int, outcome: Outcome, index: int, context: bytes) -> Outcome | None:
        """The line's outcome once each of its requests has one."""
        parts = self._parts.get(index)
        if parts is None:
            parts = self._parts[index] = [None] * self._table.parts[index]
        known = parts[part]
        if known is not None and not (
            outcome.fate is Fate.ANSWERED and known.fate is not Fate.ANSWERED
        ):
            self.duplicates += 1
            return None
        parts[part] = outcome
        found = [each for each in parts if each is not None]
        return _joined(found, self._dialect, context) if len(found) == len(parts) else None


def _joined(outcomes: Sequence[Outcome], dialect: Dialect, context: bytes) -> Outcome:
    for fate in _MOST_FINAL_FIRST:
        for outcome in outcomes:
            if outcome.fate is fate:
                return outcome
    first = outcomes[0]
    whole = dialect.join([Result(each.body, each.usage) for each in outcomes], context)
    return Outcome(Fate.ANSWERED, first.status, whole.body, whole.usage, first.request_id)


def missing(
    table: LineTable, records: Records, *, code: str, message: str
) -> Iterator[list[LineResult]]:
    """Error results of every line without a row, in pieces."""
    return _errors(table, records, table.marked(OPEN), lambda _: (code, message))


def unfaithful(table: LineTable, records: Records, *, provider: str) -> Iterator[list[LineResult]]:
    """Error results of every open line that was not sent: it cannot be said there, in pieces."""

    def said(index: int) -> tuple[str, str]:
        found = table.unfaithful[index]
        return LineText.UNFAITHFUL.pair(provider=provider, place=found.place, why=found.why)

    still_open = (index for index in table.unfaithful if table.marks[index] == OPEN)
    return _errors(table, records, still_open, said)


def _errors(
    table: LineTable,
    records: Records,
    indexes: Iterator[int],
    said: Callable[[int], tuple[str, str]],
) -> Iterator[list[LineResult]]:
    results: list[LineResult] = []
    for index in indexes:
        table.marks[index] = ANSWERED
        code, message = said(index)
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
