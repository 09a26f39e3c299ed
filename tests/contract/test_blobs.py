"""`ports.Blobs` over every store, and what only a local directory can do wrong."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batchway.domain.errors import Unavailable
from batchway.ports import Blobs
from batchway.storage.blobs.local import LocalBlobs

# -- every store


def put(blobs: Blobs, key: str, data: bytes = b"data") -> None:
    writer = blobs.writer(key)
    writer.write(data)
    writer.commit()


def listed(blobs: Blobs, prefix: str) -> set[str]:
    return {key for key, _ in blobs.keys(prefix)}


def test_a_blob_is_what_was_written(blobs: Blobs) -> None:
    writer = blobs.writer("files/a.jsonl")
    for piece in (b"one", bytearray(b"two"), memoryview(b"-three-")[1:6], b"", b"x" * 700_000):
        writer.write(piece)
    writer.commit()
    whole = b"onetwothree" + b"x" * 700_000
    assert blobs.size("files/a.jsonl") == len(whole)
    assert blobs.read("files/a.jsonl", 0, len(whole)) == whole


def test_an_empty_blob_exists(blobs: Blobs) -> None:
    blobs.writer("empty").commit()
    assert blobs.size("empty") == 0
    assert blobs.read("empty", 0, 10) == b""


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 4, b"0123"), (3, 2, b"34"), (8, 5, b"89"), (10, 1, b""), (99, 1, b""), (0, 0, b"")],
)
def test_a_range(blobs: Blobs, start: int, length: int, expected: bytes) -> None:
    put(blobs, "digits", b"0123456789")
    assert blobs.read("digits", start, length) == expected


@pytest.mark.parametrize(("start", "length"), [(-1, 4), (0, -1)])
def test_a_range_counts_from_the_start(blobs: Blobs, start: int, length: int) -> None:
    put(blobs, "digits", b"0123456789")
    with pytest.raises(ValueError, match="from 0"):
        blobs.read("digits", start, length)


def test_an_unknown_blob(blobs: Blobs) -> None:
    put(blobs, "folder/blob")
    for key in ("nothing", "folder", "folder/other", "folder/blob/below", "other/blob"):
        assert blobs.size(key) is None
        with pytest.raises(KeyError):
            blobs.read(key, 0, 1)
        blobs.delete(key)
    assert blobs.size("folder/blob") == 4


def test_nothing_is_visible_before_the_commit(blobs: Blobs) -> None:
    put(blobs, "a/blob", b"old")
    writer = blobs.writer("a/blob")
    fresh = blobs.writer("b/blob")
    for one in (writer, fresh):
        one.write(b"new" * 400_000)
    assert blobs.read("a/blob", 0, 9) == b"old"
    assert blobs.size("b/blob") is None
    assert listed(blobs, "") == {"a/blob"}
    writer.commit()
    fresh.abort()
    assert blobs.read("a/blob", 0, 6) == b"newnew"
    assert listed(blobs, "") == {"a/blob"}


def test_an_aborted_writer_leaves_nothing(blobs: Blobs) -> None:
    writer = blobs.writer("a")
    writer.write(b"x" * 700_000)
    writer.abort()
    writer.abort()
    assert blobs.size("a") is None
    assert blobs.sweep(time.time() + 60) == 0
    for call in (writer.commit, lambda: writer.write(b"x")):
        with pytest.raises(ValueError, match="aborted"):
            call()


def test_an_abort_after_the_commit_is_harmless(blobs: Blobs) -> None:
    writer = blobs.writer("a")
    writer.write(b"x")
    writer.commit()
    writer.abort()
    assert blobs.read("a", 0, 9) == b"x"
    with pytest.raises(ValueError, match="committed"):
        writer.commit()


def test_deleting(blobs: Blobs) -> None:
    put(blobs, "a/b/one")
    put(blobs, "a/two")
    blobs.delete("a/b/one")
    blobs.delete("a/b/one")
    assert blobs.size("a/b/one") is None
    assert listed(blobs, "") == {"a/two"}
    blobs.delete("a/two")
    assert listed(blobs, "") == set()
    put(blobs, "a/b/one", b"again")
    assert blobs.read("a/b/one", 0, 9) == b"again"


def test_keys_under_a_prefix_with_their_times(blobs: Blobs) -> None:
    every = {"segments/b1/0", "segments/b1/1", "segments/b10/0", "files/x", "segmentsx"}
    before = time.time() - 2
    for key in every:
        put(blobs, key)
    assert listed(blobs, "") == every
    assert listed(blobs, "segments/") == {key for key in every if key.startswith("segments/")}
    assert listed(blobs, "segments") == every - {"files/x"}
    assert listed(blobs, "segments/b1/") == {"segments/b1/0", "segments/b1/1"}
    assert listed(blobs, "segments/b1") == {key for key in every if key.startswith("segments/b")}
    assert listed(blobs, "nothing/") == set()
    assert all(before <= at <= time.time() + 2 for _, at in blobs.keys(""))


def test_blobs_may_be_deleted_while_they_are_listed(blobs: Blobs) -> None:
    for number in range(20):
        put(blobs, f"a/{number}/blob")
    for key, _ in blobs.keys("a/"):
        blobs.delete(key)
    assert listed(blobs, "") == set()


def test_sweeping_takes_old_leftovers_only(blobs: Blobs) -> None:
    put(blobs, "kept")
    abandoned = blobs.writer("lost")
    abandoned.write(b"x")
    assert blobs.sweep(time.time() - 60) == 0
    assert blobs.sweep(time.time() + 60) == 1
    assert blobs.sweep(time.time() + 60) == 0
    assert listed(blobs, "") == {"kept"}
    abandoned.abort()


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/etc/passwd", "a//b", "a/", "../a", "a/../../b", "a/..", ".", "a/./b"),
        *("a\\b", "a\0b", "a b", "ä", "a\n", "tmp", "tmp/a", "~/a", "a:b", "..."),
    ],
)
def test_what_is_no_key_is_refused(blobs: Blobs, key: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: blobs.writer(key),
        lambda: blobs.read(key, 0, 1),
        lambda: blobs.size(key),
        lambda: blobs.delete(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not a blob key"):
            call()


@pytest.mark.parametrize("prefix", ["../", "/", "/etc/", "a/../", "tmp/"])
def test_what_is_no_prefix_is_refused(blobs: Blobs, prefix: str) -> None:
    with pytest.raises(ValueError, match="not a blob key"):
        list(blobs.keys(prefix))


def test_threads_share_folders_while_blobs_come_and_go(blobs: Blobs) -> None:
    def churn(worker: int) -> None:
        for turn in range(30):
            key = f"a/b/{worker}-{turn}"
            put(blobs, key, key.encode() * 100)
            assert blobs.read(key, 0, len(key)) == key.encode()
            blobs.delete(key)  # takes a/b away whenever it is empty for a moment
        put(blobs, f"a/b/{worker}", b"last")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(churn, range(8)))
    assert listed(blobs, "") == {f"a/b/{worker}" for worker in range(8)}


# -- a local directory


def every_file(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_full_disk_is_told_and_leaves_nothing(tiny_disk: Path) -> None:
    blobs = LocalBlobs(tiny_disk / "blobs")
    put(blobs, "kept", b"k" * 100_000)
    writer = blobs.writer("large")
    for _ in range(7):
        writer.write(b"x" * 100_000)
    with pytest.raises(Unavailable, match="no space left") as caught:
        writer.write(b"x" * 900_000)
    assert caught.value.full
    writer.abort()
    assert every_file(tiny_disk) == [tiny_disk / "blobs" / "kept"]
    put(blobs, "large", b"x" * 500_000)


def test_a_disk_that_fills_at_the_commit(tiny_disk: Path) -> None:
    blobs = LocalBlobs(tiny_disk / "blobs")
    put(blobs, "kept", b"k" * 900_000)
    writer = blobs.writer("small")
    writer.write(b"x" * 200_000)  # fits the buffer, not the disk
    with pytest.raises(Unavailable) as caught:
        writer.commit()
    assert caught.value.full
    assert every_file(tiny_disk) == [tiny_disk / "blobs" / "kept"]


def test_a_limit_on_file_sizes_is_a_failure_too(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = blobs.writer("large")
    writer.write(b"x" * 200_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(Unavailable) as caught:
            writer.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not caught.value.full
    assert every_file(tmp_path) == []


def test_a_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"cannot be written: Not a directory\."):
        LocalBlobs(tmp_path / "file" / "blobs")


@pytest.mark.parametrize("folder", ["blobs", "new"])
def test_a_read_only_directory_is_refused(read_only_disk: Path, folder: str) -> None:
    with pytest.raises(Unavailable, match=r"cannot be written: Read-only file system\."):
        LocalBlobs(read_only_disk / folder)


def test_a_disk_that_turns_read_only(tiny_disk: Path) -> None:
    blobs = LocalBlobs(tiny_disk)
    put(blobs, "a/kept")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    calls: list[Callable[[], object]] = [
        lambda: blobs.writer("b"),
        lambda: blobs.delete("a/kept"),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="Read-only") as caught:
            call()
        assert not caught.value.full
    assert blobs.read("a/kept", 0, 9) == b"data"


def test_files_are_not_for_other_users(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    put(blobs, "a/blob")
    assert (tmp_path / "a" / "blob").stat().st_mode & 0o077 == 0


def test_a_killed_writer_leaves_a_whole_blob_or_none(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from batchway.storage.blobs.local import LocalBlobs\n"
        "blobs = LocalBlobs(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        "    writer = blobs.writer(f'files/{n}')\n"
        "    for _ in range(50): writer.write(bytes([n % 256]) * 20_000)\n"
        "    writer.commit(); print(n, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(12)]
        os.kill(process.pid, signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    blobs = LocalBlobs(tmp_path)
    found = {int(key.removeprefix("files/")) for key in listed(blobs, "files/")}
    assert set(told) <= found
    for number in found:
        expected = bytes([number % 256]) * 1_000_000
        assert blobs.read(f"files/{number}", 0, 10**7) == expected
    assert blobs.sweep(time.time() + 60) <= 1
