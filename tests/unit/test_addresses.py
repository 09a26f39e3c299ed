"""Names in addresses: what is somebody else's never leaves its segment."""

import pytest

from batchway.domain.overrides import Overrides
from batchway.domain.routing import Account, Choice, Destination, RoutingTable, Unroutable
from batchway.providers.azure.addresses import AzureAddresses
from batchway.providers.http.addresses import segment

LEADING_OUT = ["", ".", "..", "a/..", "../b", "a/./b", "%2e%2e", "%2E", "a\\..\\b", "a%2F..%2Fb",
               "%252e%252e", "..%5cb"]  # fmt: skip
HARMLESS = ["gpt-4o", "...", "v1.5", "a..b", "org/model", "größer", "a b", "?x=1", "#x", "100%"]
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("name", LEADING_OUT)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in an address"):
        segment(name)
    addresses = AzureAddresses(provider="a", endpoint="https://a.example", api_version="2024-10-21")
    with pytest.raises(ValueError, match="cannot stand in an address"):
        addresses.online(CHAT, name)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_stays_in_its_segment(name: str) -> None:
    made = segment(name)
    assert not set(made) & set("/\\?# ")
    addresses = AzureAddresses(provider="a", endpoint="https://a.example", api_version="2024-10-21")
    assert addresses.online(CHAT, name) == (
        f"https://a.example/openai/deployments/{made}/chat/completions?api-version=2024-10-21"
    )


@pytest.mark.parametrize("name", [".", "..", "az/..", "az/.", "az/a/../b", "az/%2e%2e"])
@pytest.mark.parametrize("provider", [None, "az"])
def test_no_line_is_routed_by_such_a_name(name: str, provider: str | None) -> None:
    table = RoutingTable(providers={"az": Account(mode=Choice.MANAGED)}, routes={})

    def resolved(model: str, upstream: str | None) -> object:
        overrides = Overrides(model=upstream)
        return table.resolve(
            model, endpoint=CHAT, provider=provider, allowed=None, overrides=overrides
        )

    assert isinstance(resolved(name, None), Unroutable)
    assert isinstance(resolved("m", name), Unroutable)
    assert isinstance(resolved("org/model-1.5", None), Destination)
