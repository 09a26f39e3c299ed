"""Starting the fake of AWS without what it stands on."""

import pytest

from batchway.simulator.aws import handle


@pytest.mark.parametrize("package", ["moto", "botocore"])
async def test_what_is_missing_is_named_with_how_to_get_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> object:
        return None if name == package else object()

    monkeypatch.setattr(handle, "find_spec", found)
    with pytest.raises(RuntimeError, match=rf"needs {package}: .*pip install 'moto"):
        async with handle.serving():
            pass


async def test_it_starts_without_moto_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes more than a second: only a bucket is worth it."""
    from batchway.simulator.aws import objects

    monkeypatch.setattr(objects, "_application", lambda: pytest.fail("moto was started"))
    async with handle.serving() as urls:
        assert len(set(urls.split())) == 2
