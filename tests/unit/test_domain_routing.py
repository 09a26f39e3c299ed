"""`domain.routing`: where a model's lines go, as a table."""

import pytest

from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import (
    Account,
    Choice,
    Destination,
    Forbidden,
    Resolution,
    Route,
    RouteTarget,
    RoutingTable,
    Target,
    Unroutable,
)
from batchway.domain.shard import Mode

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
TRAITS = NativeTraits(
    endpoints=frozenset({CHAT}), max_lines=50, max_bytes=1_000, embedding_inputs=40
)
PROVIDERS = {"vllm": Account(), "openai": Account(mode=Choice.NATIVE, traits=TRAITS)}
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
TABLE = RoutingTable(
    providers=PROVIDERS,
    routes={name: Route(targets=tuple(targets)) for name, targets in ROUTES.items()},
)
ONE = RoutingTable(providers={"vllm": Account()}, routes={})
NONE = RoutingTable(providers={}, routes={})


def single(provider: str, model: str) -> Destination:
    traits = PROVIDERS[provider].traits
    return Destination(
        group=provider if traits is None else f"{provider}/{model}",
        mode=Mode.MANAGED if traits is None else Mode.NATIVE,
        primaries=(Target(provider=provider, model=model),),
        traits=traits,
    )


def route(
    name: str, mode: Mode, primaries: list[Target], fallbacks: list[Target] | None = None
) -> Destination:
    return Destination(
        group=f"route {name}",
        mode=mode,
        primaries=tuple(primaries),
        fallbacks=tuple(fallbacks or ()),
        traits=TRAITS if mode is Mode.NATIVE else None,
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
        ("fast", None, set[str](), Forbidden()),  # whose names the caller did not give
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
    assert TABLE.resolve(model, endpoint=CHAT, provider=provider, allowed=frozen) == expected


@pytest.mark.parametrize(
    ("model", "allowed", "expected"),
    [
        ("gpt", None, single("vllm", "gpt")),
        ("meta/llama", None, single("vllm", "meta/llama")),
        ("vllm/llama", None, single("vllm", "llama")),
        ("vllm/", None, single("vllm", "vllm/")),
        ("gpt", {"other"}, Forbidden()),
    ],
)
def test_the_only_provider(model: str, allowed: set[str] | None, expected: Resolution) -> None:
    frozen = None if allowed is None else frozenset(allowed)
    assert ONE.resolve(model, endpoint=CHAT, provider=None, allowed=frozen) == expected


@pytest.mark.parametrize(
    ("allowed", "told"),
    [
        ({"openai"}, "Providers: openai. Routes: fast, spare, vllm/qwen."),
        ({"vllm"}, "Providers: vllm. Routes: fast, spare."),
        ({"gone"}, "Providers: none. Routes: none."),
        (set[str](), "Providers: none. Routes: none."),
    ],
)
def test_advice_names_only_what_the_key_may_use(allowed: set[str], told: str) -> None:
    for model, provider in (("gpt", None), ("gpt", "absent"), ("meta/llama", None)):
        found = TABLE.resolve(model, endpoint=CHAT, provider=provider, allowed=frozenset(allowed))
        assert isinstance(found, Unroutable)
        assert found.advice.endswith(told)


def test_what_may_be_named() -> None:
    def names(*allowed: str) -> list[tuple[str, str | None]]:
        found = TABLE.named(frozenset(allowed) if allowed else None)
        return [(each.name, each.provider) for each in found]

    routes = [("fast", None), ("spare", None), ("vllm/qwen", None)]
    openai = [("openai/mini", "openai"), ("openai/old", "openai")]
    assert names() == [*routes, *openai, ("vllm/tiny", "vllm")]
    assert names("openai") == [*routes, *openai]
    assert names("vllm") == [*routes[:2], ("vllm/qwen", "vllm"), ("vllm/tiny", "vllm")]
    assert names("gone") == []
    assert TABLE.usable(None) == ("vllm", "openai")
    assert TABLE.usable(frozenset({"openai", "gone"})) == ("openai",)


def test_what_a_provider_is_configured_with_may_be_named() -> None:
    account = Account(models=("endpoints/1", "mini"), patterns=("gemini-*",))
    routes = {"r": Route(targets=(RouteTarget(provider="v", model="mini"),))}
    table = RoutingTable(providers={"v": account, "w": account}, routes=routes)
    mine = frozenset({"v"})
    named = [each.name for each in table.named(mine)]
    assert named == ["r", "v/mini", "v/endpoints/1"]
    assert table.patterns(mine) == ("v/gemini-*",)
    assert table.patterns(None) == ("v/gemini-*", "w/gemini-*")


@pytest.mark.parametrize("provider", [None, "vllm"])
def test_no_provider(provider: str | None) -> None:
    assert NONE.resolve("gpt", endpoint=CHAT, provider=provider, allowed=None) == Unroutable(
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


@pytest.mark.parametrize(
    ("model", "provider", "upstream"),
    [
        ("gpt", "vllm", "other"),
        ("gpt", "vllm", "vllm/other"),
        ("vllm/gpt", None, "other"),
        ("vllm/gpt", None, "vllm/other"),
        ("vllm/other", None, "vllm/other"),
    ],
)
def test_the_batch_names_the_model_at_the_provider(
    model: str, provider: str | None, upstream: str
) -> None:
    found = TABLE.resolve(
        model,
        endpoint=CHAT,
        provider=provider,
        allowed=None,
        overrides=Overrides(model=upstream),
    )
    assert found == single("vllm", "other")


@pytest.mark.parametrize(("model", "provider"), [("m", "p"), ("p/m", None), ("m", None)])
def test_a_provider_may_have_a_header_of_its_own_for_the_model(
    model: str, provider: str | None
) -> None:
    account = Account(own_model=lambda overrides: overrides.bedrock_model or overrides.model)
    own = RoutingTable(providers={"p": account}, routes={})
    others = RoutingTable(providers={"p": Account()}, routes={})
    overrides = Overrides(model="any", bedrock_model="p/own")
    for table, named in ((own, "own"), (others, "any")):
        found = table.resolve(
            model, endpoint=CHAT, provider=provider, allowed=None, overrides=overrides
        )
        assert isinstance(found, Destination)
        assert [target.model for target in found.primaries] == [named]


def test_a_route_names_its_models_itself() -> None:
    found = TABLE.resolve(
        "fast", endpoint=CHAT, provider=None, allowed=None, overrides=Overrides(model="other")
    )
    assert found == route("fast", Mode.MANAGED, [QWEN, MINI], [OLD, TINY])
