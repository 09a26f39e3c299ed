"""The output of a job: rows, from its input to files.

Owns which rows there are, their order and the form of the files. Not what a row holds (`rows`).
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from batchway.simulator.batches.behaviour import befalls
from batchway.simulator.google.behaviour import Behaviour
from batchway.simulator.google.importer import lines_of
from batchway.simulator.google.rows import Runner, encoded

_NEWLINE = b"\n"


@dataclass(slots=True, kw_only=True)
class Produced:
    """What came of a job's lines. `ids` and `digests` count what was run, which is what is paid."""

    succeeded: int = 0
    failed: int = 0
    ids: Counter[str] = field(default_factory=Counter[str])
    digests: Counter[str] = field(default_factory=Counter[str])
    files: list[tuple[str, Path]] = field(default_factory=list[tuple[str, Path]])


def produced(
    sources: list[Path],
    *,
    runner: Runner,
    behaviour: Behaviour,
    limit: int,
    now: float,
    when: str,
    place: Callable[[], Path],
) -> Produced:
    """Run the first `limit` lines and write their rows. Belongs in a thread."""
    result = Produced()
    whole = place()
    starts: list[tuple[int, int]] = []
    decoder = msgspec.json.Decoder()
    with whole.open("wb") as file:
        for number, line in enumerate(lines_of(sources)):
            if number >= limit:
                break
            ran = runner.run(decoder.decode(line), number=number, now=now, when=when)
            result.ids[ran.id] += 1
            if ran.digest is not None:
                result.digests[ran.digest] += 1
            result.succeeded += ran.ok
            result.failed += not ran.ok
            if befalls("drop", behaviour.drop_rows, ran.id, seed=behaviour.seed):
                continue
            data = encoded(ran.row)
            starts.append((file.tell(), len(data)))
            if befalls("duplicate", behaviour.duplicate_rows, ran.id, seed=behaviour.seed):
                starts.append((file.tell(), len(data)))
            file.write(data + _NEWLINE)
    if behaviour.shuffle:
        random.Random(behaviour.seed).shuffle(starts)
    result.files = _files(whole, starts, runner=runner, behaviour=behaviour, place=place)
    return result


def _files(
    whole: Path,
    starts: list[tuple[int, int]],
    *,
    runner: Runner,
    behaviour: Behaviour,
    place: Callable[[], Path],
) -> list[tuple[str, Path]]:
    shards = behaviour.shards
    single = "predictions.jsonl" if runner.language != "legacy" else f"{0:012}.jsonl"
    if shards == 1 and not behaviour.shuffle and not behaviour.duplicate_rows:
        with whole.open("ab") as file:
            _cut(file, behaviour)
        return [(single, whole)]
    files: list[tuple[str, Path]] = []
    with whole.open("rb") as source:
        for shard in range(shards):
            name = single if shards == 1 else f"{shard:012}.jsonl"
            path = place()
            with path.open("wb") as target:
                _copy(source, target, starts[shard::shards], behaviour)
            files.append((name, path))
    whole.unlink()
    return files


def _copy(
    source: BinaryIO, target: BinaryIO, starts: Iterable[tuple[int, int]], behaviour: Behaviour
) -> None:
    for start, size in starts:
        source.seek(start)
        target.write(source.read(size) + _NEWLINE)
    _cut(target, behaviour)


def _cut(target: BinaryIO, behaviour: Behaviour) -> None:
    """Take off the end of a file what the behaviour says."""
    end = target.tell()
    if not behaviour.last_newline and end:
        end -= 1
    target.truncate(max(0, end - behaviour.torn_end))
