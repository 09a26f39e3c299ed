"""The encoded input of a remote job, in a temporary file while it is brought to the provider."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from batchway.domain.errors import Unavailable
from batchway.ports import LineCodec
from batchway.workflows.envelope import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """An encoded input of `size` bytes and `lines` lines."""

    path: Path
    size: int
    lines: int


@asynccontextmanager
async def spool(
    requests: Iterator[list[tuple[int, Request]]],
    *,
    directory: Path,
    codec: LineCodec,
    endpoint: str,
    model: str,
    done: set[int],
) -> AsyncGenerator[Spooled]:
    """Encode every line that is not in `done` to a file, which is gone afterwards.

    Raises `Unavailable` when there is no room for it.
    """
    file = await asyncio.to_thread(_create, directory)
    path = Path(file.name)
    lines = 0
    try:
        while (piece := await asyncio.to_thread(next, requests, None)) is not None:
            lines += await asyncio.to_thread(
                _write, file, piece, codec=codec, endpoint=endpoint, model=model, done=done
            )
        size = await asyncio.to_thread(_finish, file)
        yield Spooled(path=path, size=size, lines=lines)
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
    codec: LineCodec,
    endpoint: str,
    model: str,
    done: set[int],
) -> int:
    encode = codec.encode
    rows = [
        encode(line=line, endpoint=endpoint, model=model, body=request.body)
        for line, request in requests
        if line not in done
    ]
    if rows:
        rows.append(b"")
        data = memoryview(b"\n".join(rows))
        try:
            while data:
                data = data[file.write(data) :]
        except OSError as error:
            raise _unavailable(Path(file.name), error) from error
    return max(0, len(rows) - 1)


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
