"""Authorization at Google: whose tokens, how long they are kept, and what never shows."""

import json
import logging
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from google.auth import exceptions
from tests.unit.fakes import FakeClock

from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.google.credentials import (
    MISSING_EXTRA,
    SCOPE,
    GoogleTokens,
    google_tokens,
)

TOKEN_URL = "http://127.0.0.1:1/token"


@dataclass
class Credentials:
    """Gives tokens that live for an hour, or fails; keeps time as google-auth does."""

    clock: FakeClock
    given: int = 0
    fails: Exception | None = None
    token: str | None = None
    expiry: datetime | None = None
    lives: int | None = 3_600

    def refresh(self, request: object) -> None:
        assert callable(request)
        if self.fails is not None:
            raise self.fails
        self.given += 1
        self.token = f"ya29.t{self.given}"
        self.expiry = None
        if self.lives is not None:
            end = datetime.fromtimestamp(self.clock.now(), UTC) + timedelta(seconds=self.lives)
            self.expiry = end.replace(tzinfo=None)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def credentials(clock: FakeClock) -> Credentials:
    return Credentials(clock)


@pytest.fixture
def tokens(credentials: Credentials, clock: FakeClock) -> GoogleTokens:
    return GoogleTokens(provider="vertex", find=lambda: credentials, clock=clock)


async def test_a_token_is_kept_and_renewed_before_it_ends(
    tokens: GoogleTokens, credentials: Credentials, clock: FakeClock
) -> None:
    seen: list[str] = []
    for seconds in (0, 3_000, 3_374, 3_376, 6_000):
        clock.time = 1_000_000 + seconds
        seen.append(await tokens.authorization())
    assert seen == ["Bearer ya29.t1"] * 3 + ["Bearer ya29.t2"] * 2
    assert tokens.token().value == "ya29.t2"


async def test_a_token_that_does_not_say_when_it_ends_is_kept_for_a_while(
    tokens: GoogleTokens, credentials: Credentials, clock: FakeClock
) -> None:
    credentials.lives = None
    assert await tokens.authorization() == "Bearer ya29.t1"
    clock.time += 301
    assert await tokens.authorization() == "Bearer ya29.t2"


async def test_a_server_that_gives_the_old_token_again_is_not_asked_for_every_request(
    tokens: GoogleTokens, credentials: Credentials, clock: FakeClock
) -> None:
    credentials.lives = 200
    for _ in range(20):
        await tokens.authorization()
    assert credentials.given == 1
    clock.time += 6
    await tokens.authorization()
    assert credentials.given == 2


async def test_a_failed_renewal_keeps_the_old_token_while_it_lasts(
    tokens: GoogleTokens, credentials: Credentials, clock: FakeClock
) -> None:
    await tokens.authorization()
    credentials.fails = exceptions.TransportError("no route to host")
    clock.time += 3_500
    assert await tokens.authorization() == "Bearer ya29.t1"
    assert tokens.token().value == "ya29.t1"
    clock.time += 200
    with pytest.raises(RemoteError) as caught:
        await tokens.authorization()
    assert caught.value.trouble is Trouble.UNREACHABLE
    credentials.fails = None
    clock.time += 6
    assert await tokens.authorization() == "Bearer ya29.t2"


REFUSED = "No access token of Google for the provider 'vertex': "
MENDED = (
    "Check `credentials_file`, or what the environment gives in its place, and that it was not "
    "disabled at Google."
)
UNREACHED = "the token endpoint cannot be reached"
BODY = {"error": "invalid_grant", "error_description": "s3cret"}


@pytest.mark.parametrize(
    ("failure", "trouble", "why"),
    [
        (
            exceptions.TransportError("x"),
            Trouble.UNREACHABLE,
            "the token endpoint cannot be reached",
        ),
        (OSError("x"), Trouble.UNREACHABLE, "the token endpoint cannot be reached"),
        (
            exceptions.RefreshError("later", retryable=True),  # pyright: ignore[reportCallIssue] - untyped
            Trouble.UNREACHABLE,
            "the token endpoint refuses these credentials (RefreshError)",
        ),
        (
            exceptions.RefreshError("invalid_grant: Invalid JWT Signature.", BODY),
            Trouble.DENIED,
            "Google does not know this key (any more): make a new one",
        ),
        (
            exceptions.RefreshError("invalid_grant: Invalid grant: account not found", BODY),
            Trouble.DENIED,
            "the service account does not exist (any more)",
        ),
        (
            exceptions.RefreshError(
                "invalid_grant: Invalid JWT: Token must be a short-lived token (60 minutes)", BODY
            ),
            Trouble.DENIED,
            "the clock of this machine is off",
        ),
        (
            exceptions.RefreshError("Reauthentication is needed: invalid_rapt"),
            Trouble.DENIED,
            "the login has ended: run `gcloud auth application-default login`",
        ),
        (
            exceptions.DefaultCredentialsError("s3cret"),
            Trouble.DENIED,
            "there are no credentials: set `credentials_file`, or the variable "
            "GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
        ),
        (
            exceptions.RefreshError("s3cret", BODY),
            Trouble.DENIED,
            "the token endpoint refuses these credentials (RefreshError)",
        ),
    ],
)
async def test_why_there_is_no_token(
    tokens: GoogleTokens,
    credentials: Credentials,
    caplog: pytest.LogCaptureFixture,
    *,
    failure: Exception,
    trouble: Trouble,
    why: str,
) -> None:
    credentials.fails = failure
    with caplog.at_level(logging.WARNING), pytest.raises(RemoteError) as caught:
        await tokens.authorization()
    mended = "" if trouble is Trouble.UNREACHABLE else f" {MENDED}"
    assert (caught.value.trouble, caught.value.message) == (trouble, f"{REFUSED}{why}.{mended}")
    assert why in caplog.text
    assert "s3cret" not in caplog.text + caught.value.message


