"""From an entry of `providers` to its account: one ladder for every kind."""

import json
import sys
from pathlib import Path

import pytest

from batchway.bootstrap.accounts import close_accounts, open_accounts
from batchway.bootstrap.parts import SystemClock
from batchway.bootstrap.preconditions import check_proxies
from batchway.domain.call import Call
from batchway.domain.errors import Unavailable
from batchway.domain.overrides import NO_OVERRIDES
from batchway.domain.remote import RemoteError
from batchway.ports import Account
from batchway.providers.aws.credentials import BotoCredentials, Identity
from batchway.settings import Settings, load
from batchway.simulator.google.signing import new_key

CALL = Call("/v1/chat/completions", "m")
KEY = "sk-do-not-show-this"


def _settings(**entry: object) -> Settings:
    return load(None, {"providers": [{"name": "acme", **entry}]}, {}, Path("/nowhere"))


def _account(settings: Settings) -> Account:
    return open_accounts(settings, clock=SystemClock())["acme"]


@pytest.mark.parametrize(
    ("entry", "url", "native"),
    [
        ({"type": "openai", "api_key": KEY}, "https://api.openai.com/v1/chat/completions", True),
        (
            {"type": "openai", "api_key": KEY, "base_url": "http://proxy/v1"},
            "http://proxy/v1/chat/completions",
            True,
        ),
        (
            {
                "type": "azure-openai",
                "api_key": KEY,
                "endpoint": "https://x.openai.azure.com",
                "api_version": "2024-10-21",
            },
            "https://x.openai.azure.com/openai/deployments/m/chat/completions"
            "?api-version=2024-10-21",
            True,
        ),
        ({"type": "groq", "api_key": KEY}, "https://api.groq.com/openai/v1/chat/completions", True),
        (
            {"type": "openai-compatible", "base_url": "http://gpu:8000/v1"},
            "http://gpu:8000/v1/chat/completions",
            False,
        ),
    ],
)
async def test_an_entry_becomes_one_account(
    entry: dict[str, object], url: str, native: bool
) -> None:
    settings = _settings(**entry)
    account = _account(settings)
    try:
        online = account.online(CALL)
        assert online is not None
        request = await online.request(b"{}")
        assert (account.name, request.url, request.body) == ("acme", url, b"{}")
        assert url.startswith(settings.providers[0].address or "nowhere")
        assert (account.jobs(CALL) is not None) == native
        assert (account.archive(NO_OVERRIDES) is not None) == native
        assert [look.body for look in await account.health("m")] in ([b""], [b"", b""])
        assert KEY not in repr(account)
    finally:
        await close_accounts([account])
        await account.close()  # harmless twice


def test_an_account_that_cannot_be_called_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(type="azure-openai", endpoint="https://x", api_version="v1", auth="entra")
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(Unavailable, match=r"'acme' cannot be called: .*batchway\[azure\]"):
        open_accounts(settings, clock=SystemClock())


async def test_a_project_on_vertex_ai(tmp_path: Path) -> None:
    private, _ = new_key()
    key = {
        "type": "service_account",
        "client_email": "a@p.iam.gserviceaccount.com",
        "private_key": private,
        "token_uri": "http://127.0.0.1:1/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(key))
    settings = _settings(
        type="google-vertex",
        project="my-project",
        region="global",
        bucket="my-bucket",
        credentials_file=str(tmp_path / "key.json"),
    )
    account = _account(settings)
    try:
        call = Call("/v1/chat/completions", "gemini-2.5-flash")
        online = account.online(call)
        assert online is not None
        # Without a token it is made all the same.
        request = await online.request(b"{}")
        assert request.headers == {"content-type": "application/json"}
        assert request.url == (
            "https://aiplatform.googleapis.com/v1/projects/my-project/locations/global/publishers/"
            "google/models/gemini-2.5-flash:generateContent"
        )
        assert settings.providers[0].address == "https://aiplatform.googleapis.com"
        assert account.jobs(call) is not None
        assert account.archive(NO_OVERRIDES) is not None
        assert "PRIVATE" not in repr(account)
    finally:
        await close_accounts([account])
        await account.close()


def test_googles_packages_are_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(type="google-vertex", project="my-project")
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(Unavailable, match=r"'acme' cannot be called: .*batchway\[google\]"):
        open_accounts(settings, clock=SystemClock())


async def test_bedrock_in_a_region() -> None:
    settings = _settings(
        type="aws-bedrock",
        region="eu-west-3",
        access_key_id="AKIDEXAMPLE",
        secret_access_key=KEY,
        session_token=KEY,
    )
    account = _account(settings)
    call = Call("/v1/chat/completions", "eu.anthropic.claude-sonnet-4-6")
    try:
        online = account.online(call)
        assert online is not None
        request = await online.request(b"{}")
        assert request.url == (
            "https://bedrock-runtime.eu-west-3.amazonaws.com/model/eu.anthropic.claude-sonnet-4-6/"
            "invoke"
        )
        assert "/eu-west-3/bedrock/aws4_request" in request.headers["authorization"]
        assert request.url.startswith(settings.providers[0].address or "nowhere")
        assert KEY not in repr(account) + repr(settings)
    finally:
        await close_accounts([account])
        await account.close()


async def test_bedrock_with_an_api_key_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    account = _account(_settings(type="aws-bedrock", region="us-east-1", api_key=KEY))
    online = account.online(Call("/v1/chat/completions", "amazon.nova-lite-v1:0"))
    assert online is not None
    assert (await online.request(b"{}")).headers["authorization"] == f"Bearer {KEY}"
    for_s3 = BotoCredentials(
        provider="acme",
        identity=Identity(),
        region="us-east-1",
        clock=SystemClock(),
        s3_alone=True,
    )
    with pytest.raises(RemoteError, match=r"botocore: install `batchway\[aws\]`"):
        await for_s3.current()
    with pytest.raises(Unavailable, match=r"'acme' cannot be called: .*batchway\[aws\]"):
        open_accounts(_settings(type="aws-bedrock", region="us-east-1"), clock=SystemClock())


def test_a_proxy_that_is_not_spoken_to_is_found_before_the_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = _settings(type="openai-compatible", base_url="http://gpu:8000/v1")
    check_proxies(settings)
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy:1080")
    monkeypatch.setenv("http_proxy", "socks5://proxy:1080")
    with pytest.raises(Unavailable, match="'acme' cannot be called"):
        check_proxies(settings)


@pytest.mark.parametrize(
    ("entry", "metrics", "batch_api"),
    [
        ({"type": "openai", "api_key": KEY}, None, True),
        (
            {"type": "openai-compatible", "base_url": "http://gpu:8000/v1"},
            "http://gpu:8000/metrics",
            False,
        ),
        ({"type": "google-vertex", "project": "p-12345"}, None, True),
    ],
)
def test_what_is_asked_of_every_type(
    entry: dict[str, object], metrics: str | None, batch_api: bool
) -> None:
    provider = _settings(**entry).providers[0]
    assert provider.own_metrics == metrics
    assert (provider.batch_api is not None) == batch_api
