"""The encoded input of a remote job, in a temporary file while it is brought to the provider."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from batchway.domain.errors import Unavailable
from batchway.lines.envelope import Request
from batchway.lines.shard_lines import WHOLE, Part
from batchway.ports import Dialect, Framing, Unfaithful


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """An encoded input of `size` bytes, `lines` of our lines, and an estimate of `tokens`.

    `requests` are its rows: a line may be several. `before` is the first line that was left for
    another job, `None` when none was.
    """

    path: Path
    size: int
    lines: int
    requests: int
    tokens: int
    before: int | None


@dataclass(slots=True, kw_only=True)
class Measure:
    """What a job may hold at most, `None` for anything; and what it holds. At least one line."""

    most_tokens: int | None = None
    most_requests: int | None = None
    tokens: int = 0
    lines: int = 0
    requests: int = 0
    before: int | None = None

    def takes(self, line: int, row: bytes, requests: int = 1) -> bool:
        """Whether the line, as so many requests, is in the job. None is after one that is not."""
        if self.before is not None:
            return False
        # A guess that an account's own count is near to, or below: what may be generated does not
        # count as enqueued.
        tokens = len(row) // 4 + 1
        most = self.most_requests
        too_many = most is not None and self.requests + requests > most
        too_long = self.most_tokens is not None and self.tokens + tokens > self.most_tokens
        if self.lines and (too_many or too_long):
            self.before = line
            return False
        self.lines += 1
        self.requests += requests
        self.tokens += tokens
        return True


@asynccontextmanager
async def spool(
    requests: Iterator[list[tuple[int, Request]]],
    *,
    directory: Path,
    framing: Framing,
    dialect: Dialect,
    done: Collection[int],
    part: Part = WHOLE,
    measure: Measure | None = None,
) -> AsyncGenerator[Spooled]:
    """Encode lines that are in `part` and not in `done`, as many as `measure` takes, to a file.

    Lines that cannot be said in the dialect are left out. The file is gone afterwards. Raises
    `Unavailable` when there is no room for it.
    """
    file = await asyncio.to_thread(_create, directory)
    path = Path(file.name)
    measure = measure or Measure()
    try:
        while measure.before is None:
            piece = await asyncio.to_thread(next, requests, None)
            if piece is None:
                break
            wanted = [(n, request) for n, request in piece if n in part and n not in done]
            await asyncio.to_thread(
                _write, file, wanted, framing=framing, dialect=dialect, measure=measure
            )
        size = await asyncio.to_thread(_finish, file)
        yield Spooled(
            path=path,
            size=size,
            lines=measure.lines,
            requests=measure.requests,
            tokens=measure.tokens,
            before=part.before if measure.before is None else measure.before,
        )
    finally:
        await asyncio.to_thread(_remove, file, path)


def _create(directory: Path) -> IO[bytes]:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=directory, suffix=".jsonl")
    except OSError as error:
        raise _unavailable(directory, error) from error
    os.close(handle)
    return Path(name).open("wb", buffering=0)


def _write(
    file: IO[bytes],
    requests: list[tuple[int, Request]],
    *,
    framing: Framing,
    dialect: Dialect,
    measure: Measure,
) -> None:
    rows: list[bytes] = []
    encode, framed = dialect.encode, framing.line
    for line, request in requests:
        encoded = encode(request.body, named=request.model)
        if isinstance(encoded, Unfaithful):
            continue
        bodies = encoded.bodies
        if len(bodies) == 1:
            row = framed(line=line, part=0, body=bodies[0])
        else:
            row = b"\n".join(
                [framed(line=line, part=part, body=body) for part, body in enumerate(bodies)]
            )
        if not measure.takes(line, row, len(bodies)):
            break
        rows.append(row)
    if rows:
        rows.append(b"")
        data = memoryview(b"\n".join(rows))
        try:
            while data:
                data = data[file.write(data) :]
        except OSError as error:
            raise _unavailable(Path(file.name), error) from error


def _finish(file: IO[bytes]) -> int:
    size = file.tell()
    file.close()
    return size


def _remove(file: IO[bytes], path: Path) -> None:
    with contextlib.suppress(OSError):  # what cannot be removed now goes when the process starts
        file.close()
        path.unlink(missing_ok=True)


def _unavailable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{path} cannot be written: {error.strerror}", full=error.errno == 28)
