"""The one streaming pass over an input file: checks every line and plans shards.

Owns what a good file is and the way of each line. Does not own where models go (`models`), where
shards end (`cutting`) or what is said of mistakes (`mistakes`). Pure apart from the blob store and
a temporary file for ids; knows nothing of the ledger. `batchway check` uses it as well as `ingest`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from batchway.domain.batch import BatchError
from batchway.domain.batch_errors import BatchText
from batchway.domain.group import Group
from batchway.domain.routing import Destination, Resolution, Target
from batchway.domain.shard import Mode, Shard
from batchway.lines.envelope import LineReader, Request, nests_too_deep
from batchway.lines.pieces import Piece, read_pieces
from batchway.ports import BlobReader, Dialect, Unfaithful
from batchway.workflows.plan.custom_ids import CustomIds
from batchway.workflows.plan.cutting import GroupPlan, ScanLimits
from batchway.workflows.plan.lots import Lots
from batchway.workflows.plan.mistakes import (
    too_few,
    too_long,
    too_many_shapes,
    turned_away,
    unfaithful,
)
from batchway.workflows.plan.models import Model, Models
from batchway.workflows.plan.online import OnlineLines
from batchway.workflows.plan.trying import NOTHING, Said, say, say_natively

__all__ = ["Scan", "ScanLimits"]

_MAX_MODELS: Final = 1_000
_MAX_WARNINGS: Final = 100  # names of parameters, of which a dialect has far fewer
_LOOK_UP_BYTES: Final = 256 << 10


class Scan:
    """One pass. Call `pieces` and pass each to `take`, then `finish`; all of them block.

    `resolve` and `dialect` are those of `Models`; `stand_in` is the model of lines that name none.
    Errors are collected up to `max_errors`, or handed to `report` one by one and not kept when that
    is given.
    """

    def __init__(
        self,
        *,
        blobs: BlobReader,
        key: str,
        batch_id: str,
        endpoint: str,
        limits: ScanLimits,
        resolve: Callable[[str], Resolution],
        dialect: Callable[[Target, Mode], Dialect | None],
        report: Callable[[BatchError], None] | None = None,
        stand_in: str | None = None,
    ) -> None:
        self._blobs = blobs
        self._key = key
        self._batch_id = batch_id
        self._limits = limits
        self._report = report
        self._reader = LineReader(endpoint=endpoint, stand_in=stand_in)
        self._ids = CustomIds()
        self._models = Models(endpoint=endpoint, limits=limits, resolve=resolve, dialect=dialect)
        self._offsets: list[tuple[int, int]] = []  # (first line, byte offset) of each piece
        self.errors: list[BatchError] = []
        self.problems = 0
        self.requests = 0
        self.online = OnlineLines()
        self.warnings: dict[str, int] = {}  # lines that a parameter is left out of, by its name
        self.full = False  # max_errors reached, or so many lines or models that going on is idle

    @property
    def models(self) -> dict[str, int]:
        """Lines of each model so far."""
        return {name: model.lines for name, model in self._models.known.items()}

    @property
    def groups(self) -> list[Group]:
        """The destinations of the lines so far, by name."""
        decided = (plan.decided() for plan in self._models.plans if plan.holds_lines)
        return sorted(decided, key=lambda group: group.name)

    @property
    def providers(self) -> tuple[str, ...]:
        """Every provider that lines may be sent to, fallbacks included, by name."""
        return tuple(sorted({name for group in self.groups for name in group.providers}))

    def pieces(self) -> Iterator[Piece]:
        """The file's pieces, in order."""
        return read_pieces(self._blobs, self._key, max_line_bytes=self._limits.max_line_bytes)

    def take(self, piece: Piece) -> None:
        """Check and plan the lines of one piece."""
        self._offsets.append((piece.first_line, piece.start))
        offset = piece.start
        whole = _is_utf8(piece.lines)
        read, add_id, models = self._reader.read, self._ids.add, self._models.known
        most_bytes, most_lines = self._limits.shard_bytes, self._limits.max_lines
        line = piece.first_line - 1
        for data, size in zip(piece.lines, piece.sizes, strict=True):
            line += 1
            request = read(data) if whole or _is_utf8([data]) else None
            if request is None or nests_too_deep(data):
                self._refuse(data, line, piece)
            else:
                add_id(request.custom_id, line)
                self.requests += 1
                model = models.get(request.model) or self._meet(request.model, line)
                model.lines += 1
                plan = model.plan
                if plan is None:
                    self._turn_away(request.model, model, line)
                elif model.plain:
                    shard = plan.open
                    if shard is None:
                        shard = plan.begin(offset, line, lines_before=self.requests)
                    shard.lines += 1
                    shard.bytes += size
                    shard.end = offset + size
                    if shard.lines >= shard.most_rows or shard.bytes >= most_bytes:
                        plan.close()
                elif not model.tried:
                    end = offset + size
                    if not plan.add_native(request.body, line=line, start=offset, end=end):
                        self._fail(too_long(plan, line, len(request.body)))
                else:
                    self._plan_tried(plan, model, request, line, start=offset, size=size)
                if self.requests > most_lines:
                    self._fail(BatchText.TOO_MANY_LINES.error(limit=self._limits.max_lines))
                    self.full = True
            offset += size
            if self.full:
                return

    def finish(self) -> list[Shard]:
        """Look for duplicates, close the plan. Shards are only of use without `errors`."""
        with self._ids:
            if not self.full:
                self._find_duplicates()
        self.errors.sort(key=lambda error: error.line or 0)
        if not self.requests and not self.problems:
            self._fail(BatchText.EMPTY_FILE.error())
        self._models.finish()
        planned: list[Shard] = []
        models: dict[str, tuple[str, ...]] = {}
        for plan in self._models.plans:
            if not plan.finish() and not self.problems:  # lines with errors may be what is missing
                self._fail(too_few(plan))
            if plan.holds_lines:
                models[plan.group.name] = tuple(sorted(plan.models))
            shards = plan.shards(self._batch_id)
            if plan.traits is not None:
                takers = plan.group.takers
                self.online.add_too_few(shards, provider=takers, traits=plan.traits)
            planned += shards
        for model in self._models.known.values():
            resolution = model.resolution
            if isinstance(resolution, Destination) and resolution.no_jobs:
                self.online.add_model(resolution.no_jobs, lines=model.lines)
        several = len(models) > 1
        planned.sort(key=lambda shard: (shard.first_line, shard.group))
        return [
            replace(
                shard,
                number=number,
                models=models[shard.group] if several and shard.members is None else None,
            )
            for number, shard in enumerate(planned)
        ]

    def close(self) -> None:
        """Drop the temporary files of a scan that is not finished."""
        self._ids.__exit__()

    def _fail(self, error: BatchError) -> None:
        if self.full:
            return  # the last line's further mistakes
        self.problems += 1
        if self._report is not None:
            self._report(error)
            return
        self.errors.append(error)
        most = self._limits.max_errors
        self.full = self.full or (most is not None and len(self.errors) >= most)

    def _refuse(self, data: bytes, line: int, piece: Piece) -> None:
        """Say what is wrong with a line that holds no request; a blank one is nothing wrong."""
        length = piece.too_long.get(line - piece.first_line)
        if length is not None:
            limit = self._limits.max_line_bytes
            self._fail(BatchText.LINE_TOO_LONG.error(line=line + 1, size=length, limit=limit))
        elif data and not data.isspace():
            for error in self._reader.diagnose(data, line + 1):
                self._fail(error)

    def _turn_away(self, name: str, model: Model, line: int) -> None:
        mistake = turned_away(name, model.resolution, line, first=model.lines == 1)
        if mistake is not None:
            self._fail(mistake)

    def _meet(self, name: str, line: int) -> Model:
        model = self._models.meet(name)
        if len(self._models.known) > _MAX_MODELS:
            self._fail(BatchText.TOO_MANY_MODELS.error(line=line + 1, limit=_MAX_MODELS))
            self.full = True
        return model

    def _plan_tried(
        self, plan: GroupPlan, model: Model, request: Request, line: int, *, start: int, size: int
    ) -> None:
        """Put a line into a shard if it can be said in one of its model's dialects."""
        if model.lots is not None:
            self._plan_natively(model, model.lots, request, line, start=start, size=size)
            return
        said = say(request, model.tried)
        if isinstance(said, Unfaithful):
            self._fail(unfaithful(plan, line, said, BatchText.UNFAITHFUL))
        else:
            self._count(said)
            plan.add_managed(line=line, start=start, size=size, lines_before=self.requests)

    def _plan_natively(
        self, model: Model, lots: Lots, request: Request, line: int, *, start: int, size: int
    ) -> None:
        """Put a line into a lot of its destination, or online, if either can be asked for it.

        Which target gets a job is not known yet, so what one of them cannot say goes online where
        lines may; where they may not, it is left to the jobs of those that can.
        """
        first, said = lots.first, say_natively(request, model.tried)
        if (
            isinstance(said, Said)
            and said.unsaid is None
            and self._add_to_lot(lots, request, line, start=start, size=size, said=said)
        ):
            return
        online = say(request, model.online) if model.online else None
        if isinstance(online, Said) and first.may_go_online:
            self._count(online)
            self.online.add(said.unsaid if isinstance(said, Said) else said, line)
            lots.online().add_managed(line=line, start=start, size=size, lines_before=self.requests)
        elif isinstance(said, Said):
            if said.unsaid is None or not self._add_to_lot(
                lots, request, line, start=start, size=size, said=said
            ):
                self._fail(too_many_shapes(first, line))
        elif isinstance(online, Said):
            # It may not go online: its job leaves it out, and that is an error of this line alone,
            # which keeps no batch from running. Whoever checks a file is told.
            if self._report is not None:
                self._fail(unfaithful(first, line, said, BatchText.UNFAITHFUL_IN_JOBS))
            self._add_native(first, request, line, start=start, size=size, said=NOTHING)
        else:
            self._fail(unfaithful(first, line, online or said, BatchText.UNFAITHFUL))

    def _add_to_lot(
        self, lots: Lots, request: Request, line: int, *, start: int, size: int, said: Said
    ) -> bool:
        """Put a line into the lot of its shape; `False` when there is none."""
        lot = lots.take(said.shapes) if said.shapes else lots.first
        if lot is None:
            return False
        self._count(said)
        self._add_native(lot, request, line, start=start, size=size, said=said)
        return True

    def _add_native(
        self, plan: GroupPlan, request: Request, line: int, *, start: int, size: int, said: Said
    ) -> None:
        if not plan.add_native(
            request.body,
            line=line,
            start=start,
            end=start + size,
            rows=said.rows,
            fewest=said.fewest,
            encoded=said.bytes,
        ):
            self._fail(too_long(plan, line, said.bytes))

    def _count(self, said: Said) -> None:
        """Note what is left out of a line."""
        for name in said.warnings:
            if name in self.warnings or len(self.warnings) < _MAX_WARNINGS:
                self.warnings[name] = self.warnings.get(name, 0) + 1

    def _find_duplicates(self) -> None:
        for line in self._ids.duplicates(self._same_id):
            custom_id = self._custom_id(line)[:200]
            self._fail(BatchText.DUPLICATE_CUSTOM_ID.error(line=line + 1, custom_id=custom_id))
            if self.full:
                return

    def _same_id(self, first: int, second: int) -> bool:
        return self._custom_id(first) == self._custom_id(second)

    def _custom_id(self, line: int) -> str:
        """The id on a line of the file, read again from the piece that holds it."""
        low, high = 0, len(self._offsets)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offsets[middle][0] <= line else (low, middle)
        first_line, start = self._offsets[low]
        for piece in read_pieces(
            self._blobs,
            self._key,
            start=start,
            first_line=first_line,
            max_line_bytes=self._limits.max_line_bytes,
            piece_bytes=_LOOK_UP_BYTES,
        ):
            if line < piece.first_line + len(piece.lines):
                return self._reader.custom_id(piece.lines[line - piece.first_line])
        raise LookupError(f"line {line} has gone from the input while it was read")


def _is_utf8(lines: list[bytes]) -> bool:
    try:
        for line in lines:
            if not line.isascii():
                line.decode()
    except UnicodeDecodeError:
        return False
    return True
