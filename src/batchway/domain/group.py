"""Groups: the lines of a batch with one destination, which is decided once.

    ingest    resolves each model, and writes the groups with the shards
    runs      read them, whatever the configuration says by then

A group names its targets by the names of the configuration, so a provider that is not configured
any more is missed, and never replaced by another. Pure values.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import (
    ROUTE_PREFIX,
    Destination,
    Forbidden,
    NotNative,
    RoutingTable,
    Target,
    Unroutable,
    at_provider,
)
from batchway.domain.shard import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTarget:
    """A target of a group; with `model` `None` each line asks for its own model there."""

    provider: str
    model: str | None
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Lines of a batch with one destination; see `Destination` for what its fields mean.

    Lines of any number of models may share a group whose targets have no model of their own, so
    that the models of a file do not multiply its groups.
    """

    name: str
    mode: Mode
    primaries: tuple[GroupTarget, ...]
    fallbacks: tuple[GroupTarget, ...] = ()
    traits: NativeTraits | None = None
    rescue: bool = False

    @property
    def providers(self) -> tuple[str, ...]:
        """Every provider of the group once, primaries first."""
        return tuple(dict.fromkeys(target.provider for target in self.primaries + self.fallbacks))

    @property
    def takers(self) -> str:
        """The providers of its jobs, for a text that quotes one: of several, any may be meant."""
        return "' or '".join(dict.fromkeys(target.provider for target in self.primaries))

    def joined_by(self, destination: Destination) -> "Group":
        """The group with lines of another model, whose destination is of the same group."""
        primaries = _joined(self.primaries, destination.primaries)
        fallbacks = _joined(self.fallbacks, destination.fallbacks)
        if (primaries, fallbacks) == (self.primaries, self.fallbacks):
            return self
        return replace(self, primaries=primaries, fallbacks=fallbacks)

    def among(self, providers: Collection[str]) -> "Group | None":
        """The group without the targets of other providers; `None` when none is left.

        Without a primary the first fallback takes its place.
        """
        primaries = tuple(target for target in self.primaries if target.provider in providers)
        fallbacks = tuple(target for target in self.fallbacks if target.provider in providers)
        if not primaries:
            primaries, fallbacks = fallbacks[:1], fallbacks[1:]
        return replace(self, primaries=primaries, fallbacks=fallbacks) if primaries else None

    def destination(self, model: str) -> Destination:
        """Where a line that names `model` goes."""
        return Destination(
            group=self.name,
            mode=self.mode,
            primaries=_named(self.primaries, model),
            fallbacks=_named(self.fallbacks, model),
            traits=self.traits,
            rescue=self.rescue,
        )


def group_of(destination: Destination) -> Group:
    """The group of one destination's lines."""
    return Group(
        name=destination.group,
        mode=destination.mode,
        primaries=_fixed(destination.primaries),
        fallbacks=_fixed(destination.fallbacks),
        traits=destination.traits,
        rescue=destination.rescue,
    )


def resolve_again(
    name: str,
    *,
    routing: RoutingTable,
    endpoint: str,
    allowed: frozenset[str] | None,
    overrides: Overrides,
) -> Group | Unroutable | Forbidden | NotNative:
    """The group of that name, for shards of a batch that began before groups were kept.

    It is the same route or the same provider as then, with what the configuration says of it
    today; `endpoint`, `allowed` and `overrides` are the batch's, as for `RoutingTable.resolve`.
    """
    if name.startswith(ROUTE_PREFIX):
        route = name.removeprefix(ROUTE_PREFIX)
        found = routing.resolve(
            route, endpoint=endpoint, provider=None, allowed=allowed, overrides=overrides
        )
        if not isinstance(found, Destination):
            return found
        return group_of(found) if found.group == name else _NOWHERE
    provider = next((each for each in routing.providers if _is_of(name, each)), None)
    if provider is None:
        return _NOWHERE
    model = name[len(provider) + 1 :] or None  # of a native group
    upstream = overrides.model
    found = routing.resolve(
        model or upstream or provider,
        endpoint=endpoint,
        provider=provider,
        allowed=allowed,
    )
    if not isinstance(found, Destination):
        return found
    if model is not None:
        target = GroupTarget(provider=provider, model=model)
        return replace(group_of(found), name=name, primaries=(target,))
    upstream = None if upstream is None else at_provider(provider, upstream)
    target = GroupTarget(provider=provider, model=upstream)
    return Group(name=name, mode=Mode.MANAGED, primaries=(target,))


_NOWHERE = Unroutable(advice="")  # for nobody's eyes: the batch says what it waits for


def _is_of(group: str, provider: str) -> bool:
    """Whether a group is of that provider alone: its managed lines, or a model's native ones."""
    return group == provider or group.startswith(provider + "/")


def _fixed(targets: tuple[Target, ...]) -> tuple[GroupTarget, ...]:
    return tuple(
        GroupTarget(provider=target.provider, model=target.model, weight=target.weight)
        for target in targets
    )


def _joined(
    targets: tuple[GroupTarget, ...], others: tuple[Target, ...]
) -> tuple[GroupTarget, ...]:
    return tuple(
        target if target.model == other.model else replace(target, model=None)
        for target, other in zip(targets, others, strict=True)
    )


def _named(targets: tuple[GroupTarget, ...], model: str) -> tuple[Target, ...]:
    return tuple(
        Target(
            provider=target.provider,
            model=at_provider(target.provider, model) if target.model is None else target.model,
            weight=target.weight,
        )
        for target in targets
    )
