"""A database and its blob store: which are opened together, which are refused, and what is made."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from tests.unit.fakes import a_file, store

from batchway.bootstrap.opening import adopt_blobs, open_blobs, owned
from batchway.bootstrap.parts import prepare_database
from batchway.domain.errors import Unavailable
from batchway.settings import Settings
from batchway.storage.blobs.identity import NAME, read_identity
from batchway.storage.blobs.local import LocalBlobs
from batchway.storage.ledger.address import Address
from batchway.storage.ledger.sql_ledger import SqlLedger


@pytest.fixture
def settings(tmp_path: Path, ledger_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "d1", database=SecretStr(ledger_url))


def opened(settings: Settings) -> LocalBlobs:
    """Open everything as a server does, and let go of it."""

    async def both() -> LocalBlobs:
        ledger = await SqlLedger.open(settings.database_url)
        try:
            return await open_blobs(settings, ledger)
        finally:
            await ledger.close()

    with owned(settings):
        prepare_database(settings)
        return asyncio.run(both())


def in_ledger(settings: Settings, what: Callable[[SqlLedger], Any]) -> Any:
    async def work() -> Any:
        ledger = await SqlLedger.open(settings.database_url)
        try:
            return await what(ledger)
        finally:
            await ledger.close()

    return asyncio.run(work())


def used(settings: Settings) -> None:
    """A database and a store that have been at work."""
    store(opened(settings), a_file().blob, b"mine")
    in_ledger(settings, lambda ledger: ledger.files.add(a_file()))


def moved_to(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


def refused(settings: Settings) -> str:
    with pytest.raises(Unavailable) as caught:
        opened(settings)
    return str(caught.value)


def test_they_meet_again(settings: Settings) -> None:
    used(settings)
    first = read_identity(settings.blob_dir)
    assert first is not None
    assert opened(settings).read(a_file().blob, 0, 9) == b"mine"
    assert read_identity(settings.blob_dir) == first


def test_a_second_data_directory_is_refused(settings: Settings, tmp_path: Path) -> None:
    used(settings)
    other = moved_to(settings, data_dir=tmp_path / "d2")
    said = refused(other)
    assert "it has no file `batchway-store`, as when a volume is not mounted. Mount it, or" in said
    assert "`batchway db adopt-blobs`" in said
    assert sorted(path.name for path in other.data_dir.iterdir()) == ["batchway.lock"]


def test_an_unmounted_volume_stays_empty(settings: Settings, tmp_path: Path) -> None:
    used(settings)
    settings.blob_dir.rename(tmp_path / "unmounted")
    settings.blob_dir.mkdir()
    assert str(settings.blob_dir) in refused(settings)
    assert list(settings.blob_dir.iterdir()) == []
    settings.blob_dir.rmdir()
    (tmp_path / "unmounted").rename(settings.blob_dir)
    assert opened(settings).read(a_file().blob, 0, 9) == b"mine"


def test_a_store_of_another_database_is_refused(settings: Settings, tmp_path: Path) -> None:
    used(settings)
    stranger = Settings(data_dir=tmp_path / "stranger")
    used(stranger)
    before = sorted(stranger.blob_dir.rglob("*"))
    said = refused(moved_to(settings, blobs=str(stranger.blob_dir)))
    assert f"{stranger.blob_dir} is another blob store" in said
    assert sorted(stranger.blob_dir.rglob("*")) == before


def test_a_moved_store_is_the_same(settings: Settings, tmp_path: Path) -> None:
    used(settings)
    settings.blob_dir.rename(tmp_path / "elsewhere")
    moved = moved_to(settings, blobs=str(tmp_path / "elsewhere"))
    assert opened(moved).read(a_file().blob, 0, 9) == b"mine"


def test_a_database_from_before_takes_the_store_that_has_its_files(settings: Settings) -> None:
    used(settings)
    before_ids(settings)
    assert opened(settings).read(a_file().blob, 0, 9) == b"mine"
    belonging = in_ledger(settings, lambda ledger: ledger.stores.get())
    assert (belonging.identity, belonging.since) == (read_identity(settings.blob_dir), 0)


def test_a_database_from_before_takes_no_other(settings: Settings, tmp_path: Path) -> None:
    used(settings)
    before_ids(settings)
    said = refused(moved_to(settings, blobs=str(tmp_path / "nothing")))
    assert "has none of the files that the " in said
    assert not (tmp_path / "nothing").exists()


def before_ids(settings: Settings) -> None:
    """As an earlier release left them."""
    (settings.blob_dir / NAME).unlink()

    engine = create_engine(Address.parse(settings.database_url).synchronous)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM stores"))
    engine.dispose()


def test_an_empty_database_takes_a_used_store_and_leaves_what_is_in_it(
    settings: Settings, tmp_path: Path
) -> None:
    """A typing error in `database` must not be the end of another database's files."""
    used(settings)
    wrong = Settings(data_dir=settings.data_dir, database=SecretStr(f"sqlite:///{tmp_path}/x.db"))
    opened(wrong)
    belonging = in_ledger(wrong, lambda ledger: ledger.stores.get())
    assert belonging.since > 0  # `Janitor` removes nothing from before
    assert opened(settings).read(a_file().blob, 0, 9) == b"mine"


def test_a_lost_store_can_be_given_up(settings: Settings) -> None:
    used(settings)
    shutil.rmtree(settings.blob_dir)
    refused(settings)
    identity = adopt_blobs(settings)
    assert identity == read_identity(settings.blob_dir)
    assert opened(settings).size(a_file().blob) is None


def test_a_store_is_given_up_only_while_no_server_runs(settings: Settings, tmp_path: Path) -> None:
    used(settings)
    with owned(settings), pytest.raises(Unavailable, match="in use by another Batchway"):
        adopt_blobs(moved_to(settings, data_dir=tmp_path / "d2"))


@pytest.mark.parametrize("content", [b"", b"what is this\n"])
def test_a_damaged_identity_is_not_a_new_store(settings: Settings, content: bytes) -> None:
    used(settings)
    (settings.blob_dir / NAME).write_bytes(content)
    assert "is damaged: it does not hold the id" in refused(settings)


@pytest.mark.parametrize("ask", ["read", "size", "delete", "keys"])
def test_a_store_that_went_away_says_so(settings: Settings, tmp_path: Path, ask: str) -> None:
    used(settings)
    blobs = opened(settings)
    asks: dict[str, Callable[[], object]] = {
        "read": lambda: blobs.read(a_file().blob, 0, 9),
        "size": lambda: blobs.size(a_file().blob),
        "delete": lambda: blobs.delete(a_file().blob),
        "keys": lambda: list(blobs.keys("files/")),
    }
    settings.blob_dir.rename(tmp_path / "away")
    with pytest.raises(Unavailable, match="is not there"):
        asks[ask]()
    opened(Settings(data_dir=settings.data_dir, database=SecretStr(f"sqlite:///{tmp_path}/x.db")))
    with pytest.raises(Unavailable, match="is another one than before"):
        asks[ask]()
    shutil.rmtree(settings.blob_dir)
    (tmp_path / "away").rename(settings.blob_dir)
    assert blobs.size("files/unknown") is None
    assert blobs.read(a_file().blob, 0, 9) == b"mine"
