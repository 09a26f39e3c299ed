"""`storage.private`: what Batchway makes is for its user alone, whatever the umask is."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from batchway.storage.ledger.sqlite_release import require_sqlite
from batchway.storage.private import make_database, make_directory, tighten_directory


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Generator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_what_is_made(tmp_path: Path, umask: int) -> None:
    make_database(tmp_path / "a" / "b" / "batchway.db")
    make_directory(tmp_path / "a" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/c")] == ["0o700"] * 3
    assert mode(tmp_path / "a" / "b" / "batchway.db") == "0o600"


def test_what_an_earlier_release_made_is_tightened(tmp_path: Path) -> None:
    names = ["batchway.db", "batchway.db-wal", "batchway.db-shm"]
    for name in names:
        (tmp_path / name).touch(mode=0o644)
        (tmp_path / name).chmod(0o644)
    (tmp_path / "batchway.db").write_bytes(b"kept")
    make_database(tmp_path / "batchway.db")
    assert [mode(tmp_path / name) for name in names] == ["0o600"] * 3
    assert (tmp_path / "batchway.db").read_bytes() == b"kept"


def test_a_directory_shared_with_something_else_stays_open(tmp_path: Path) -> None:
    for name, shared in (("ours", ["batchway.db", "blobs"]), ("theirs", ["batchway.db", "notes"])):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
        for each in shared:
            (tmp_path / name / each).touch()
        tighten_directory(tmp_path / name, known=("batchway", "blobs"))
    assert (mode(tmp_path / "ours"), mode(tmp_path / "theirs")) == ("0o700", "0o755")


@pytest.mark.parametrize(
    ("sqlite", "python", "needed"),
    [
        ((3, 40, 1), (3, 12), "3.42"),
        ((3, 41, 2), (3, 13), "3.42"),
        ((3, 34, 1), (3, 11), "3.35"),
        ((3, 42, 0), (3, 12), None),
        ((3, 40, 1), (3, 11), None),
    ],
)
def test_a_sqlite_that_is_too_old(
    sqlite: tuple[int, ...], python: tuple[int, ...], needed: str | None
) -> None:
    if needed is None:
        require_sqlite(sqlite, python)
        return
    with pytest.raises(Exception, match=rf"needs SQLite {needed} or newer.*PostgreSQL") as caught:
        require_sqlite(sqlite, python)
    assert f"SQLite {sqlite[0]}.{sqlite[1]}" in str(caught.value)
