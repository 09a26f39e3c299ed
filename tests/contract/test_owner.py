"""One owner for each database, of either kind, by whatever path or URL it is opened."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.contract.pooler import Pooler

from batchway.domain.errors import Unavailable
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.owner import SessionOwner, new_owner
from batchway.storage.migrations import upgrade

HOLD = (
    "import sys; from batchway.storage.ledger.owner import new_owner\n"
    "owner = new_owner(sys.argv[1]); owner.acquire(); print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


def test_a_second_owner_is_told_who_has_it(ledger_url: str) -> None:
    first, second = new_owner(ledger_url), new_owner(ledger_url)
    first.acquire()
    with pytest.raises(Unavailable, match=rf"in use by another Batchway, process {os.getpid()}"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_the_lock_ends_with_its_process(ledger_url: str) -> None:
    owner = new_owner(ledger_url)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, ledger_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Unavailable, match=rf"process {process.pid}\b.*a database of its own"):
            owner.acquire()
        os.kill(process.pid, signal.SIGKILL)
    owner.acquire()
    owner.release()


def relative(path: Path, _: pytest.MonkeyPatch) -> str:
    return f"sqlite:///{os.path.relpath(path)}"


def dotted(path: Path, _: pytest.MonkeyPatch) -> str:
    return f"sqlite:///{path.parent}/../{path.parent.name}/./{path.name}"


def linked(path: Path, _: pytest.MonkeyPatch) -> str:
    link = path.parent / "elsewhere" / "other-name.db"
    link.parent.mkdir()
    link.symlink_to(path)
    return f"sqlite:///{link}"


def linked_directory(path: Path, _: pytest.MonkeyPatch) -> str:
    link = path.parent / "linked"
    link.symlink_to(path.parent, target_is_directory=True)
    return f"sqlite:///{link / path.name}"


@pytest.mark.parametrize("other_name", [relative, dotted, linked, linked_directory])
def test_a_file_by_any_of_its_names_is_one_database(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    other_name: Callable[[Path, pytest.MonkeyPatch], str],
) -> None:
    path = tmp_path / "batchway.db"
    upgrade(f"sqlite:///{path}")
    first = new_owner(f"sqlite:///{path}")
    second = new_owner(other_name(path, monkeypatch))
    first.acquire()
    with pytest.raises(Unavailable, match="in use by another Batchway"):
        second.acquire()
    first.release()
    second.acquire()
    with pytest.raises(Unavailable, match="in use by another Batchway"):
        first.acquire()
    second.release()


def test_a_hard_link_is_refused_before_it_does_harm(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/batchway.db")
    (tmp_path / "other.db").hardlink_to(tmp_path / "batchway.db")
    with pytest.raises(Unavailable, match=r"a second name \(a hard link\).* Remove the other"):
        new_owner(f"sqlite:///{tmp_path}/other.db").acquire()


def test_databases_of_one_directory_have_owners_of_their_own(tmp_path: Path) -> None:
    owners = [new_owner(f"sqlite:///{tmp_path}/{name}.db") for name in ("a", "b")]
    for owner in owners:
        owner.acquire()
    for owner in owners:
        owner.release()


async def watched(owner: Any, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2) -> None:
    monkeypatch.setattr("batchway.storage.ledger.owner._LOOK_SECONDS", 0.01)
    async with asyncio.timeout(seconds):
        await owner.watch()


async def test_a_removed_lock_file_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/batchway.db"
    owner, other = new_owner(url), new_owner(url)
    owner.acquire()
    (tmp_path / "batchway.db.lock").unlink()
    with pytest.raises(TimeoutError):
        await watched(owner, monkeypatch)
    with pytest.raises(Unavailable, match="in use by another"):
        other.acquire()
    (tmp_path / "batchway.db.lock").unlink()
    other.acquire()
    with pytest.raises(Unavailable, match=r"another Batchway has taken the database over"):
        await watched(owner, monkeypatch, 5)
    other.release()


def end_sessions(url: str) -> None:
    """What a restart of the server, or a network that went away, does to the owner."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'batchway owner%'"
        )


async def test_a_lost_connection_takes_the_lock_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = new_owner(postgres_url)
    owner.acquire()
    end_sessions(postgres_url)
    with pytest.raises(TimeoutError):
        await watched(owner, monkeypatch, 1)
    with pytest.raises(Unavailable, match="in use by another"):
        SessionOwner(Address.parse(postgres_url), patience=0).acquire()
    owner.release()


async def test_whoever_lost_the_lock_to_another_stops(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = new_owner(postgres_url), new_owner(postgres_url)
    owner.acquire()
    end_sessions(postgres_url)
    other.acquire()
    with pytest.raises(Unavailable, match=r"taken over by another Batchway, process .*this one st"):
        await watched(owner, monkeypatch, 5)
    other.release()


def test_a_lost_session_of_ours_does_not_stop_us(postgres_url: str) -> None:
    """The connection is gone, and the server has not noticed yet: the lock is still ours."""
    with Pooler(postgres_url, by="session") as path:
        owner = new_owner(path.url)
        owner.acquire()
        assert isinstance(owner, SessionOwner)
        path.forget()
        for _ in range(3):  # one ends the old session, one takes the lock, one finds it held
            owner.look()
        with pytest.raises(Unavailable, match=rf"process {os.getpid()} "):
            SessionOwner(Address.parse(postgres_url), patience=0).acquire()
        owner.release()


def test_a_pooler_that_hands_sessions_around_is_refused(postgres_url: str) -> None:
    with (
        Pooler(postgres_url, by="transaction") as pooler,
        pytest.raises(Unavailable, match=r"connection pooler.*the server's own address"),
    ):
        new_owner(pooler.url).acquire()


def test_a_pooler_by_session_is_fine(postgres_url: str) -> None:
    with Pooler(postgres_url, by="session") as pooler:
        owner = new_owner(pooler.url)
        owner.acquire()
        with pytest.raises(Unavailable, match="in use by another"):
            SessionOwner(Address.parse(postgres_url), patience=0).acquire()
        owner.release()
