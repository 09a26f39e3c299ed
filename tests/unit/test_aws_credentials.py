"""Credentials at AWS: whose keys, how long they are kept, and what never shows."""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from botocore.credentials import Credentials as BotoKeys
from tests.unit.fakes import FakeClock

from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.aws.credentials import MISSING_EXTRA, BotoCredentials, Identity, Keys

ROLE = "arn:aws:iam::123456789012:role/r"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that tells nothing of AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def _credentials(clock: FakeClock, **identity: Any) -> BotoCredentials:
    return BotoCredentials(
        provider="aws", identity=Identity(**identity), region="us-east-1", clock=clock
    )


async def test_given_keys_are_the_keys(clock: FakeClock) -> None:
    keys = Keys(access_key="AKID", secret="s3cret", token="t")
    credentials = _credentials(clock, keys=keys)
    assert await credentials.current() is keys
    clock.time += 1e9
    assert credentials.wait() is keys
    assert "s3cret" not in repr(credentials) + repr(keys) + repr(Identity(keys=keys))


async def test_keys_of_the_environment(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    found = await _credentials(clock).current()
    assert (found.access_key, found.secret, found.token) == ("AKIDENV", "s", None)


async def test_a_profiles_file_is_read_again(clock: FakeClock, tmp_path: Path) -> None:
    def write(key: str) -> None:
        (tmp_path / "credentials").write_text(
            f"[team]\naws_access_key_id = {key}\naws_secret_access_key = s\n"
        )

    write("AKID1")
    credentials = _credentials(clock, profile="team")
    assert (await credentials.current()).access_key == "AKID1"
    write("AKID2")
    clock.time += 50
    assert (await credentials.current()).access_key == "AKID1"
    clock.time += 11
    assert (await credentials.current()).access_key == "AKID2"


class _Renewing(BotoKeys):
    """As botocore's of a role: it renews them by itself."""

    def __init__(self, clock: FakeClock, *, lives: float) -> None:
        super().__init__("AKIDROLE", "s", "t0")
        self._clock = clock
        self._lives = lives
        self.asked = 0
        self.fails: Exception | None = None

    def refresh_needed(self) -> bool:
        return False

    @property
    def _expiry_time(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now() + self._lives, UTC)

    def get_frozen_credentials(self) -> Any:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        self.token = f"t{self.asked}"
        return super().get_frozen_credentials()


class _Session:
    def __init__(self, found: object) -> None:
        self._found = found
        self.made = 0

    def __call__(self) -> "_Session":
        self.made += 1
        return self

    def get_credentials(self) -> object:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def _finding(
    clock: FakeClock, found: object, monkeypatch: pytest.MonkeyPatch
) -> tuple[BotoCredentials, _Session]:
    credentials, session = _credentials(clock), _Session(found)
    monkeypatch.setattr(credentials, "_session", session)
    return credentials, session


async def test_what_botocore_renews_is_asked_every_minute(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewing = _Renewing(clock, lives=3_600)
    credentials, session = _finding(clock, renewing, monkeypatch)
    seen: list[str | None] = []
    for seconds in (0, 30, 59, 61, 64):
        clock.time = 1_000_000 + seconds
        seen.append((await credentials.current()).token)
    assert seen == ["t1", "t1", "t1", "t2", "t2"]
    assert session.made == 1
    credentials.doubt()  # a moment after the last renewal, which may be what came too late
    assert (await credentials.current()).token == "t2"
    clock.time += 6
    credentials.doubt()
    assert (await credentials.current()).token == "t3"
    assert session.made == 2  # found anew: a role may have been revoked


async def test_keys_outlive_a_renewal_that_fails(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewing = _Renewing(clock, lives=3_600)
    credentials, _ = _finding(clock, renewing, monkeypatch)
    assert (await credentials.current()).token == "t1"
    renewing.fails = exceptions.EndpointConnectionError(endpoint_url="http://x")
    clock.time += 120
    assert (await credentials.current()).token == "t1"
    clock.time += 300
    with pytest.raises(RemoteError) as caught:
        await credentials.current()
    assert caught.value.trouble is Trouble.UNREACHABLE
    renewing.fails = None
    clock.time += 6
    assert (await credentials.current()).token == "t4"


@pytest.mark.parametrize(
    ("found", "trouble", "why"),
    [
        (None, Trouble.DENIED, "there are no credentials: set `access_key_id`"),
        (exceptions.NoCredentialsError(), Trouble.DENIED, "there are no credentials"),
        (exceptions.ProfileNotFound(profile="p"), Trouble.DENIED, "no profile of that name"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), Trouble.DENIED,
         "only one is given"),
        (exceptions.SSOTokenLoadError(error_msg="secret-thing"), Trouble.DENIED,
         "run `aws sso login`"),
        (exceptions.UnauthorizedSSOTokenError(), Trouble.DENIED, "run `aws sso login`"),
        (exceptions.CredentialRetrievalError(provider="process", error_msg="secret-thing"),
         Trouble.DENIED, "has given none"),
        (exceptions.MetadataRetrievalError(error_msg="secret-thing"), Trouble.UNREACHABLE,
         "cannot be reached"),
        (exceptions.ConnectTimeoutError(endpoint_url="http://secret-thing"), Trouble.UNREACHABLE,
         "cannot be reached"),
        (exceptions.ReadTimeoutError(endpoint_url="http://secret-thing"), Trouble.UNREACHABLE,
         "cannot be reached"),
        (OSError("secret-thing"), Trouble.UNREACHABLE, "cannot be reached"),
        (RuntimeError("secret-thing"), Trouble.DENIED, "(RuntimeError)"),
    ],
)  # fmt: skip
async def test_why_there_are_none(
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    found: object,
    trouble: Trouble,
    why: str,
) -> None:
    credentials, _ = _finding(clock, found, monkeypatch)
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(RemoteError, match="provider 'aws'") as caught,
    ):
        await credentials.current()
    assert caught.value.trouble is trouble
    assert caught.value.advised is (trouble is Trouble.DENIED)
    for text in (str(caught.value), caplog.text):
        assert why in text
        assert "secret-thing" not in text


class _Sts:
    """botocore's session, whose STS answers or refuses."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self.asked: dict[str, str] = {}
        self.keys: tuple[str, ...] = ()

    def __call__(self) -> "_Sts":
        return self

    def set_credentials(self, *keys: str) -> None:
        self.keys = keys

    def create_client(self, service: str, **named: object) -> "_Sts":
        assert (service, named["region_name"]) == ("sts", "us-east-1")
        return self

    def assume_role(self, **asked: str) -> object:
        self.asked = asked
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"Credentials": self._answer}

    def close(self) -> None: ...


async def test_a_role_is_assumed_until_its_session_ends(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = datetime.fromtimestamp(clock.now() + 3_600, UTC)
    sts = _Sts(
        {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": ends}
    )
    keys = Keys(access_key="AKID", secret="s3cret")
    credentials = _credentials(clock, keys=keys, role=ROLE, external_id="e-1")
    monkeypatch.setattr(credentials, "_session", sts)
    assert await credentials.current() == Keys(
        access_key="ASIA", secret="s", token="t", until=clock.now() + 3_600
    )
    assert sts.keys == ("AKID", "s3cret", None)
    assert sts.asked == {"RoleArn": ROLE, "RoleSessionName": "batchway", "ExternalId": "e-1"}


@pytest.mark.parametrize(
    ("code", "status", "trouble", "why"),
    [
        ("AccessDenied", 403, Trouble.DENIED, "may not assume the role `assume_role_arn`"),
        ("ExpiredToken", 403, Trouble.DENIED, "session of these credentials has ended"),
        ("InvalidClientTokenId", 403, Trouble.DENIED, "does not know this access key"),
        ("Throttling", 400, Trouble.UNREACHABLE, "or has no time"),
        ("InternalFailure", 500, Trouble.UNREACHABLE, "or has no time"),
    ],
)
async def test_why_a_role_is_not_given(
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    code: str,
    status: int,
    trouble: Trouble,
    why: str,
) -> None:
    error = exceptions.ClientError(
        {
            "Error": {"Code": code, "Message": "User arn:aws:iam::1:user/secret-thing is not"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "AssumeRole",
    )
    credentials = _credentials(clock, role=ROLE)
    monkeypatch.setattr(credentials, "_session", _Sts(error))
    with pytest.raises(RemoteError) as caught:
        await credentials.current()
    assert caught.value.trouble is trouble
    assert why in caught.value.message
    assert "secret-thing" not in caught.value.message


def test_without_the_extra_it_says_what_to_install(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(ValueError, match=r"install `batchway\[aws\]`") as caught:
        _credentials(clock)
    assert str(caught.value) == MISSING_EXTRA
