"""`domain.group`: what is decided once for the lines of a destination, and what is found again."""

import pytest

from batchway.domain.group import Group, GroupTarget, group_of, resolve_again
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import (
    Account,
    Choice,
    Destination,
    Forbidden,
    NotNative,
    Route,
    RouteTarget,
    RoutingTable,
    Target,
    Unroutable,
)
from batchway.domain.shard import Mode

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
TRAITS = NativeTraits(endpoints=frozenset({CHAT}), max_lines=50, max_bytes=1_000)
TABLE = RoutingTable(
    providers={
        "vllm": Account(),
        "other": Account(),
        "openai": Account(mode=Choice.NATIVE, traits=TRAITS),
        "auto": Account(mode=Choice.AUTO, traits=TRAITS),
    },
    routes={
        "fast": Route(
            targets=(
                RouteTarget(provider="vllm", model="qwen", weight=3),
                RouteTarget(provider="other", model="tiny", fallback=True),
            )
        )
    },
)


def managed(provider: str, *models: str) -> Group:
    """The group of lines that name these models."""
    destinations = [
        TABLE.resolve(model, endpoint=CHAT, provider=provider, allowed=None) for model in models
    ]
    group: Group | None = None
    for destination in destinations:
        assert isinstance(destination, Destination)
        group = group_of(destination) if group is None else group.joined_by(destination)
    assert group is not None
    return group


def a_group(*targets: GroupTarget, fallbacks: tuple[GroupTarget, ...] = ()) -> Group:
    return Group(name="route r", mode=Mode.MANAGED, primaries=targets, fallbacks=fallbacks)


A = GroupTarget(provider="a", model="m", weight=3)
B = GroupTarget(provider="b", model="n")
C = GroupTarget(provider="c", model="o")


def test_many_models_share_one_target_without_a_model_of_its_own() -> None:
    group = managed("vllm", "llama", "vllm/qwen", *(f"m{n}" for n in range(1_000)))
    assert group == Group(
        name="vllm", mode=Mode.MANAGED, primaries=(GroupTarget(provider="vllm", model=None),)
    )
    for model in ("llama", "vllm/qwen", "meta/llama"):
        again = TABLE.resolve(model, endpoint=CHAT, provider="vllm", allowed=None)
        assert group.destination(model) == again


def test_models_that_are_one_at_the_provider_keep_it() -> None:
    group = managed("vllm", "llama", "vllm/llama")
    assert group.primaries == (GroupTarget(provider="vllm", model="llama"),)
    assert group.destination("anything").primaries == (Target(provider="vllm", model="llama"),)


def test_a_route_is_kept_whole() -> None:
    found = TABLE.resolve("fast", endpoint=CHAT, provider=None, allowed=None)
    assert isinstance(found, Destination)
    group = group_of(found)
    assert group.providers == ("vllm", "other")
    assert group.destination("fast") == found


@pytest.mark.parametrize(
    ("providers", "expected"),
    [
        ({"a", "b", "c"}, a_group(A, B, fallbacks=(C,))),
        ({"a", "c", "x"}, a_group(A, fallbacks=(C,))),
        ({"b"}, a_group(B)),
        ({"c"}, a_group(C)),  # the fallback is all there is
        ({"x"}, None),
        (set[str](), None),
    ],
)
def test_only_providers_that_are_there_are_used(
    providers: set[str], expected: Group | None
) -> None:
    assert a_group(A, B, fallbacks=(C,)).among(providers) == expected


def own(provider: str, model: str | None = None) -> Group:
    target = GroupTarget(provider=provider, model=model)
    return Group(name=provider, mode=Mode.MANAGED, primaries=(target,))


def native(provider: str, model: str, *, rescue: bool = False) -> Group:
    return Group(
        name=f"{provider}/{model}",
        mode=Mode.NATIVE,
        primaries=(GroupTarget(provider=provider, model=model),),
        traits=TRAITS,
        rescue=rescue,
    )


NOWHERE = Unroutable(advice="")


@pytest.mark.parametrize(
    ("name", "endpoint", "upstream", "expected"),
    [
        ("vllm", CHAT, None, own("vllm")),
        ("vllm", CHAT, "vllm/llama", own("vllm", "llama")),
        ("auto", CHAT, None, own("auto")),  # native today; its managed shards stay managed
        (
            "openai",
            EMBEDDINGS,
            None,
            NotNative(provider="openai", endpoint=EMBEDDINGS, endpoints=(CHAT,)),
        ),
        ("openai/gpt", CHAT, None, native("openai", "gpt")),
        ("auto/gpt", CHAT, "gpt", native("auto", "gpt", rescue=True)),
        ("auto/auto/gpt", CHAT, None, native("auto", "auto/gpt", rescue=True)),
        (
            "vllm/gpt",  # whose provider has no batch API any more
            CHAT,
            None,
            Group(
                name="vllm/gpt",
                mode=Mode.MANAGED,
                primaries=(GroupTarget(provider="vllm", model="gpt"),),
            ),
        ),
        ("gone", CHAT, None, NOWHERE),
        ("gone/gpt", CHAT, None, NOWHERE),
        ("route vllm/gpt", CHAT, None, NOWHERE),  # a model of that name is not the route
        (
            "route fast",
            CHAT,
            "other",
            Group(
                name="route fast",
                mode=Mode.MANAGED,
                primaries=(GroupTarget(provider="vllm", model="qwen", weight=3),),
                fallbacks=(GroupTarget(provider="other", model="tiny"),),
            ),
        ),
    ],
)
def test_a_group_of_an_old_batch_is_found_again_by_its_name(
    name: str,
    endpoint: str,
    upstream: str | None,
    expected: Group | Unroutable | Forbidden | NotNative,
) -> None:
    found = resolve_again(
        name, routing=TABLE, endpoint=endpoint, allowed=None, overrides=Overrides(model=upstream)
    )
    assert found == expected


def test_a_key_that_may_not_use_the_provider_any_more() -> None:
    allowed = frozenset({"other"})
    found = resolve_again(
        "vllm", routing=TABLE, endpoint=CHAT, allowed=allowed, overrides=NO_OVERRIDES
    )
    assert found == Forbidden(provider="vllm")
