"""`domain.routing`: where a model's lines go, as a table."""

import pytest

from batchway.domain.routing import (
    Destination,
    Forbidden,
    Resolution,
    RouteTarget,
    RoutingTable,
    Target,
    Unroutable,
)
from batchway.domain.shard import Mode

PROVIDERS = {"vllm": Mode.MANAGED, "openai": Mode.NATIVE}
ROUTES = {
    "fast": [
        RouteTarget(provider="vllm", model="qwen", weight=3),
        RouteTarget(provider="openai", model="mini"),
        RouteTarget(provider="openai", model="old", fallback=True),
        RouteTarget(provider="vllm", model="tiny", fallback=True),
    ],
    "spare": [
        RouteTarget(provider="openai", model="mini", fallback=True),
        RouteTarget(provider="vllm", model="qwen", fallback=True),
    ],
    "vllm/qwen": [RouteTarget(provider="openai", model="mini")],
}
TABLE = RoutingTable(providers=PROVIDERS, routes=ROUTES)
ONE = RoutingTable(providers={"vllm": Mode.MANAGED}, routes={})
NONE = RoutingTable(providers={}, routes={})


def single(provider: str, model: str) -> Destination:
    return Destination(
        group=provider,
        mode=PROVIDERS[provider],
        primaries=(Target(provider=provider, model=model),),
    )


def route(
    name: str, mode: Mode, primaries: list[Target], fallbacks: list[Target] | None = None
) -> Destination:
    return Destination(
        group=f"route {name}",
        mode=mode,
        primaries=tuple(primaries),
        fallbacks=tuple(fallbacks or ()),
    )


QWEN = Target(provider="vllm", model="qwen", weight=3)
MINI = Target(provider="openai", model="mini")
OLD = Target(provider="openai", model="old")
TINY = Target(provider="vllm", model="tiny")
UNKNOWN = Unroutable(
    advice="Write the model as 'provider/model', or send the header x-tfy-provider-name. "
    "Providers: vllm, openai. Routes: fast, spare, vllm/qwen."
)
FORBIDDEN_VLLM = Forbidden(provider="vllm")


@pytest.mark.parametrize(
    ("model", "provider", "allowed", "expected"),
    [
        # the header wins, over prefixes and routes
        ("gpt", "openai", None, single("openai", "gpt")),
        ("fast", "openai", None, single("openai", "fast")),
        ("openai/gpt", "openai", None, single("openai", "gpt")),
        ("vllm/gpt", "openai", None, single("openai", "vllm/gpt")),
        ("openai/openai/gpt", "openai", None, single("openai", "openai/gpt")),
        ("openai/", "openai", None, single("openai", "openai/")),
        ("gpt", "absent", None, UNKNOWN),
        ("gpt", "vllm", {"openai"}, FORBIDDEN_VLLM),
        ("gpt", "vllm", {"vllm"}, single("vllm", "gpt")),
        # provider/model
        ("vllm/llama", None, None, single("vllm", "llama")),
        ("vllm/meta/llama/8b", None, None, single("vllm", "meta/llama/8b")),
        ("meta/llama", None, None, UNKNOWN),
        ("vllm/", None, None, UNKNOWN),
        ("vllm", None, None, UNKNOWN),
        ("/llama", None, None, UNKNOWN),
        ("vllm/llama", None, {"openai"}, FORBIDDEN_VLLM),
        ("VLLM/llama", None, None, UNKNOWN),
        # routes, which win over provider/model
        ("fast", None, None, route("fast", Mode.MANAGED, [QWEN, MINI], [OLD, TINY])),
        ("fast", None, {"openai"}, route("fast", Mode.NATIVE, [MINI], [OLD])),
        ("fast", None, {"vllm"}, route("fast", Mode.MANAGED, [QWEN], [TINY])),
        ("fast", None, set[str](), FORBIDDEN_VLLM),
        ("vllm/qwen", None, None, route("vllm/qwen", Mode.NATIVE, [MINI])),
        (
            "spare",
            None,
            None,
            route("spare", Mode.NATIVE, [MINI], [Target(provider="vllm", model="qwen")]),
        ),
        ("Fast", None, None, UNKNOWN),
    ],
)
def test_several_providers(
    model: str, provider: str | None, allowed: set[str] | None, expected: Resolution
) -> None:
    frozen = None if allowed is None else frozenset(allowed)
    assert TABLE.resolve(model, provider=provider, allowed=frozen) == expected


@pytest.mark.parametrize(
    ("model", "allowed", "expected"),
    [
        ("gpt", None, single("vllm", "gpt")),
        ("meta/llama", None, single("vllm", "meta/llama")),
        ("vllm/llama", None, single("vllm", "llama")),
        ("vllm/", None, single("vllm", "vllm/")),
        ("gpt", {"other"}, FORBIDDEN_VLLM),
    ],
)
def test_the_only_provider(model: str, allowed: set[str] | None, expected: Resolution) -> None:
    frozen = None if allowed is None else frozenset(allowed)
    assert ONE.resolve(model, provider=None, allowed=frozen) == expected


@pytest.mark.parametrize("provider", [None, "vllm"])
def test_no_provider(provider: str | None) -> None:
    assert NONE.resolve("gpt", provider=provider, allowed=None) == Unroutable(
        advice="No provider is configured: add one to `providers` in batchway.yaml, or set "
        "OPENAI_API_KEY."
    )


@pytest.mark.parametrize(
    ("table", "names"), [(TABLE, ("vllm", "openai")), (ONE, ("vllm",)), (NONE, ())]
)
def test_provider_names(table: RoutingTable, names: tuple[str, ...]) -> None:
    assert table.providers == names


A = Target(provider="a", model="m", weight=3)
B = Target(provider="b", model="m", weight=1)
C = Target(provider="c", model="m", weight=0)


@pytest.mark.parametrize(
    ("primaries", "draw", "expected"),
    [
        ([A], 0.99, [A, OLD, TINY]),
        ([A, B], 0.0, [A, B, OLD, TINY]),
        ([A, B], 0.7499, [A, B, OLD, TINY]),
        ([A, B], 0.75, [B, A, OLD, TINY]),
        ([A, B], 0.9999, [B, A, OLD, TINY]),
        ([C, A, B], 0.0, [A, C, B, OLD, TINY]),
        ([A, B, C], 0.9999, [B, A, C, OLD, TINY]),
    ],
)
def test_the_first_target_is_drawn_by_weight(
    primaries: list[Target], draw: float, expected: list[Target]
) -> None:
    destination = route("r", Mode.MANAGED, primaries, [OLD, TINY])
    assert destination.order(draw) == tuple(expected)