async def test_a_failure_is_not_repeated_for_every_request(
    tokens: GoogleTokens, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    credentials.fails = OSError("no network")
    for _ in range(3):
        with pytest.raises(RemoteError):
            await tokens.authorization()
    assert caplog.text.count("no access token") == 1


async def test_a_token_never_shows(tokens: GoogleTokens) -> None:
    await tokens.authorization()
    assert "ya29" not in repr(tokens) + repr(tokens.token())


# ----------------------------------------------------------------------------- files


BEGIN: Final = "-----BEGIN PRIVATE KEY-----"
KEY: Final = {"type": "service_account", "client_email": "a@b", "token_uri": "https://t"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no JSON: it is no key file of Google's"),
        (f"{BEGIN}s3cret", "holds no JSON: it is no key file of Google's"),
        ('["s3cret"]', "holds no JSON object: it is no key file of Google's"),
        (
            '{"installed": {"client_secret": "s3cret"}}',
            "names an OAuth client, which cannot call by itself: make a key of a service account",
        ),
        (
            '{"api_key": "s3cret"}',
            "says no `type` that is known: one of service_account, external_account, "
            "authorized_user, impersonated_service_account",
        ),
        (
            '{"type": "service_account", "private_key": "s3cret"}',
            "is of type service_account and lacks client_email, token_uri",
        ),
        (
            '{"type": "service_account", "private_key": "s3cret", "client_email": "a@b", '
            '"token_uri": "https://t"}',
            "has a `private_key` that is no PEM text",
        ),
        (
            json.dumps(KEY | {"private_key": f"{BEGIN}\\ns3cret"}),
            "line ends are spelled out",
        ),
        (
            json.dumps(KEY | {"private_key": f"{BEGIN}\ns3cret"}),
            "is cut short",
        ),
        (
            json.dumps(KEY | {"private_key": f"{BEGIN}\ns3cret\n-----END PRIVATE KEY-----"}),
            "is damaged: download the key again",
        ),
        (
            '{"type": "external_account", "audience": "a", "subject_token_type": "s", '
            '"token_url": "https://t"}',
            "cannot be used: what it holds has not the form that its `type` asks for",
        ),
    ],
)
def test_a_file_that_is_no_key_file(tmp_path: Path, clock: FakeClock, text: str, why: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"key\.json") as caught:
        google_tokens(provider="vertex", clock=clock, file=file)
    assert why in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_not_there(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match=r"absent\.json\) cannot be read: no such file"):
        google_tokens(provider="vertex", clock=clock, file=tmp_path / "absent.json")


FEDERATED: dict[str, Any] = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/var/run/token"},
}


@pytest.mark.parametrize(
    ("info", "module"),
    [
        (FEDERATED, "google.auth.identity_pool"),
        (
            FEDERATED | {"credential_source": {"executable": {"command": "/bin/x"}}},
            "google.auth.pluggable",
        ),
        (
            FEDERATED
            | {
                "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
                "credential_source": {
                    "environment_id": "aws1",
                    "regional_cred_verification_url": "https://sts.{region}.amazonaws.com",
                },
            },
            "google.auth.aws",
        ),
        (
            {
                "type": "authorized_user",
                "client_id": "c",
                "client_secret": "s3cret",
                "refresh_token": "s3cret",
            },
            "google.oauth2.credentials",
        ),
    ],
)
def test_every_kind_of_file(
    tmp_path: Path, clock: FakeClock, info: dict[str, Any], module: str
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(info))
    tokens = google_tokens(provider="vertex", clock=clock, file=file, token_url=TOKEN_URL)
    made: Any = tokens._find()  # pyright: ignore[reportPrivateUsage] - what was made of the file
    assert type(made).__module__ == module
    assert TOKEN_URL in {getattr(made, "_token_uri", None), getattr(made, "_token_url", None)}
    assert "s3cret" not in repr(tokens)


async def test_without_a_file_the_environment_is_asked_at_the_first_token(
    clock: FakeClock, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def default(scopes: Any) -> tuple[Credentials, str]:
        asked.append(scopes)
        return credentials, "p"

    monkeypatch.setattr("google.auth.default", default)
    tokens = google_tokens(provider="vertex", clock=clock)
    assert asked == []
    assert await tokens.authorization() == "Bearer ya29.t1"
    clock.time += 3_600
    assert await tokens.authorization() == "Bearer ya29.t2"
    assert asked == [[SCOPE]]


def test_without_the_extra(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth.transport.requests", None)
    with pytest.raises(ValueError, match="batchway\\[google\\]") as caught:
        google_tokens(provider="vertex", clock=clock)
    assert str(caught.value) == MISSING_EXTRA
