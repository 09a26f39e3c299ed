"""`/models` through the official SDK: what may be named, by the rights of a key."""

from collections.abc import Generator
from pathlib import Path

import openai
import pytest
from tests.contract.test_api_harness import Server, an_error, serving

from batchway.api import schemas
from batchway.domain.routing import Account, Route, RouteTarget, RoutingTable
from batchway.service.keys import configured_key

ALL, FEW, NONE = "sk-everything-0123", "sk-vllm-only-01234", "sk-of-nothing-0123"
ROUTING = RoutingTable(
    providers={"vllm": Account(patterns=("Qwen*",)), "openai-main": Account()},
    routes={
        "fast": Route(
            targets=(
                RouteTarget(provider="vllm", model="Qwen/Qwen3-8B"),
                RouteTarget(provider="openai-main", model="gpt-4o-mini", fallback=True),
            )
        ),
        "smart": Route(targets=(RouteTarget(provider="openai-main", model="gpt-4o"),)),
    },
)
FAST, QWEN = ("fast", "batchway"), ("vllm/Qwen/Qwen3-8B", "vllm")


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API with routes, and keys that may use all, one or none of its providers."""
    keys = [
        configured_key(name="all", secret=ALL, tenant="a"),
        configured_key(name="few", secret=FEW, tenant="b", providers=["vllm"]),
        configured_key(name="none", secret=NONE, tenant="c", providers=[]),
    ]
    with serving(sqlite_url, tmp_path / "blobs", keys=keys, routing=ROUTING) as server:
        yield server


@pytest.mark.parametrize(
    ("key", "models", "providers"),
    [
        (
            ALL,
            [
                FAST,
                ("smart", "batchway"),
                QWEN,
                ("openai-main/gpt-4o-mini", "openai-main"),
                ("openai-main/gpt-4o", "openai-main"),
            ],
            ["vllm", "openai-main"],
        ),
        (FEW, [FAST, QWEN], ["vllm"]),
        (NONE, [], []),
    ],
)
def test_the_list_is_what_the_key_may_name(
    api: Server, key: str, models: list[tuple[str, str]], providers: list[str]
) -> None:
    listed = api.client(key).models.list()
    assert [(model.id, model.owned_by) for model in listed] == models
    assert {model.object for model in listed} <= {"model"}
    for path in ("/models", "/v1/models"):
        answer = api.ask("GET", path, headers={"authorization": f"Bearer {key}"}).json()
        schemas.ModelList.model_validate(answer)
        assert answer["providers"] == providers
        assert answer["patterns"] == (["vllm/Qwen*"] if "vllm" in providers else [])


def test_one_model(api: Server) -> None:
    client = api.client(FEW)
    assert client.models.retrieve("fast").owned_by == "batchway"
    assert client.models.retrieve("vllm/Qwen/Qwen3-8B").id == "vllm/Qwen/Qwen3-8B"
    # Which models a provider has is its own business.
    assert client.models.retrieve("vllm/another").owned_by == "vllm"
    for name in ("smart", "openai-main/gpt-4o", "nothing", "vllm/", "vllm"):
        with pytest.raises(openai.NotFoundError) as unknown:
            client.models.retrieve(name)
        assert unknown.value.response.json() == an_error(
            f"The model '{name}' does not exist or you do not have access to it.",
            param="model",
            code="model_not_found",
        )


def test_a_key_is_needed(api: Server) -> None:
    assert api.ask("GET", "/v1/models").status == 401
    assert api.ask("POST", "/v1/models", headers={"authorization": f"Bearer {ALL}"}).status == 405
