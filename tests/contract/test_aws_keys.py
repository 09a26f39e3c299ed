"""Keys of every kind of identity, had over sockets by botocore and taken by the fake of AWS."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tests.unit.fakes import FakeClock

from batchway.bootstrap.parts import SystemClock
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.aws.credentials import BotoCredentials, Identity, Keys
from batchway.providers.aws.signing import BearerKey, Signatures
from batchway.simulator.aws import BedrockFake, running

ROLE = "arn:aws:iam::123456789012:role/of-ours"
REGION = "us-east-1"


@pytest.fixture(scope="module")
def fake() -> Iterator[BedrockFake]:
    with running() as fake:
        yield fake


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that tells nothing of AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def _keys(fake: BedrockFake) -> Keys:
    return Keys(access_key=fake.keys.id, secret=fake.keys.secret)


class Environment:
    """Where a kind of identity is told."""

    def __init__(self, fake: BedrockFake, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.fake = fake
        self.folder = folder
        self.patch = patch


def _given(at: Environment) -> Identity:
    return Identity(keys=_keys(at.fake))


def _variables(at: Environment) -> Identity:
    at.patch.setenv("AWS_ACCESS_KEY_ID", at.fake.keys.id)
    at.patch.setenv("AWS_SECRET_ACCESS_KEY", at.fake.keys.secret)
    return Identity()


def _profile(at: Environment) -> Identity:
    (at.folder / "credentials").write_text(
        f"[team]\naws_access_key_id = {at.fake.keys.id}\n"
        f"aws_secret_access_key = {at.fake.keys.secret}\n"
    )
    return Identity(profile="team")


def _profile_of_a_role(at: Environment) -> Identity:
    _profile(at)
    (at.folder / "config").write_text(
        f"[profile batch]\nrole_arn = {ROLE}\nsource_profile = team\nregion = {REGION}\n"
    )
    return Identity(profile="batch", sts_url=at.fake.url)


def _process(at: Environment) -> Identity:
    told = {"Version": 1, "AccessKeyId": at.fake.keys.id, "SecretAccessKey": at.fake.keys.secret}
    (at.folder / "told.json").write_text(json.dumps(told))
    (at.folder / "config").write_text(
        f"[profile tool]\ncredential_process = cat {at.folder / 'told.json'}\n"
    )
    return Identity(profile="tool")


def _web_identity(at: Environment) -> Identity:
    (at.folder / "token").write_text("a token of Kubernetes")
    at.patch.setenv("AWS_ROLE_ARN", ROLE)
    at.patch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(at.folder / "token"))
    at.patch.setenv("AWS_DEFAULT_REGION", REGION)
    return Identity(sts_url=at.fake.url)


def _assumed(at: Environment) -> Identity:
    return Identity(keys=_keys(at.fake), role=ROLE, sts_url=at.fake.url)


def _assumed_of_a_profile(at: Environment) -> Identity:
    _profile(at)
    return Identity(profile="team", role=ROLE, sts_url=at.fake.url)


def _taken(fake: BedrockFake, signatures: Signatures | BearerKey) -> int:
    """What the control plane answers to a signed look at its jobs."""
    url = f"{fake.url}/model-invocation-jobs?maxResults=1"
    headers = asyncio.run(signatures.headers("GET", url, b""))
    try:
        with urlopen(Request(url, headers=dict(headers)), timeout=10) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def _signatures(identity: Identity) -> Signatures:
    clock = SystemClock()
    credentials = BotoCredentials(provider="aws", identity=identity, region=REGION, clock=clock)
    return Signatures(credentials=credentials, region=REGION, clock=clock)


@pytest.mark.parametrize(
    "kind",
    [
        _given,
        _variables,
        _profile,
        _profile_of_a_role,
        _process,
        _web_identity,
        _assumed,
        _assumed_of_a_profile,
    ],
)
def test_keys_are_had_and_taken(
    fake: BedrockFake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[Environment], Identity],
) -> None:
    identity = kind(Environment(fake, tmp_path, monkeypatch))
    assert _taken(fake, _signatures(identity)) == 200


def test_the_role_of_a_container(fake: BedrockFake, monkeypatch: pytest.MonkeyPatch) -> None:
    given = fake.session()

    class Container(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ends = datetime.now(UTC) + timedelta(hours=1)
            body = json.dumps(
                {
                    "AccessKeyId": given.id,
                    "SecretAccessKey": given.secret,
                    "Token": given.token,
                    "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            ).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Container)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/keys"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        assert _taken(fake, _signatures(Identity())) == 200
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_session_that_aws_ended_is_followed_by_another(fake: BedrockFake) -> None:
    clock = FakeClock(SystemClock().now())
    identity = Identity(keys=_keys(fake), role=ROLE, sts_url=fake.url)
    credentials = BotoCredentials(provider="aws", identity=identity, region=REGION, clock=clock)
    first = await credentials.current()
    assert first.token is not None
    assert 3_500 < first.until - clock.now() < 3_700
    clock.time += 60
    assert await credentials.current() is first
    credentials.doubt()
    second = await credentials.current()
    assert second.access_key != first.access_key
    clock.time += 3_600
    assert (await credentials.current()).access_key not in {first.access_key, second.access_key}


async def test_a_role_asks_for_an_external_id(fake: BedrockFake) -> None:
    before = fake.control(external_id="e-1")
    try:
        for given, trouble in (("e-1", None), ("e-2", Trouble.DENIED), (None, Trouble.DENIED)):
            identity = Identity(keys=_keys(fake), role=ROLE, external_id=given, sts_url=fake.url)
            credentials = BotoCredentials(
                provider="aws", identity=identity, region=REGION, clock=SystemClock()
            )
            if trouble is None:
                assert (await credentials.current()).token
                continue
            with pytest.raises(RemoteError, match="may not assume the role") as caught:
                await credentials.current()
            assert caught.value.trouble is trouble
    finally:
        fake.control(external_id=before["external_id"])


async def test_an_sts_that_is_away_passes(fake: BedrockFake) -> None:
    identity = Identity(keys=_keys(fake), role=ROLE, sts_url="http://127.0.0.1:1")
    credentials = BotoCredentials(
        provider="aws", identity=identity, region=REGION, clock=SystemClock()
    )
    with pytest.raises(RemoteError) as caught:
        await credentials.current()
    assert caught.value.trouble is Trouble.UNREACHABLE


def test_a_secret_that_is_another_is_refused(fake: BedrockFake) -> None:
    wrong = Identity(keys=Keys(access_key=fake.keys.id, secret="another"))
    assert _taken(fake, _signatures(wrong)) == 403
    assert _taken(fake, BearerKey(provider="aws", api_key=fake.bearer())) == 200
    assert _taken(fake, BearerKey(provider="aws", api_key="ABSKanother")) == 403
