"""Authorization and addresses of an Azure resource."""

import asyncio
import builtins
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from tests.unit.fakes import FakeClock

from batchway.domain.call import Call
from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.azure.account import AzureAccount
from batchway.providers.azure.addresses import AzureAddresses
from batchway.providers.azure.identity import (
    MISSING_EXTRA,
    SCOPE,
    ApiKey,
    EntraTokens,
    entra_tokens,
)

HOST = "https://x.openai.azure.com"


@dataclass
class Token:
    token: str
    expires_on: int


@dataclass
class Issuer:
    """Gives tokens that live for an hour, or fails."""

    clock: FakeClock
    given: int = 0
    fails: Exception | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self) -> Token:
        self.asked.set()
        self.gate.wait(5)
        if self.fails is not None:
            raise self.fails
        self.given += 1
        return Token(f"t{self.given}", int(self.clock.now()) + 3_600)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def issuer(clock: FakeClock) -> Issuer:
    return Issuer(clock)


@pytest.fixture
def tokens(issuer: Issuer, clock: FakeClock) -> EntraTokens:
    return EntraTokens(provider="azure-eu", token=issuer, clock=clock)


# ----------------------------------------------------------------------------- tokens


async def test_a_token_is_kept_and_renewed_in_time(
    tokens: EntraTokens, issuer: Issuer, clock: FakeClock
) -> None:
    seen: list[str] = []
    for seconds in (0, 3_000, 3_299, 3_301, 6_000):
        clock.time = 1_000_000 + seconds
        seen.append((await tokens.headers())["authorization"])
    assert seen == ["Bearer t1", "Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]


async def test_many_callers_ask_once(tokens: EntraTokens, issuer: Issuer) -> None:
    found = await asyncio.gather(*(tokens.headers() for _ in range(50)))
    assert {headers["authorization"] for headers in found} == {"Bearer t1"}
    assert issuer.given == 1


async def test_waiting_for_a_token_takes_no_thread_from_others(
    tokens: EntraTokens, issuer: Issuer
) -> None:
    issuer.gate.clear()
    waiting = [asyncio.create_task(tokens.headers()) for _ in range(100)]
    await asyncio.to_thread(issuer.asked.wait, 5)
    async with asyncio.timeout(2):
        await asyncio.to_thread(int)
    issuer.gate.set()
    assert await asyncio.gather(*waiting) == [{"authorization": "Bearer t1"}] * 100
    assert issuer.given == 1


async def test_nobody_waits_while_one_renews(
    tokens: EntraTokens, issuer: Issuer, clock: FakeClock
) -> None:
    await tokens.headers()
    clock.time += 3_400
    issuer.gate.clear()
    issuer.asked.clear()
    renewing = asyncio.create_task(tokens.headers())
    await asyncio.to_thread(issuer.asked.wait, 5)
    assert await tokens.headers() == {"authorization": "Bearer t1"}
    issuer.gate.set()
    assert await renewing == {"authorization": "Bearer t2"}


@pytest.mark.parametrize(
    ("failure", "trouble"),
    [(OSError("no network"), Trouble.UNREACHABLE), (ValueError("no network"), Trouble.DENIED)],
)
async def test_a_failed_renewal_keeps_the_old_token_to_its_end(
    tokens: EntraTokens,
    issuer: Issuer,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    *,
    failure: Exception,
    trouble: Trouble,
) -> None:
    await tokens.headers()
    issuer.fails = failure
    clock.time += 3_400
    with caplog.at_level(logging.WARNING):
        assert await tokens.headers() == {"authorization": "Bearer t1"}
    assert "no network" in caplog.text
    clock.time += 300
    with pytest.raises(RemoteError) as caught:
        await tokens.headers()
    assert caught.value.trouble is trouble
    assert caught.value.message == (
        f"No Entra ID token for the provider 'azure-eu' ({type(failure).__name__}); the server's "
        "log says why."
    )


async def test_a_failure_is_not_repeated_for_every_request(
    tokens: EntraTokens, issuer: Issuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.fails = OSError("no network")
    for _ in range(3):
        with pytest.raises(RemoteError):
            await tokens.headers()
    assert caplog.text.count("no network") == 1
    issuer.fails = None
    clock.time += 6
    assert await tokens.headers() == {"authorization": "Bearer t1"}


async def test_a_token_never_shows(tokens: EntraTokens) -> None:
    await tokens.headers()
    assert "t1" not in repr(tokens)
    assert "s3cret" not in repr(ApiKey(provider="p", api_key="s3cret"))


async def test_a_key(clock: FakeClock) -> None:
    assert await ApiKey(provider="p", api_key=" s3cret\n").headers() == {"api-key": "s3cret"}
    with pytest.raises(ValueError, match="characters that cannot be sent") as caught:
        ApiKey(provider="p", api_key="s3\ncret")
    assert "s3" not in str(caught.value)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What is made of azure-identity, none of which reaches the network here."""
    found: list[tuple[str, dict[str, Any]]] = []

    def credential(name: str) -> Callable[..., object]:
        class Credential:
            def __init__(self, **given: Any) -> None:
                found.append((name, given))

            def get_token(self, *scopes: str) -> Token:
                assert scopes == (SCOPE,)
                return Token("t", 2_000_000)

        return Credential

    for name in ("ClientSecretCredential", "DefaultAzureCredential"):
        monkeypatch.setattr(f"azure.identity.{name}", credential(name))
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"tenant_id": "t", "client_id": "c", "client_secret": "s"},
            ("ClientSecretCredential", {"tenant_id": "t", "client_id": "c", "client_secret": "s"}),
        ),
        ({"client_id": "c"}, ("DefaultAzureCredential", {"managed_identity_client_id": "c"})),
        ({}, ("DefaultAzureCredential", {})),
    ],
)
async def test_whose_tokens(
    made: list[tuple[str, dict[str, Any]]],
    clock: FakeClock,
    given: dict[str, str],
    expected: tuple[str, dict[str, Any]],
) -> None:
    tokens = entra_tokens(provider="p", clock=clock, **given)
    assert made == [expected]
    assert await tokens.headers() == {"authorization": "Bearer t"}


@pytest.mark.parametrize("failure", [ServiceRequestError, ServiceResponseError])
async def test_a_network_that_is_down_is_no_denial(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def get_token(*_: object) -> Token:
        raise failure("no route")

    monkeypatch.setattr("azure.identity.ClientSecretCredential.get_token", get_token)
    tokens = entra_tokens(
        provider="p", clock=clock, tenant_id="t", client_id="c", client_secret="s"
    )
    with pytest.raises(RemoteError) as caught:
        await tokens.headers()
    assert caught.value.trouble is Trouble.UNREACHABLE


def test_without_the_extra(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("azure"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ValueError, match="batchway\\[azure\\]") as caught:
        entra_tokens(provider="p", clock=clock)
    assert str(caught.value) == MISSING_EXTRA


async def test_online_requests_share_the_tokens(
    tokens: EntraTokens, issuer: Issuer, clock: FakeClock
) -> None:
    account = AzureAccount(name="azure-eu", endpoint=HOST, api_version="v1", credential=tokens)
    online = account.online(Call("/v1/chat/completions", "gpt"))
    assert (await online.request(b"{}")).headers == {
        "content-type": "application/json",
        "authorization": "Bearer t1",
    }
    # Without a token the resource itself says 401, as it does of any line with a wrong key.
    issuer.fails = OSError("no network")
    clock.time += 4_000
    assert (await online.request(b"{}")).headers == {"content-type": "application/json"}


# ----------------------------------------------------------------------------- addresses


@pytest.mark.parametrize("endpoint", [HOST, f"{HOST}/", f"{HOST}/openai", f"{HOST}/openai/v1/"])
@pytest.mark.parametrize(
    ("version", "path", "expected"),
    [
        ("2024-10-21", "/batches", "/openai/batches?api-version=2024-10-21"),
        ("2024-10-21", "/files?limit=1", "/openai/files?api-version=2024-10-21&limit=1"),
        (" 2025-04-01-preview ", "/files/f", "/openai/files/f?api-version=2025-04-01-preview"),
        ("v1", "/batches", "/openai/v1/batches"),
        ("V1", "/batches?a=b&c=d", "/openai/v1/batches?a=b&c=d"),
        ("preview", "/files", "/openai/v1/files?api-version=preview"),
        ("preview", "/files?limit=1", "/openai/v1/files?api-version=preview&limit=1"),
        ("a&b=c/../d", "/files", "/openai/files?api-version=a%26b%3Dc%2F..%2Fd"),
    ],
)
def test_addresses_of_batches(endpoint: str, version: str, path: str, expected: str) -> None:
    addresses = AzureAddresses(provider="p", endpoint=endpoint, api_version=version)
    assert addresses.batches(path) == HOST + expected
