"""Lines whose shapes conflict, in a dialect for them, and the plan of a file of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.unit.fakes import CHAT, MemoryBlob, chat

from batchway.domain.batch import BatchError, Usage
from batchway.domain.group import Group
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Destination, Target
from batchway.domain.shard import Mode, Shard
from batchway.lines.envelope import LineReader
from batchway.lines.shard_lines import read_requests
from batchway.ports import Dialect, Encoded, Refused, Result, Size, Unfaithful
from batchway.workflows.plan.online import OnlineLines
from batchway.workflows.plan.scan import Scan, ScanLimits


class Formed:
    """A dialect whose lines have the shape that their `metadata` are, and whose `stop` words are
    what it cannot be asked: `batch` of a batch, `ever` of neither kind.
    """

    faithful = False

    def __init__(self, mode: Mode, *unsaid: str) -> None:
        self._mode = mode
        self._unsaid = unsaid or (("batch", "ever") if mode is Mode.NATIVE else ("ever",))

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        fields = json.loads(body)
        if fields.get("stop") in self._unsaid:
            return Unfaithful("stop", f"It has no such word ({self._mode.value}).")
        warnings = ("seed",) if "seed" in fields else ()
        shape = tuple(sorted(fields.get("metadata", {}).items()))
        return Encoded((body,), b"", warnings, shape if self._mode is Mode.NATIVE else ())

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        return Result(body, Usage())

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        raise AssertionError("every line is one body")

    def measure(self, body: bytes) -> Size:
        return Size(tokens=len(body))


def formed(_: Target, mode: Mode) -> Dialect:
    return Formed(mode)


@dataclass(frozen=True, kw_only=True)
class Scanned:
    shards: list[Shard]
    errors: list[BatchError]
    groups: list[Group]
    online: OnlineLines


def scanned(
    *lines: bytes,
    online: bool = True,
    targets: Sequence[str] = ("p",),
    dialect: Callable[[Target, Mode], Dialect | None] = formed,
    limits: ScanLimits | None = None,
    **traits: Any,
) -> tuple[list[Shard], list[BatchError], list[Group]]:
    """The plan of lines that go to a batch API. Blank lines stand between them."""
    made = scan_of(*lines, online=online, targets=targets, dialect=dialect, limits=limits, **traits)
    return made.shards, made.errors, made.groups


def scan_of(
    *lines: bytes,
    online: bool = True,
    targets: Sequence[str] = ("p",),
    dialect: Callable[[Target, Mode], Dialect | None] = formed,
    limits: ScanLimits | None = None,
    **traits: Any,
) -> Scanned:
    """A scan of them that is finished."""

    def resolve(model: str) -> Destination:
        bounds: dict[str, Any] = {"max_lines": 100, "max_bytes": 1 << 20, **traits}
        return Destination(
            group=f"p/{model}",
            mode=Mode.NATIVE,
            primaries=tuple(Target(provider=name, model=model) for name in targets),
            traits=NativeTraits(endpoints=frozenset({CHAT}), **bounds),
            rescue=online,
            may_go_online=online,
        )

    made = Scan(
        blobs=MemoryBlob(file_of(*lines)),
        key="input",
        batch_id="b",
        endpoint=CHAT,
        limits=limits or ScanLimits(),
        resolve=resolve,
        dialect=dialect,
    )
    for piece in made.pieces():
        made.take(piece)
    return Scanned(shards=made.finish(), errors=made.errors, groups=made.groups, online=made.online)


def file_of(*lines: bytes) -> bytes:
    return b"".join(line + b"\n\n" for line in lines)


def shaped(custom_id: str, model: str = "m", stop: str | None = None, **shape: str) -> bytes:
    return chat(custom_id, model, metadata=shape, stop=stop)


def found(shard: Shard, *lines: bytes) -> list[str]:
    """The ids of a shard's lines, as its runs read them."""
    reader = LineReader(endpoint=CHAT)
    pieces = read_requests(MemoryBlob(file_of(*lines)), "input", shard, reader=reader)
    return [request.custom_id for piece in pieces for _, request in piece]


def plan_of(shards: list[Shard], *lines: bytes) -> dict[str, list[str]]:
    """What each group's shards hold."""
    plan: dict[str, list[str]] = {}
    for shard in shards:
        plan.setdefault(shard.group, []).append("".join(found(shard, *lines)))
    return plan
