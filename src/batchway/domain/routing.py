"""Which provider runs a line, and how: the header, `provider/model`, a route, or the only provider.

Pure: a `RoutingTable` is built from the configuration and only answers questions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Final
from urllib.parse import unquote

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.shard import Mode

# How groups of routes are called; names of providers hold no space.
ROUTE_PREFIX: Final = "route "


class Choice(StrEnum):
    """What the configuration asks of a provider or a route."""

    MANAGED = "managed"
    NATIVE = "native"
    AUTO = "auto"  # native where the provider has it for the endpoint, else managed


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What routing knows of a configured provider.

    `traits` are those of its batch API, `None` where it has none; `traits_of` tells them where they
    differ from model to model, or with what a batch sets itself, `None` for what the batch API does
    not run. `rescue` is whether lines that a native job leaves without a result are run online;
    `None` leaves that to the mode. `objection` says of a model at an endpoint why the provider
    cannot run it at all, `None` where nothing speaks against it. `no_jobs` says why there are no
    traits for a model, in a sentence with what to do, where more is known than that. `own_model` is
    the model that a batch sets itself there; `None`: as everywhere. `models` are names of models
    that are known of it, `patterns` what others are like (`gemini-*`).
    """

    mode: Choice = Choice.MANAGED
    traits: NativeTraits | None = None
    traits_of: Callable[[str, Overrides], NativeTraits | None] | None = None
    rescue: bool | None = None
    objection: Callable[[str, str], str | None] | None = None
    no_jobs: Callable[[str, Overrides], str | None] | None = None
    own_model: Callable[[Overrides], str | None] | None = None
    models: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def upstream(self, overrides: Overrides) -> str | None:
        """The model that a batch sets itself at this provider, if it does."""
        return overrides.model if self.own_model is None else self.own_model(overrides)

    def native_traits(self, model: str, overrides: Overrides) -> NativeTraits | None:
        """What one job of a model may hold, by its name at the provider; `None`: there is none."""
        return self.traits if self.traits_of is None else self.traits_of(model, overrides)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One place that can run a line: a provider and the model's name there."""

    provider: str
    model: str
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where lines of one model go.

    `group` is equal for destinations whose lines may share a shard. A line is sent to one of
    `primaries`, drawn by weight (managed: for each line; native: for each shard); when that gives
    up, to the others of `primaries` in order, then to `fallbacks` in order. `traits` are set for
    native ones: what every one of the primaries takes. `rescue` is whether lines that a native job
    leaves without a result are run online; `may_go_online` whether lines are that no job takes:
    fewer than its least number, or such as the batch API alone cannot be asked. `no_jobs` is set
    for managed ones that would be native if the batch API ran them, and says why it does not.
    """

    group: str
    mode: Mode
    primaries: tuple[Target, ...]
    fallbacks: tuple[Target, ...] = ()
    traits: NativeTraits | None = None
    rescue: bool = False
    may_go_online: bool = False
    no_jobs: str = ""

    def order(self, draw: float) -> tuple[Target, ...]:
        """Targets in the order to try them; `draw` in [0, 1) picks the first by weight."""
        if len(self.primaries) == 1:
            return self.primaries + self.fallbacks
        left = draw * sum(target.weight for target in self.primaries)
        first = self.primaries[-1]
        for target in self.primaries:
            left -= target.weight
            if left < 0:
                first = target
                break
        rest = tuple(target for target in self.primaries if target is not first)
        return (first, *rest, *self.fallbacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTarget:
    """A target as a route's configuration names it."""

    provider: str
    model: str
    weight: int = 1
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route's targets; `mode` replaces that of their providers."""

    targets: tuple[RouteTarget, ...]
    mode: Choice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unroutable:
    """No provider serves the model; `advice` says what to do."""

    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """A provider serves the model, but the caller may not use it.

    `provider` is `None` where the caller did not name it: a key that may not use a provider does
    not get to read its name.
    """

    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNative:
    """The lines must run on the provider's batch API, which lacks the endpoint.

    `endpoints` are those that it runs with the lines' model: none of a model that it does not run.
    `why` is why it runs none, with what to do, where the provider knows.
    """

    provider: str
    endpoint: str
    endpoints: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name that lines may give as their model: a route (`provider` is `None`), or a model."""

    name: str
    provider: str | None = None


Resolution = Destination | Unroutable | Forbidden | NotNative


class RoutingTable:
    """Resolves model names. `providers` are the accounts by name."""

    def __init__(self, *, providers: Mapping[str, Account], routes: Mapping[str, Route]) -> None:
        self._providers = dict(providers)
        self._routes = dict(routes)

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the configured providers, in the order of the configuration."""
        return tuple(self._providers)

    def resolve(
        self,
        model: str,
        *,
        endpoint: str,
        provider: str | None,
        allowed: frozenset[str] | None,
        overrides: Overrides = NO_OVERRIDES,
    ) -> Resolution:
        """Where lines naming `model` go.

        `provider` is the batch's own choice, which wins; `overrides` are what it sets itself, of
        which the model is the one to ask for instead, wherever no route names one; `allowed`
        is the set of providers that the caller's key may use, `None` for all.
        """
        names = (model, overrides.model or "", overrides.bedrock_model or "")
        # Where a model stands in an address (a deployment's does), these lead to another one.
        if any(part in {".", ".."} for name in names for part in _parts(name)):
            return Unroutable(advice="A model's name cannot be or hold '.' or '..' as a part.")
        if provider is not None:
            if provider not in self._providers:
                return self._unroutable(allowed)
            upstream = self._providers[provider].upstream(overrides)
            wanted = at_provider(provider, upstream or model)
            return self._single(provider, wanted, endpoint, allowed, overrides)
        route = self._routes.get(model)
        if route is not None:
            return self._route(model, route, endpoint, allowed, overrides)
        prefix, slash, rest = model.partition("/")
        if slash and rest and prefix in self._providers:
            upstream = self._providers[prefix].upstream(overrides)
            wanted = rest if upstream is None else at_provider(prefix, upstream)
            return self._single(prefix, wanted, endpoint, allowed, overrides)
        if len(self._providers) == 1:
            only = next(iter(self._providers))
            if allowed is not None and only not in allowed:
                return Forbidden()
            upstream = self._providers[only].upstream(overrides)
            wanted = at_provider(only, upstream or model)
            return self._single(only, wanted, endpoint, allowed, overrides)
        return self._unroutable(allowed)

    def named(self, allowed: frozenset[str] | None) -> tuple[Named, ...]:
        """What a caller may write as a model, routes first; `allowed` as for `resolve`.

        Of a provider only the models that routes or its own configuration mention are known: it
        may have others.
        """
        names = [
            Named(name=name)
            for name, route in self._routes.items()
            if any(_may(allowed, target.provider) for target in route.targets)
        ]
        known = {named.name for named in names}
        of_routes = (
            (target.provider, target.model)
            for route in self._routes.values()
            for target in route.targets
        )
        of_providers = (
            (provider, model)
            for provider, account in self._providers.items()
            for model in account.models
        )
        for provider, model in chain(of_routes, of_providers):
            name = f"{provider}/{model}"
            if _may(allowed, provider) and name not in known:
                known.add(name)
                names.append(Named(name=name, provider=provider))
        return tuple(names)

    def patterns(self, allowed: frozenset[str] | None) -> tuple[str, ...]:
        """What names of further models are like, where more is known than `provider/model`."""
        return tuple(
            f"{provider}/{pattern}"
            for provider in self.usable(allowed)
            for pattern in self._providers[provider].patterns
        )

    def usable(self, allowed: frozenset[str] | None) -> tuple[str, ...]:
        """The providers that a caller may use, in the order of the configuration."""
        return tuple(name for name in self._providers if _may(allowed, name))

    def _single(
        self,
        provider: str,
        model: str,
        endpoint: str,
        allowed: frozenset[str] | None,
        overrides: Overrides,
    ) -> Resolution:
        if allowed is not None and provider not in allowed:
            return Forbidden(provider=provider)
        objection = self._providers[provider].objection
        advice = None if objection is None else objection(model, endpoint)
        if advice is not None:
            return Unroutable(advice=advice)
        target = Target(provider=provider, model=model)
        native = self._native([target], None, endpoint, overrides)
        if isinstance(native, NotNative):
            return native
        if native is None:
            return Destination(
                group=provider,
                mode=Mode.MANAGED,
                primaries=(target,),
                no_jobs=self._no_jobs([target], None, overrides),
            )
        # A remote job runs one model, so its lines share no shard with another's.
        return Destination(
            group=f"{provider}/{model}",
            mode=Mode.NATIVE,
            primaries=(target,),
            traits=native,
            rescue=self._rescues([target], None),
            may_go_online=self._may_go_online([target], None),
        )

    def _route(
        self,
        model: str,
        route: Route,
        endpoint: str,
        allowed: frozenset[str] | None,
        overrides: Overrides,
    ) -> Resolution:
        usable = [t for t in route.targets if allowed is None or t.provider in allowed]
        if not usable:
            return Forbidden()
        chosen = [t for t in usable if not t.fallback]
        fallbacks = [t for t in usable if t.fallback]
        if not chosen:
            chosen, fallbacks = fallbacks[:1], fallbacks[1:]
        primaries = [Target(provider=t.provider, model=t.model, weight=t.weight) for t in chosen]
        native = self._native(primaries, route.mode, endpoint, overrides)
        if isinstance(native, NotNative):
            return native
        return Destination(
            group=f"{ROUTE_PREFIX}{model}",
            mode=Mode.MANAGED if native is None else Mode.NATIVE,
            primaries=tuple(primaries),
            fallbacks=tuple(Target(provider=t.provider, model=t.model) for t in fallbacks),
            traits=native,
            rescue=native is not None and self._rescues(primaries, route.mode),
            may_go_online=native is not None and self._may_go_online(primaries, route.mode),
            no_jobs="" if native is not None else self._no_jobs(primaries, route.mode, overrides),
        )

    def _native(
        self,
        primaries: Sequence[Target],
        mode: Choice | None,
        endpoint: str,
        overrides: Overrides,
    ) -> NativeTraits | NotNative | None:
        """What all of them take when the lines run natively, `None` when they run managed.

        Targets of both kinds run managed, where every line can be drawn for any of them.
        """
        together: list[NativeTraits] = []
        for target in primaries:
            account = self._providers[target.provider]
            choice, traits = mode or account.mode, account.native_traits(target.model, overrides)
            if choice is Choice.MANAGED:
                continue
            if traits is not None and endpoint in traits.endpoints:
                together.append(traits)
            elif choice is Choice.NATIVE:
                why = None
                if traits is None and account.no_jobs is not None:
                    why = account.no_jobs(target.model, overrides)
                return NotNative(
                    provider=target.provider,
                    endpoint=endpoint,
                    endpoints=() if traits is None else tuple(sorted(traits.endpoints)),
                    why=why or "",
                )
        return _tightest(together) if len(together) == len(primaries) else None

    def _no_jobs(
        self, primaries: Sequence[Target], mode: Choice | None, overrides: Overrides
    ) -> str:
        """Why lines run managed that would run natively where they could; empty if none would."""
        for target in primaries:
            account = self._providers[target.provider]
            if (mode or account.mode) is not Choice.AUTO or account.no_jobs is None:
                continue
            why = account.no_jobs(target.model, overrides)
            if why:
                return f"The provider '{target.provider}' runs no jobs of the model. {why}"
        return ""

    def _rescues(self, primaries: Sequence[Target], mode: Choice | None) -> bool:
        for target in primaries:
            account = self._providers[target.provider]
            by_mode = (mode or account.mode) is Choice.AUTO
            if not (by_mode if account.rescue is None else account.rescue):
                return False
        return True

    def _may_go_online(self, primaries: Sequence[Target], mode: Choice | None) -> bool:
        """Whether lines that no job takes may run managed: no job was asked for."""
        choices = {mode or self._providers[target.provider].mode for target in primaries}
        return choices == {Choice.AUTO}

    def _unroutable(self, allowed: frozenset[str] | None) -> Unroutable:
        if not self._providers:
            return Unroutable(
                advice="No provider is configured: add one to `providers` in batchway.yaml, or "
                "set OPENAI_API_KEY."
            )
        names = ", ".join(self.usable(allowed)) or "none"
        routes = [named.name for named in self.named(allowed) if named.provider is None]
        return Unroutable(
            advice="Write the model as 'provider/model', or send the header "
            f"x-tfy-provider-name. Providers: {names}. Routes: {', '.join(routes) or 'none'}."
        )


def at_provider(provider: str, model: str) -> str:
    """The name at the provider of a model that may be written `provider/model`."""
    return model.removeprefix(provider + "/") or model


def _may(allowed: frozenset[str] | None, provider: str) -> bool:
    return allowed is None or provider in allowed


def _parts(name: str) -> list[str]:
    return unquote(unquote(name)).replace("\\", "/").split("/")


def _tightest(together: Sequence[NativeTraits]) -> NativeTraits:
    """What every one of them takes. Windows stay those of the first: a job asks its own API's."""
    first = together[0]
    if len(together) == 1:
        return first
    tokens = [traits.enqueued_tokens for traits in together if traits.enqueued_tokens is not None]
    inputs = [traits.embedding_inputs for traits in together if traits.embedding_inputs is not None]
    return NativeTraits(
        endpoints=frozenset.intersection(*(traits.endpoints for traits in together)),
        max_lines=min(traits.max_lines for traits in together),
        max_bytes=min(traits.max_bytes for traits in together),
        windows=first.windows,
        enqueued_tokens=min(tokens) if tokens else None,
        embedding_inputs=min(inputs) if inputs else None,
        min_lines=max(traits.min_lines for traits in together),
    )
