"""The one streaming pass over an input file: checks every line and plans shards.

Owns what a good file is and how it is cut. Pure apart from the blob store and a temporary file
for ids; knows nothing of the ledger. `batchway check` uses it as well as `ingest`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from batchway.dialects.openai.body import count_inputs, estimate_tokens
from batchway.domain.batch import BatchError
from batchway.domain.batch_errors import BatchText
from batchway.domain.endpoint import Endpoint
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Destination, Forbidden, NotNative, Resolution, Unroutable
from batchway.domain.shard import Mode, Shard
from batchway.lines.envelope import LineReader, Request, nests_too_deep
from batchway.lines.pieces import Piece, read_pieces
from batchway.ports import BlobReader
from batchway.workflows.plan.custom_ids import CustomIds

_MAX_MODELS: Final = 1_000
_LOOK_UP_BYTES: Final = 256 << 10
# What encoding adds to a body at most, its endpoint and model aside (`ports.LineCodec`).
_ENVELOPE_BYTES: Final = 160
_BYTES_A_CHARACTER: Final = 6  # of a model's name, every character escaped


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits:
    """Limits of an input file (sizes in bytes) and of a shard.

    `native_lines` bounds native shards whose provider would take more: what merging a shard's
    results holds in memory grows with its lines.
    """

    max_lines: int = 10_000_000
    max_line_bytes: int = 32 << 20
    max_errors: int | None = 1_000
    shard_lines_min: int = 1_000
    shard_lines_max: int = 10_000
    shard_bytes: int = 64 << 20
    native_lines: int = 200_000


@dataclass(slots=True, kw_only=True)
class _Open:
    """A shard being planned; it is closed at `most_lines`.

    `bytes` are those of the file (managed) or of the encoded lines (native).
    """

    start: int
    first_line: int
    most_lines: int
    end: int = 0
    lines: int = 0
    bytes: int = 0
    tokens: int = 0
    inputs: int = 0


@dataclass(slots=True, kw_only=True)
class _Group:
    """Lines of one destination; `traits` bound its shards and `overhead` is in bytes a line."""

    name: str
    destination: Destination
    mode: Mode
    traits: NativeTraits | None
    overhead: int
    models: set[str] = field(default_factory=set[str])
    open: _Open | None = None


@dataclass(slots=True, kw_only=True)
class _Model:
    """A model that the file names; `group` is `None` when its lines have nowhere to go."""

    resolution: Resolution
    group: _Group | None = None
    lines: int = 0


class Scan:
    """One pass. Call `pieces` and pass each to `take`, then `finish`; all of them block.

    `resolve` answers where a model's lines go, `stand_in` is the model of lines that name none.
    Errors are collected up to `max_errors`, or handed
    to `report` one by one and not kept when that is given.
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
        report: Callable[[BatchError], None] | None = None,
        stand_in: str | None = None,
    ) -> None:
        self._blobs = blobs
        self._key = key
        self._batch_id = batch_id
        self._limits = limits
        self._resolve = resolve
        self._report = report
        self._reader = LineReader(endpoint=endpoint, stand_in=stand_in)
        self._ids = CustomIds()
        self._endpoint = endpoint
        self._models: dict[str, _Model] = {}
        self._groups: dict[str, _Group] = {}
        self._shards: list[Shard] = []
        self._offsets: list[tuple[int, int]] = []  # (first line, byte offset) of each piece
        self.errors: list[BatchError] = []
        self.problems = 0
        self.requests = 0
        self.full = False  # max_errors reached, or so many lines or models that going on is idle

    @property
    def models(self) -> dict[str, int]:
        """Lines of each model so far."""
        return {name: model.lines for name, model in self._models.items()}

    @property
    def providers(self) -> tuple[str, ...]:
        """Every provider that lines may be sent to, fallbacks included, by name."""
        return tuple(
            sorted(
                {
                    target.provider
                    for group in self._groups.values()
                    for target in group.destination.primaries + group.destination.fallbacks
                }
            )
        )

    def pieces(self) -> Iterator[Piece]:
        """The file's pieces, in order."""
        return read_pieces(self._blobs, self._key, max_line_bytes=self._limits.max_line_bytes)

    def take(self, piece: Piece) -> None:
        """Check and plan the lines of one piece."""
        self._offsets.append((piece.first_line, piece.start))
        offset = piece.start
        whole = _is_utf8(piece.lines)
        read, add_id, models = self._reader.read, self._ids.add, self._models
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
                group = model.group
                if group is None:
                    self._turn_away(request.model, model, line)
                elif group.traits is not None:
                    self._plan_native(group, group.traits, request, line, offset=offset, size=size)
                else:
                    shard = group.open
                    if shard is None:
                        shard = group.open = self._open(offset, line)
                    shard.lines += 1
                    shard.bytes += size
                    shard.end = offset + size
                    if shard.lines >= shard.most_lines or shard.bytes >= self._limits.shard_bytes:
                        self._close(group)
                if self.requests > self._limits.max_lines:
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
        for group in self._groups.values():
            self._close(group)
        several = len(self._groups) > 1
        self._shards.sort(key=lambda shard: (shard.first_line, shard.group))
        return [
            Shard(
                batch_id=self._batch_id,
                number=number,
                group=shard.group,
                mode=shard.mode,
                start=shard.start,
                end=shard.end,
                first_line=shard.first_line,
                lines=shard.lines,
                models=tuple(sorted(self._groups[shard.group].models)) if several else None,
            )
            for number, shard in enumerate(self._shards)
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

    def _meet(self, name: str, line: int) -> _Model:
        """The first line of a model: where do its lines go?"""
        resolution = self._resolve(name)
        model = self._models[name] = _Model(resolution=resolution)
        if isinstance(resolution, Destination):
            group = self._groups.get(resolution.group)
            if group is None:
                group = self._groups[resolution.group] = _Group(
                    name=resolution.group,
                    destination=resolution,
                    mode=resolution.mode,
                    traits=resolution.traits,
                    overhead=self._overhead(resolution),
                )
            group.models.add(name)
            model.group = group
        if len(self._models) > _MAX_MODELS:
            self._fail(BatchText.TOO_MANY_MODELS.error(line=line + 1, limit=_MAX_MODELS))
            self.full = True
        return model

    def _overhead(self, destination: Destination) -> int:
        model = max((len(target.model) for target in destination.primaries), default=0)
        return _ENVELOPE_BYTES + len(self._endpoint) + _BYTES_A_CHARACTER * model

    def _plan_native(
        self,
        group: _Group,
        traits: NativeTraits,
        request: Request,
        line: int,
        *,
        offset: int,
        size: int,
    ) -> None:
        """Put a line into a shard that the provider takes as one job, estimated from above."""
        encoded = len(request.body) + group.overhead
        if encoded > traits.max_bytes:
            self._fail(
                BatchText.TOO_LONG_FOR_PROVIDER.error(
                    line=line + 1,
                    size=encoded,
                    provider=group.destination.primaries[0].provider,
                    limit=traits.max_bytes,
                )
            )
            return
        tokens = 0 if traits.enqueued_tokens is None else estimate_tokens(request.body)
        inputs = 0
        if traits.embedding_inputs is not None and self._endpoint == Endpoint.EMBEDDINGS:
            inputs = count_inputs(request.body)
        shard = group.open
        if shard is not None and (
            shard.bytes + encoded > traits.max_bytes
            or shard.tokens + tokens > (traits.enqueued_tokens or tokens + shard.tokens)
            or shard.inputs + inputs > (traits.embedding_inputs or inputs + shard.inputs)
        ):
            self._close(group)
            shard = None
        if shard is None:
            most = min(traits.max_lines, self._limits.native_lines)
            shard = group.open = _Open(start=offset, first_line=line, most_lines=most)
        shard.lines += 1
        shard.bytes += encoded
        shard.tokens += tokens
        shard.inputs += inputs
        shard.end = offset + size
        if shard.lines >= shard.most_lines:
            self._close(group)

    def _turn_away(self, name: str, model: _Model, line: int) -> None:
        shown, resolution = name[:200], model.resolution
        match resolution:
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

    def _open(self, offset: int, line: int) -> _Open:
        # Small shards first, so that a short batch spreads; larger ones later, so that a long
        # batch does not need a row for every thousand lines.
        limits = self._limits
        most = min(max(self.requests // 10, limits.shard_lines_min), limits.shard_lines_max)
        return _Open(start=offset, first_line=line, most_lines=most)

    def _close(self, group: _Group) -> None:
        shard = group.open
        if shard is None:
            return
        group.open = None
        self._shards.append(
            Shard(
                batch_id=self._batch_id,
                number=len(self._shards),
                group=group.name,
                mode=group.mode,
                start=shard.start,
                end=shard.end,
                first_line=shard.first_line,
                lines=shard.lines,
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
