"""`domain.routing`: which lines become jobs, by what batch APIs take and what modes ask for."""

import pytest

from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import (
    Account,
    Choice,
    Destination,
    NotNative,
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
WIDE = NativeTraits(
    endpoints=frozenset({CHAT, EMBEDDINGS}), max_lines=90, max_bytes=900, enqueued_tokens=7
)


def native(*, rescue: bool, online: bool = False, traits: NativeTraits = TRAITS) -> Destination:
    return Destination(
        group="p/m",
        mode=Mode.NATIVE,
        primaries=(Target(provider="p", model="m"),),
        traits=traits,
        rescue=rescue,
        may_go_online=online,
    )


MANAGED = Destination(group="p", mode=Mode.MANAGED, primaries=(Target(provider="p", model="m"),))


@pytest.mark.parametrize(
    ("account", "endpoint", "expected"),
    [
        (Account(traits=TRAITS), CHAT, MANAGED),
        (Account(mode=Choice.AUTO), CHAT, MANAGED),
        (Account(mode=Choice.AUTO, traits=TRAITS), CHAT, native(rescue=True, online=True)),
        (
            Account(mode=Choice.AUTO, traits=TRAITS, rescue=False),
            CHAT,
            native(rescue=False, online=True),
        ),
        (Account(mode=Choice.AUTO, traits=TRAITS), EMBEDDINGS, MANAGED),
        (Account(mode=Choice.NATIVE, traits=TRAITS), CHAT, native(rescue=False)),
        (Account(mode=Choice.NATIVE, traits=TRAITS, rescue=True), CHAT, native(rescue=True)),
        (
            Account(mode=Choice.NATIVE, traits=TRAITS),
            EMBEDDINGS,
            NotNative(provider="p", endpoint=EMBEDDINGS, endpoints=(CHAT,)),
        ),
        (
            Account(mode=Choice.NATIVE),
            CHAT,
            NotNative(provider="p", endpoint=CHAT, endpoints=()),
        ),
    ],
)
def test_the_mode_of_a_provider(account: Account, endpoint: str, expected: Resolution) -> None:
    table = RoutingTable(providers={"p": account}, routes={})
    assert table.resolve("m", endpoint=endpoint, provider=None, allowed=None) == expected


def by_model(model: str, overrides: Overrides) -> NativeTraits | None:
    """A provider whose batch API runs one model with everything, one for chat, and no other."""
    return {"wide": WIDE, "chat": TRAITS}.get(model)


@pytest.mark.parametrize(
    ("mode", "model", "endpoint", "expected"),
    [
        (Choice.AUTO, "wide", EMBEDDINGS, WIDE),
        (Choice.AUTO, "chat", CHAT, TRAITS),
        (Choice.AUTO, "chat", EMBEDDINGS, None),
        (Choice.AUTO, "other", CHAT, None),
        (Choice.NATIVE, "wide", CHAT, WIDE),
        (
            Choice.NATIVE,
            "chat",
            EMBEDDINGS,
            NotNative(provider="p", endpoint=EMBEDDINGS, endpoints=(CHAT,)),
        ),
        (Choice.NATIVE, "other", CHAT, NotNative(provider="p", endpoint=CHAT, endpoints=())),
    ],
)
def test_a_batch_api_may_take_each_model_differently(
    mode: Choice, model: str, endpoint: str, expected: NativeTraits | NotNative | None
) -> None:
    providers = {"p": Account(mode=mode, traits_of=by_model)}
    routes = {"r": Route(targets=(RouteTarget(provider="p", model=model),))}
    table = RoutingTable(providers=providers, routes=routes)
    for name in (model, "r"):
        found = table.resolve(name, endpoint=endpoint, provider=None, allowed=None)
        assert (found.traits if isinstance(found, Destination) else found) == expected


@pytest.mark.parametrize(
    ("mode", "model", "told"),
    [
        (Choice.AUTO, "other", "The provider 'p' runs no jobs of the model. Nowhere."),
        (Choice.AUTO, "chat", ""),
        (Choice.MANAGED, "other", ""),
    ],
)
def test_lines_that_no_job_takes_say_why_where_jobs_are_preferred(
    mode: Choice, model: str, told: str
) -> None:
    account = Account(
        mode=mode,
        traits_of=by_model,
        no_jobs=lambda model, _: "Nowhere." if model == "other" else None,
    )
    routes = {"r": Route(targets=(RouteTarget(provider="p", model=model),))}
    table = RoutingTable(providers={"p": account}, routes=routes)
    for name in (model, "r"):
        found = table.resolve(name, endpoint=CHAT, provider=None, allowed=None)
        assert isinstance(found, Destination)
        assert found.no_jobs == told


def test_a_batch_api_may_need_what_a_batch_sets_itself() -> None:
    def with_bucket(model: str, overrides: Overrides) -> NativeTraits | None:
        return TRAITS if overrides.vertex_bucket else None

    table = RoutingTable(
        providers={"p": Account(mode=Choice.AUTO, traits_of=with_bucket)}, routes={}
    )
    modes = [
        table.resolve("m", endpoint=CHAT, provider="p", allowed=None, overrides=overrides)
        for overrides in (Overrides(), Overrides(vertex_bucket="b"))
    ]
    assert [found.mode for found in modes if isinstance(found, Destination)] == [
        Mode.MANAGED,
        Mode.NATIVE,
    ]


def test_a_provider_may_object_to_a_model() -> None:
    def objection(model: str, endpoint: str) -> str | None:
        return None if (model, endpoint) == ("known", CHAT) else "It is not known."

    providers = {"p": Account(objection=objection)}
    routes = {"r": Route(targets=(RouteTarget(provider="p", model="other"),))}
    table = RoutingTable(providers=providers, routes=routes)

    def found(model: str, endpoint: str = CHAT) -> object:
        return table.resolve(model, endpoint=endpoint, provider=None, allowed=None)

    assert isinstance(found("p/known"), Destination)
    for refused in (found("other"), found("p/other"), found("known", EMBEDDINGS)):
        assert refused == Unroutable(advice="It is not known.")
    # What a route names is its owner's choice, and said when it is tried.
    assert isinstance(found("r"), Destination)


THREE = {
    "one": Account(mode=Choice.AUTO, traits=TRAITS),
    "two": Account(mode=Choice.AUTO, traits=WIDE),
    "own": Account(),
}
BOTH = NativeTraits(
    endpoints=frozenset({CHAT}),
    max_lines=50,
    max_bytes=900,
    enqueued_tokens=7,
    embedding_inputs=40,
)


@pytest.mark.parametrize(
    ("providers", "mode", "endpoint", "expected"),
    [
        (["one", "two"], None, CHAT, (Mode.NATIVE, BOTH, True)),
        (["one", "two"], Choice.NATIVE, CHAT, (Mode.NATIVE, BOTH, False)),
        (["one", "two"], Choice.MANAGED, CHAT, (Mode.MANAGED, None, False)),
        (["one", "two"], None, EMBEDDINGS, (Mode.MANAGED, None, False)),
        (["two"], None, EMBEDDINGS, (Mode.NATIVE, WIDE, True)),
        (["one", "own"], None, CHAT, (Mode.MANAGED, None, False)),
        (["one", "own"], Choice.AUTO, CHAT, (Mode.MANAGED, None, False)),
    ],
)
def test_a_route_runs_natively_where_all_its_targets_can(
    providers: list[str],
    mode: Choice | None,
    endpoint: str,
    expected: tuple[Mode, NativeTraits | None, bool],
) -> None:
    targets = tuple(RouteTarget(provider=name, model="m") for name in providers)
    table = RoutingTable(providers=THREE, routes={"r": Route(targets=targets, mode=mode)})
    found = table.resolve("r", endpoint=endpoint, provider=None, allowed=None)
    assert isinstance(found, Destination)
    assert (found.mode, found.traits, found.rescue) == expected


LEAST = NativeTraits(endpoints=frozenset({CHAT}), max_lines=50, max_bytes=1_000, min_lines=10)


@pytest.mark.parametrize(
    ("accounts", "mode", "expected"),
    [
        ([Choice.AUTO], None, True),
        ([Choice.NATIVE], None, False),
        ([Choice.AUTO, Choice.AUTO], None, True),
        ([Choice.AUTO, Choice.NATIVE], None, False),
        ([Choice.AUTO, Choice.AUTO], Choice.NATIVE, False),
        ([Choice.NATIVE, Choice.NATIVE], Choice.AUTO, True),
    ],
)
def test_lines_that_no_job_takes_may_go_online_where_no_job_was_asked_for(
    accounts: list[Choice], mode: Choice | None, expected: bool
) -> None:
    providers = {f"p{n}": Account(mode=each, traits=LEAST) for n, each in enumerate(accounts)}
    targets = tuple(RouteTarget(provider=name, model="m") for name in providers)
    table = RoutingTable(providers=providers, routes={"r": Route(targets=targets, mode=mode)})
    found = table.resolve("r", endpoint=CHAT, provider=None, allowed=None)
    assert isinstance(found, Destination)
    assert (found.mode, found.may_go_online) == (Mode.NATIVE, expected)
    assert found.traits is not None
    assert found.traits.min_lines == 10
