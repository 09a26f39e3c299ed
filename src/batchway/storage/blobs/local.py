"""`LocalBlobs`: blobs as files below one directory.

    root/batchway-store  the store's own id (`identity`)
    root/tmp/<random>    a blob being written; left by a crash it is swept
    root/<key>           a committed blob; `/` in a key makes directories

Owns the directory. Does not own who may use it (`lock`). Safe from several threads and processes:
nothing is cached, and a blob appears and disappears in one step.

A store whose id is known says of a blob that there is none only after it has seen that it is itself
still there: a volume that is not mounted looks like one whose every blob was lost.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from batchway.domain.errors import Unavailable
from batchway.storage.blobs.identity import NAME, read_identity
from batchway.storage.private import FILE_MODE, make_directory, tighten

_TMP: Final = "tmp"
_WORD: Final = re.compile(r"[A-Za-z0-9_.=-]+", re.ASCII)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
# Small appends are gathered into one system call; large ones pass through.
_BUFFER: Final = 256 * 1024
# How often a directory may vanish under a commit, each time by another blob's deletion.
_VANISHES: Final = 100


class LocalBlobs:
    """`ports.Blobs` on a local file system.

    `identity` is the id that the store at `root` must have; without one it is taken as it comes.
    Raises `Unavailable` when `root` cannot be made or written to.
    """

    def __init__(self, root: Path, *, identity: str | None = None) -> None:
        self._root = root.absolute()
        self._identity = identity
        self._tmp = self._root / _TMP
        probe = self._tmp / f"probe-{secrets.token_hex(8)}"
        try:
            make_directory(self._tmp)
            for folder in (self._root, *(entry for entry in self._root.iterdir())):
                tighten(folder)
            # A mount may be read-only below directories that exist.
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise Unavailable(
                f"The data directory {self._root} cannot be written: {error.strerror}. "
                "Give a directory that this user can write to.",
                full=error.errno in _FULL,
            ) from error

    def writer(self, key: str) -> "LocalBlobWriter":
        """Start a blob; an existing one of that key is replaced at `commit`."""
        path = self._path(key)
        return LocalBlobWriter(root=self._root, tmp=self._tmp / secrets.token_hex(16), path=path)

    def read(self, key: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`; fewer only at the end. `KeyError` if unknown."""
        if start < 0 or length < 0:
            raise ValueError("start and length count bytes from 0")
        path = self._path(key)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return _read_all(descriptor, start, length)
            finally:
                os.close(descriptor)
        except _ABSENT as error:
            self._be_there()
            raise KeyError(key) from error
        except OSError as error:
            raise _unavailable("read", self._root, error) from error

    def size(self, key: str) -> int | None:
        """Bytes of a blob, `None` if there is none."""
        try:
            found = self._path(key).stat()
        except _ABSENT:
            self._be_there()
            return None
        except OSError as error:
            raise _unavailable("read", self._root, error) from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def delete(self, key: str) -> None:
        """Remove a blob and the directories that it leaves empty; harmless if there is none."""
        path = self._path(key)
        try:
            path.unlink()
        except _ABSENT:
            self._be_there()
            return
        except OSError as error:
            raise _unavailable("written", self._root, error) from error
        for parent in path.parents:
            if parent == self._root:
                return
            try:
                parent.rmdir()
            except OSError:
                return  # other blobs live there

    def keys(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Committed blobs under a prefix with the Unix time each was last written.

        `prefix` is the beginning of the key, not necessarily whole words.
        """
        folder, slash, _ = prefix.rpartition("/")
        start = self._path(folder) if slash else self._root
        self._be_there()
        for path, changed in self._walk(start):
            key = path.relative_to(self._root).as_posix()
            if key.startswith(prefix):
                yield key, changed

    def sweep(self, before: float) -> int:
        """Remove what abandoned writers left before that Unix time; returns how many."""
        swept = 0
        for path, changed in self._walk(self._tmp):
            if changed < before:
                try:
                    path.unlink()
                except FileNotFoundError:
                    continue  # its writer ended after all
                except OSError as error:
                    raise _unavailable("written", self._root, error) from error
                swept += 1
        return swept

    def _walk(self, folder: Path) -> Iterator[tuple[Path, float]]:
        """Files below a folder. Folders and files may vanish meanwhile."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except _ABSENT:
            return
        except OSError as error:
            raise _unavailable("read", self._root, error) from error
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if folder != self._root or entry.name != _TMP:
                    yield from self._walk(path)
                continue
            if folder == self._root and entry.name.startswith(NAME):
                continue
            with suppress(FileNotFoundError):
                yield path, entry.stat(follow_symlinks=False).st_mtime

    def _be_there(self) -> None:
        """Raise `Unavailable` unless this is the store that was opened."""
        if self._identity is None:
            return
        found = read_identity(self._root)
        if found == self._identity:
            return
        plight = "is not there" if found is None else "is another one than before"
        raise Unavailable(
            f"The blob store {self._root} {plight}: was its volume unmounted or its directory "
            "moved? Batches go on as soon as it is back."
        )

    def _path(self, key: str) -> Path:
        words = key.split("/")
        sound = all(_WORD.fullmatch(word) and word.strip(".") for word in words)
        if not sound or words[0] == _TMP:
            # Not quoted: what is no key of ours may be anything.
            raise ValueError("not a blob key")
        return self._root.joinpath(*words)


class LocalBlobWriter:
    """`ports.BlobWriter`: a file in `tmp` that `commit` renames."""

    def __init__(self, *, root: Path, tmp: Path, path: Path) -> None:
        self._root = root
        self._tmp = tmp
        self._path = path
        try:
            # For this user only: prompts are in there.
            descriptor = os.open(
                tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE
            )
            self._file = os.fdopen(descriptor, "wb", buffering=_BUFFER)
        except OSError as error:
            raise _unavailable("written", root, error) from error
        self._ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append."""
        self._must_be_open()
        try:
            self._file.write(data)
        except OSError as error:
            self.abort()
            raise _unavailable("written", self._root, error) from error

    def commit(self) -> None:
        """Bytes to disk, then the name, then the name to disk: power loss keeps all or nothing."""
        self._must_be_open()
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._rename()
            self._ended = True
            self._sync_directories()
        except OSError as error:
            self.abort()
            raise _unavailable("written", self._root, error) from error

    def abort(self) -> None:
        """Drop everything. Harmless after `commit` or a second time; never raises."""
        if self._ended:
            return
        self._ended = True
        # Closing writes out what is buffered, which fails again on a full disk.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._tmp.unlink()

    def _must_be_open(self) -> None:
        if self._ended:
            raise ValueError("this blob was committed or aborted")

    def _rename(self) -> None:
        for attempt in range(_VANISHES):
            try:
                make_directory(self._path.parent)
                self._tmp.replace(self._path)
            except (FileNotFoundError, FileExistsError):
                # A deletion took the directory, empty for the moment, just before our rename, or
                # between the two steps in which `mkdir` learns that it exists.
                if attempt == _VANISHES - 1:
                    raise
            else:
                return

    def _sync_directories(self) -> None:
        # Up to the root, also where another writer made a directory: it may not have got as far
        # as making it durable. A directory without changes costs microseconds.
        for parent in self._path.parents:
            _sync(parent)
            if parent == self._root:
                return


def _read_all(descriptor: int, start: int, length: int) -> bytes:
    data = os.pread(descriptor, length, start)
    if len(data) in (0, length):
        return data
    pieces = [data]
    got = len(data)
    # The kernel answers at most 2 GiB at once, and less when a signal comes.
    while got < length and (data := os.pread(descriptor, length - got, start + got)):
        pieces.append(data)
        got += len(data)
    return b"".join(pieces)


def _sync(directory: Path) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # the blob was deleted again already
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(verb: str, root: Path, error: OSError) -> Unavailable:
    if error.errno in _FULL:
        return Unavailable(f"The data directory {root} has no space left.", full=True)
    return Unavailable(f"The data directory {root} cannot be {verb}: {error.strerror}.")
