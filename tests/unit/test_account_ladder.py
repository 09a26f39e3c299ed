"""From an entry of `providers` to its account: one ladder for every kind."""

import sys
from pathlib import Path

import pytest

from batchway.bootstrap.accounts import address_of, close_accounts, open_accounts
from batchway.bootstrap.parts import SystemClock
from batchway.bootstrap.preconditions import check_proxies
from batchway.domain.call import Call
from batchway.domain.errors import Unavailable
from batchway.domain.overrides import NO_OVERRIDES
from batchway.ports import Account
from batchway.settings import Settings, load

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
        assert url.startswith(address_of(settings.providers[0]) or "nowhere")
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


def test_a_proxy_that_is_not_spoken_to_is_found_before_the_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = _settings(type="openai-compatible", base_url="http://gpu:8000/v1")
    check_proxies(settings)
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy:1080")
    monkeypatch.setenv("http_proxy", "socks5://proxy:1080")
    with pytest.raises(Unavailable, match="'acme' cannot be called"):
        check_proxies(settings)
