"""Which provider runs a line: the header, `provider/model`, a route, or the only provider.

Pure: a `RoutingTable` is built from the configuration and only answers questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchway.domain.shard import Mode


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
    `primaries`, drawn by weight; when that gives up, to the others of `primaries` in order, then
    to `fallbacks` in order.
    """

    group: str
    mode: Mode
    primaries: tuple[Target, ...]
    fallbacks: tuple[Target, ...] = ()

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
class Unroutable:
    """No provider serves the model; `advice` says what to do."""

    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """A provider serves the model, but the caller may not use it."""

    provider: str


Resolution = Destination | Unroutable | Forbidden


class RoutingTable:
    """Resolves model names. `providers` maps a provider's name to its mode."""

    def __init__(
        self, *, providers: Mapping[str, Mode], routes: Mapping[str, Sequence[RouteTarget]]
    ) -> None:
        self._providers = dict(providers)
        self._routes = {model: tuple(targets) for model, targets in routes.items()}

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the configured providers, in the order of the configuration."""
        return tuple(self._providers)

    def resolve(
        self, model: str, *, provider: str | None, allowed: frozenset[str] | None
    ) -> Resolution:
        """Where lines naming `model` go.

        `provider` is the batch's own choice (`x-tfy-provider-name`), which wins; `allowed` is the
        set of providers that the caller's key may use, `None` for all.
        """
        if provider is not None:
            if provider not in self._providers:
                return self._unroutable()
            upstream = model.removeprefix(provider + "/") or model
            return self._single(provider, upstream, allowed)
        route = self._routes.get(model)
        if route is not None:
            return self._route(model, route, allowed)
        prefix, slash, rest = model.partition("/")
        if slash and rest and prefix in self._providers:
            return self._single(prefix, rest, allowed)
        if len(self._providers) == 1:
            return self._single(next(iter(self._providers)), model, allowed)
        return self._unroutable()

    def _single(
        self, provider: str, model: str, allowed: frozenset[str] | None
    ) -> Destination | Forbidden:
        if allowed is not None and provider not in allowed:
            return Forbidden(provider=provider)
        return Destination(
            group=provider,
            mode=self._providers[provider],
            primaries=(Target(provider=provider, model=model),),
        )

    def _route(
        self, model: str, route: Sequence[RouteTarget], allowed: frozenset[str] | None
    ) -> Destination | Forbidden:
        usable = [t for t in route if allowed is None or t.provider in allowed]
        if not usable:
            return Forbidden(provider=route[0].provider)
        primaries = [t for t in usable if not t.fallback]
        fallbacks = [t for t in usable if t.fallback]
        if not primaries:
            primaries, fallbacks = fallbacks[:1], fallbacks[1:]
        return Destination(
            group=f"route {model}",
            mode=self._providers[primaries[0].provider],
            primaries=tuple(
                Target(provider=t.provider, model=t.model, weight=t.weight) for t in primaries
            ),
            fallbacks=tuple(Target(provider=t.provider, model=t.model) for t in fallbacks),
        )

    def _unroutable(self) -> Unroutable:
        if not self._providers:
            return Unroutable(
                advice="No provider is configured: add one to `providers` in batchway.yaml, or "
                "set OPENAI_API_KEY."
            )
        names = ", ".join(self._providers)
        routes = ", ".join(self._routes) or "none"
        return Unroutable(
            advice="Write the model as 'provider/model', or send the header "
            f"x-tfy-provider-name. Providers: {names}. Routes: {routes}."
        )
