"""The one streaming pass over an input file: checks every line and plans shards.

Owns what a good file is and how it is cut. Pure apart from the blob store and a temporary file
for ids; knows nothing of the ledger. `batchway check` uses it as well as `ingest`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from batchway.domain.batch import BatchError
from batchway.domain.batch_errors import BatchText
from batchway.domain.endpoint import Endpoint
from batchway.domain.group import Group, group_of
from batchway.domain.routing import (
    Destination,
    Forbidden,
    NotNative,
    Resolution,
    Target,
    Unroutable,
)
from batchway.domain.shard import Mode, Shard
from batchway.lines.envelope import LineReader, Request, nests_too_deep
from batchway.lines.pieces import Piece, read_pieces
from batchway.ports import BlobReader, Dialect, Unfaithful
from batchway.workflows.plan.custom_ids import CustomIds
from batchway.workflows.plan.cutting import GroupPlan, ScanLimits
from batchway.workflows.plan.lots import MOST_LOTS, Lots
from batchway.workflows.plan.online import OnlineLines
from batchway.workflows.plan.trying import Said, say, say_natively

__all__ = ["Scan", "ScanLimits"]

_MAX_MODELS: Final = 1_000
_MAX_WARNINGS: Final = 100  # names of parameters, of which a dialect has far fewer
_LOOK_UP_BYTES: Final = 256 << 10
# What encoding adds to a body at most, its endpoint and model aside (`ports.Framing`).
_ENVELOPE_BYTES: Final = 160
_BYTES_A_CHARACTER: Final = 6  # of a model's name, every character escaped


@dataclass(slots=True, kw_only=True)
class _Model:
    """A model that the file names; `plan` is `None` when its lines have nowhere to go.

    `plain` lines are managed, and need no look inside; `tried` are the dialects of which one at
    least has to do for a line, empty where one always does. `spare` are those of the fallbacks,
    for lines that none of them can say. Of native lines that are tried, `lots` are the plans, and
    `online` what is spoken to the same models, and then to the fallbacks, online.
    """

    resolution: Resolution
    plan: GroupPlan | None = None
    plain: bool = False
    tried: tuple[Dialect, ...] = ()
    spare: tuple[Dialect, ...] = ()
    lots: Lots | None = None
    online: tuple[Dialect, ...] = ()
    lines: int = 0


class Scan:
    """One pass. Call `pieces` and pass each to `take`, then `finish`; all of them block.

    `resolve` answers where a model's lines go, and `dialect` what is spoken at one target, in lines
    that run so (`None`: they are not tried); `stand_in` is the model of lines that name none.
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
        self._resolve = resolve
        self._dialect = dialect
        self._report = report
        self._reader = LineReader(endpoint=endpoint, stand_in=stand_in)
        self._ids = CustomIds()
        self._endpoint = endpoint
        self._models: dict[str, _Model] = {}
        self._plans: dict[str, GroupPlan] = {}
        self._lots: dict[str, Lots] = {}  # of native plans whose lines are tried
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
        return {name: model.lines for name, model in self._models.items()}

    @property
    def groups(self) -> list[Group]:
        """The destinations of the lines so far, by name."""
        decided = (plan.decided() for plan in self._every_plan() if plan.holds_lines)
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
        read, add_id, models = self._reader.read, self._ids.add, self._models
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
                        self._too_long(plan, line, len(request.body))
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
        for lots in self._lots.values():
            lots.finish()
        planned: list[Shard] = []
        models: dict[str, tuple[str, ...]] = {}
        for plan in self._every_plan():
            if not plan.finish() and not self.problems:  # lines with errors may be what is missing
                self._too_few(plan)
            if plan.holds_lines:
                models[plan.group.name] = tuple(sorted(plan.models))
            shards = plan.shards(self._batch_id)
            if plan.traits is not None:
                takers = plan.group.takers
                self.online.add_too_few(shards, provider=takers, traits=plan.traits)
            planned += shards
        for model in self._models.values():
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

    def _every_plan(self) -> Iterator[GroupPlan]:
        for name, plan in self._plans.items():
            lots = self._lots.get(name)
            yield from (plan,) if lots is None else lots.plans

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

    def _meet(self, name: str, line: int) -> _Model:
        """The first line of a model: where do its lines go?"""
        resolution = self._resolve(name)
        model = self._models[name] = _Model(resolution=resolution)
        if isinstance(resolution, Destination):
            self._plan_model(name, model, resolution)
        if len(self._models) > _MAX_MODELS:
            self._fail(BatchText.TOO_MANY_MODELS.error(line=line + 1, limit=_MAX_MODELS))
            self.full = True
        return model

    def _plan_model(self, name: str, model: _Model, destination: Destination) -> None:
        plan = self._plans.get(destination.group)
        if plan is None:
            plan = self._plans[destination.group] = GroupPlan(
                group=group_of(destination),
                limits=self._limits,
                may_go_online=destination.may_go_online,
            )
        plan.group = plan.group.joined_by(destination)
        plan.models.add(name)
        model.plan = plan
        targets, traits = destination.primaries, destination.traits
        spoken = self._spoken(targets, destination.mode)
        if len(spoken) == len(targets) and not any(dialect.faithful for dialect in spoken):
            model.tried = spoken
            model.spare = self._spoken(destination.fallbacks, Mode.MANAGED)
        model.plain = traits is None and not model.tried
        if traits is not None:
            if model.tried:
                model.lots = self._lots.get(destination.group)
                if model.lots is None:
                    model.lots = self._lots[destination.group] = Lots(plan)
                model.online = self._spoken(targets, Mode.MANAGED) + model.spare
            # All of a native group's lines become the same models, so what its first line is
            # measured by is right for all of them.
            longest = max(len(target.model) for target in targets)
            plan.overhead = _ENVELOPE_BYTES + len(self._endpoint) + _BYTES_A_CHARACTER * longest
            embeds = self._endpoint == Endpoint.EMBEDDINGS and traits.embedding_inputs is not None
            if spoken and (embeds or traits.enqueued_tokens is not None):
                plan.measure = spoken[0].measure

    def _spoken(self, targets: Sequence[Target], mode: Mode) -> tuple[Dialect, ...]:
        """The dialects of those targets that have one for lines that run so."""
        dialects = (self._dialect(target, mode) for target in targets)
        return tuple(dialect for dialect in dialects if dialect is not None)

    def _plan_natively(
        self, model: _Model, lots: Lots, request: Request, line: int, *, start: int, size: int
    ) -> None:
        """Put a line into a lot of its destination, or online, if either can be asked for it."""
        said = say_natively(request, model.tried)
        if isinstance(said, Said):
            lot = lots.take(said.shapes) if said.shapes else lots.first
            if lot is not None:
                self._count(said)
                self._add_native(lot, request, line, start=start, size=size, said=said)
                return
        first = lots.first
        online = say(request, model.online) if model.online else said
        if isinstance(online, Said) and model.online and first.may_go_online:
            self._count(online)
            self.online.add(said, line)
            lots.online().add_managed(line=line, start=start, size=size, lines_before=self.requests)
        elif isinstance(said, Said):
            self._fail(
                BatchText.TOO_MANY_SHAPES.error(
                    line=line + 1,
                    provider=first.group.primaries[0].provider,
                    model=(first.group.primaries[0].model or "")[:200],
                    most=MOST_LOTS,
                )
            )
        elif isinstance(online, Said):
            # It may not go online: its job leaves it out, and that is an error of this line alone,
            # which keeps no batch from running. Whoever checks a file is told.
            if self._report is not None:
                self._unfaithful(first, line, said, BatchText.UNFAITHFUL_IN_JOBS)
            nothing = Said(rows=0, bytes=0)
            self._add_native(first, request, line, start=start, size=size, said=nothing)
        else:
            self._unfaithful(first, line, online)

    def _add_native(
        self, plan: GroupPlan, request: Request, line: int, *, start: int, size: int, said: Said
    ) -> None:
        if not plan.add_native(
            request.body,
            line=line,
            start=start,
            end=start + size,
            rows=said.rows,
            encoded=said.bytes,
        ):
            self._too_long(plan, line, said.bytes)

    def _plan_tried(
        self, plan: GroupPlan, model: _Model, request: Request, line: int, *, start: int, size: int
    ) -> None:
        """Put a line into a shard if it can be said in one of its model's dialects.

        Else the dispatcher hands it to the first fallback that can say it.
        """
        if model.lots is not None:
            self._plan_natively(model, model.lots, request, line, start=start, size=size)
            return
        said = say(request, (*model.tried, *model.spare))
        if isinstance(said, Unfaithful):
            self._unfaithful(plan, line, said)
        else:
            self._count(said)
            plan.add_managed(line=line, start=start, size=size, lines_before=self.requests)

    def _count(self, said: Said) -> None:
        """Note what is left out of a line."""
        for name in said.warnings:
            if name in self.warnings or len(self.warnings) < _MAX_WARNINGS:
                self.warnings[name] = self.warnings.get(name, 0) + 1

    def _unfaithful(
        self,
        plan: GroupPlan,
        line: int,
        said: Unfaithful,
        text: BatchText = BatchText.UNFAITHFUL,
    ) -> None:
        self._fail(
            text.error(
                line=line + 1,
                provider=plan.group.primaries[0].provider,
                why=said.why,
                place=said.place,
            )
        )

    def _too_long(self, plan: GroupPlan, line: int, size: int) -> None:
        self._fail(
            BatchText.TOO_LONG_FOR_PROVIDER.error(
                line=line + 1,
                size=size + plan.overhead,
                provider=plan.group.takers,
                limit=plan.most_bytes,
            )
        )

    def _too_few(self, plan: GroupPlan) -> None:
        traits = plan.traits
        models = dict.fromkeys(target.model or "" for target in plan.group.primaries)
        self._fail(
            BatchText.TOO_FEW_FOR_PROVIDER.error(
                provider=plan.group.takers,
                model="' or '".join(models)[:200],
                least=0 if traits is None else traits.min_lines,
                count=plan.fewest,
            )
        )

    def _turn_away(self, name: str, model: _Model, line: int) -> None:
        shown, resolution = name[:200], model.resolution
        match resolution:
            case NotNative(why=why) if why:
                if model.lines == 1:
                    self._fail(
                        BatchText.NO_NATIVE_MODEL.error(
                            line=line + 1, model=shown, provider=resolution.provider, why=why
                        )
                    )
            case NotNative():
                if model.lines == 1:  # said once: it is no mistake of a line
                    self._fail(
                        BatchText.NO_NATIVE_ENDPOINT.error(
                            line=line + 1,
                            model=shown,
                            provider=resolution.provider,
                            endpoint=resolution.endpoint,
                            endpoints=", ".join(resolution.endpoints) or "none of ours",
                        )
                    )
            case Destination():
                raise AssertionError("a line with a destination is planned, not turned away")
            case Unroutable(advice=advice):
                self._fail(
                    BatchText.NO_ROUTE_TO_MODEL.error(line=line + 1, model=shown, advice=advice)
                )
            case Forbidden(provider=None):
                self._fail(BatchText.MODEL_FORBIDDEN.error(line=line + 1, model=shown))
            case Forbidden(provider=provider):
                self._fail(
                    BatchText.PROVIDER_FORBIDDEN.error(
                        line=line + 1, model=shown, provider=provider
                    )
                )

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
