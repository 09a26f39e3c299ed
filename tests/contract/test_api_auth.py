"""Keys: configured and stored ones, none at all, and how long a revoked one works."""

from collections.abc import Generator
from pathlib import Path

import openai
import pytest
from tests.contract.test_api_harness import Server, serving

from batchway.service.keys import DuplicateKeyName, configured_key

SECRET = "sk-blue-0123456789"
NO_KEY = "Missing bearer or basic authentication in header"


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API with one configured key."""
    keys = [configured_key(name="blue", secret=SECRET, tenant="blue")]
    with serving(sqlite_url, tmp_path / "blobs", keys=keys) as server:
        yield server


@pytest.fixture
def open_api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API without any key."""
    with serving(sqlite_url, tmp_path / "blobs") as server:
        yield server


def organization(api: Server, authorization: str) -> str:
    reply = api.ask("GET", "/v1/files", headers={"authorization": authorization})
    return reply.headers.get("openai-organization", reply.json().get("error", {}).get("message"))


@pytest.mark.parametrize(
    ("authorization", "answer"),
    [
        (f"Bearer {SECRET}", "blue"),
        (f"bearer   {SECRET} ", "blue"),
        ("", NO_KEY),
        ("Bearer", NO_KEY),
        ("Bearer ", NO_KEY),
        (SECRET, NO_KEY),
        (f"Basic {SECRET}", NO_KEY),
    ],
)
def test_a_key_comes_as_a_bearer(api: Server, authorization: str, answer: str) -> None:
    assert organization(api, authorization) == answer


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("short", "****"), (SECRET + "x", "sk-****789x"), ("é" * 20, "Ã©Ã****Ã©Ã©")],
)
def test_a_wrong_key_is_shown_masked(api: Server, secret: str, shown: str) -> None:
    headers = {"authorization": f"Bearer {secret}".encode().decode("latin-1")}
    reply = api.ask("GET", "/v1/files", headers=headers)
    assert reply.status == 401
    assert reply.json()["error"]["message"].startswith(f"Incorrect API key provided: {shown}. ")


def test_a_stored_key_works_until_seconds_after_its_revocation(api: Server) -> None:
    key, secret = api.run(api.keys.create("red", tenant="red", providers=["vllm"]))
    assert (key.name, key.tenant, key.hint) == ("red", "red", f"sk-****{secret[-4:]}")
    assert secret not in repr(key)
    assert organization(api, f"Bearer {secret}") == "red"
    with pytest.raises(DuplicateKeyName):
        api.run(api.keys.create("red"))
    assert api.run(api.keys.revoke("red"))
    assert not api.run(api.keys.revoke("red"))
    api.clock.ahead = 5
    with pytest.raises(openai.AuthenticationError):
        api.client(secret).files.list()
    assert [(k.name, k.revoked_at is None) for k in api.run(api.keys.list())] == [("red", False)]


def test_without_any_key_everybody_is_the_default_tenant(open_api: Server) -> None:
    for authorization in ("", "Bearer whatever"):
        assert organization(open_api, authorization) == "default"


def test_the_first_key_closes_the_door_and_its_revocation_does_not_open_it(
    open_api: Server,
) -> None:
    assert organization(open_api, "") == "default"
    _, secret = open_api.run(open_api.keys.create("first", tenant="blue"))
    open_api.clock.ahead = 5
    assert organization(open_api, "") == NO_KEY
    assert organization(open_api, f"Bearer {secret}") == "blue"
    open_api.run(open_api.keys.revoke("first"))
    open_api.clock.ahead = 60
    assert organization(open_api, "") == NO_KEY
