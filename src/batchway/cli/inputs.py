"""Input files as people have them: on disk, packed with gzip, from a pipe, for another model.

Owns making one plain file on disk of any of them, with the same lines at the same numbers. What is
no file of its own goes into a temporary one, which is removed afterwards.
"""

import gzip
import stat
import sys
import tempfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from batchway.cli.console import note
from batchway.cli.failures import CommandError

_PIECE: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """An input: `path` is a plain file on disk, `name` what people call it."""

    path: Path
    name: str


def is_stdin(path: Path) -> bool:
    """Whether the input is read from standard input."""
    return str(path) in {"-", "/dev/stdin", "/dev/fd/0"}


@contextmanager
def opened(
    path: Path, *, model: str | None = None, endpoint: str | None = None
) -> Generator[Lines]:
    """The lines of an input as a plain file, for as long as the block runs.

    With `model` every line names that model. With `endpoint` lines may leave out `method` and
    `url`, if the first one does, and get them. Raises `CommandError`, `OSError`.
    """
    name = "standard input" if is_stdin(path) else str(path)
    if not is_stdin(path) and path.is_dir():
        raise CommandError(f"{path} is a directory, not a file.")
    with _source(path) as source:
        plain = not is_stdin(path) and stat.S_ISREG(path.stat().st_mode)
        head = source.peek(2)[:2]  # type: ignore[attr-defined]
        if path.suffix == ".gz" and head != _GZIP:
            raise CommandError(f"{path} is not packed with gzip, although its name says so.")
        if endpoint is not None and plain and head != _GZIP and not _is_short(path):
            endpoint = None
        if plain and head != _GZIP and model is None and endpoint is None:
            yield Lines(path=path, name=name)
            return
        with tempfile.TemporaryDirectory(prefix="batchway-input-") as scratch:
            target = Path(scratch) / "input.jsonl"
            with target.open("wb") as file:
                lines = cast(IO[bytes], gzip.GzipFile(fileobj=source)) if head == _GZIP else source
                _copy(lines, file, model=model, endpoint=endpoint, name=name)
            yield Lines(path=target, name=name)


def _source(path: Path) -> IO[bytes]:
    if is_stdin(path):
        if sys.stdin.isatty():
            note("Reading lines from standard input; Ctrl-D ends them.")
        return open(0, "rb", closefd=False)
    return path.open("rb")


def _copy(
    source: IO[bytes],
    target: IO[bytes],
    *,
    model: str | None,
    endpoint: str | None,
    name: str,
) -> None:
    try:
        if model is None and endpoint is None:
            while data := source.read(_PIECE):
                target.write(data)
        else:
            for line in source:
                target.write(_completed(line, model, endpoint))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CommandError(f"{name} cannot be unpacked: it is damaged or cut short.") from error


def _is_short(path: Path) -> bool:
    """Whether the first line leaves out where it goes."""
    from batchway.bootstrap.check import first_line  # noqa: PLC0415 - slow, see the package

    line = first_line(path)
    return _completed(line, None, "/") != line


def _completed(line: bytes, model: str | None, endpoint: str | None) -> bytes:
    """The line with another model, and with the method and the url that it leaves out.

    One that is no request stays as it is, to be told about.
    """
    import msgspec  # noqa: PLC0415 - with its only use

    from batchway.dialects.openai.body import with_model  # noqa: PLC0415 - same

    mark = b"\xef\xbb\xbf" if line.startswith(b"\xef\xbb\xbf") else b""
    try:
        fields = msgspec.json.decode(line.removeprefix(mark), type=dict[str, msgspec.Raw])
        if model is not None:
            fields["body"] = msgspec.Raw(with_model(bytes(fields["body"]), model))
        left_out = {
            name: msgspec.Raw(msgspec.json.encode(value))
            for name, value in (("method", "POST"), ("url", endpoint))
            if endpoint is not None and bytes(fields.get(name, b"null")) == b"null"
        }
        if model is None and not left_out:
            return line
        fields |= left_out
    except (msgspec.MsgspecError, KeyError, ValueError, RecursionError):
        return line
    return mark + msgspec.json.encode(fields) + b"\n"
