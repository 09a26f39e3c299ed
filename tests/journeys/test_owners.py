"""Two servers and one database: the second is refused, and the first one loses nothing."""

import os
import stat
from pathlib import Path

import pytest
import yaml
from tests.journeys.cli_harness import batchway
from tests.journeys.conftest import NewServer, NewSimulator, configuration, provider
from tests.journeys.lines import chats, completed, reached, submit


def second(directory: Path, **sections: object) -> tuple[int, str, str]:
    """Start a second server to its end."""
    directory.mkdir()
    (directory / "batchway.yaml").write_text(yaml.safe_dump(configuration(**sections)))
    done = batchway("serve", cwd=directory)
    return done.code, done.out, done.err


def test_two_servers_with_a_data_directory_each(
    new_simulator: NewSimulator, new_server: NewServer, tmp_path: Path
) -> None:
    simulator = new_simulator(latency="0.1", record=True)
    server = new_server(provider(simulator, limits={"concurrency": 4}))
    database = server.data / "batchway.db"
    asked = chats(60)
    batch = submit(server.client(), asked)
    reached(server.client(), batch, completed=8)
    link = tmp_path / "link.db"
    link.symlink_to(database)
    for number, path in enumerate([database, link]):
        code, out, err = second(tmp_path / f"rival-{number}", database=f"sqlite:///{path}")
        assert (code, out, err) == (
            1,
            "",
            f"Error: The SQLite database {path} is in use by another Batchway, process "
            f"{server.process.pid}. Stop it, or give this one a database of its own.\n",
        )
    # Other commands work beside a server.
    assert batchway("keys", "list", cwd=server.directory).code == 0
    assert batchway("db", "upgrade", cwd=server.directory).code == 0
    completed(server.client(), batch, asked)
    assert set(simulator.stats()["requests_by_digest"].values()) == {1}

    # One after the other does no better: the blobs are not where the second one looks.
    assert server.stop() == 0
    code, out, err = second(tmp_path / "after", database=f"sqlite:///{database}")
    assert (code, out) == (1, "")
    assert "is not the blob store that the SQLite database" in err
    assert "Traceback" not in err
    assert sorted(path.name for path in (tmp_path / "after" / "data").iterdir()) == [
        "batchway.lock"
    ]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_nobody_else_can_read_what_a_server_keeps(
    new_simulator: NewSimulator, new_server: NewServer, umask: int
) -> None:
    before = os.umask(umask)
    try:
        server = new_server(provider(new_simulator()))
    finally:
        os.umask(before)
    asked = chats(3)
    completed(server.client(), submit(server.client(), asked), asked)
    for path in [server.data, *server.data.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, (path, oct(mode))


def test_the_engines_damaged_notes_can_be_moved_away(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    server = new_server(provider(new_simulator(latency="0.2"), limits={"concurrency": 2}))
    asked = chats(20)
    batch = submit(server.client(), asked)
    reached(server.client(), batch, completed=2)
    server.stop()
    notes = server.data / "batchway-engine.db"
    notes.write_text("no database")
    done = batchway("serve", cwd=server.directory)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1] == (
        f"Error: The engine cannot use {notes}: SQLITE_NOTADB. Nothing but its own notes is in "
        "there: move it away, and batches go on from the ledger."
    )
    assert "Traceback" not in done.err
    notes.rename(notes.with_suffix(".damaged"))
    server.start()
    completed(server.client(), batch, asked)
