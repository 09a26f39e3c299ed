"""Tokens of every kind of credentials, had over a socket by google-auth and taken by the fake."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tests.unit.fakes import FakeClock

from batchway.bootstrap.parts import SystemClock
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.google.credentials import google_tokens
from batchway.simulator.google import GoogleFake, running

KeyFile = Callable[[GoogleFake, Path], dict[str, Any]]


@pytest.fixture
def fake() -> Iterator[GoogleFake]:
    with running() as fake:
        yield fake


def _service_account(fake: GoogleFake, folder: Path) -> dict[str, Any]:
    return dict(fake.key())


def _login(fake: GoogleFake, folder: Path) -> dict[str, Any]:
    return {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": "fake-refresh-token",
    }


def _federation(fake: GoogleFake, folder: Path) -> dict[str, Any]:
    (folder / "subject").write_text("a token of somebody else's")
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{fake.url}/v1/token",
        "credential_source": {"file": str(folder / "subject")},
    }


def _taken(fake: GoogleFake, authorization: str) -> int:
    """What the platform answers to it."""
    url = f"{fake.url}/v1/projects/fake-project/locations/us-central1/batchPredictionJobs"
    try:
        with urlopen(Request(url, headers={"authorization": authorization}), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize("make", [_service_account, _login, _federation])
async def test_a_file_gives_a_token_that_is_taken(
    fake: GoogleFake, tmp_path: Path, make: KeyFile
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(make(fake, tmp_path)))
    url = None if make is _federation else fake.token_uri
    tokens = google_tokens(provider="v", clock=SystemClock(), file=file, token_url=url)
    assert _taken(fake, await tokens.authorization()) == 200
    assert await tokens.authorization() == f"Bearer {tokens.token().value}"
    assert fake.stats()["tokens"] == 1
    assert _taken(fake, "Bearer ya29.made-up") == 401


async def test_a_token_is_renewed_before_the_platform_refuses_it(
    fake: GoogleFake, tmp_path: Path
) -> None:
    clock = FakeClock()
    clock.time = SystemClock().now()
    file = fake.key_file(tmp_path / "key.json")
    tokens = google_tokens(provider="v", clock=clock, file=file)
    first = await tokens.authorization()
    clock.time += 3_300
    assert await tokens.authorization() == first
    clock.time += 200
    second = await tokens.authorization()
    assert second != first
    assert _taken(fake, second) == 200


async def test_a_key_that_was_deleted_is_told_in_words(fake: GoogleFake, tmp_path: Path) -> None:
    file = fake.key_file(tmp_path / "key.json")
    fake.control(revoked=True)
    tokens = google_tokens(provider="v", clock=SystemClock(), file=file)
    with pytest.raises(RemoteError) as caught:
        await tokens.authorization()
    assert (caught.value.trouble, caught.value.message) == (
        Trouble.DENIED,
        "No access token of Google for the provider 'v': the service account does not exist (any "
        "more). Check `credentials_file`, or what the environment gives in its place, and that it "
        "was not disabled at Google.",
    )


async def test_a_token_endpoint_that_is_ill_is_no_denial(fake: GoogleFake, tmp_path: Path) -> None:
    file = fake.key_file(tmp_path / "key.json")
    url = "http://127.0.0.1:1/token"
    tokens = google_tokens(provider="v", clock=SystemClock(), file=file, token_url=url)
    with pytest.raises(RemoteError) as caught:
        await tokens.authorization()
    assert caught.value.trouble is Trouble.UNREACHABLE
