"""The groups of a batch, for its runs: what was written when it began.

    a batch of today            its rows
    one that began before 0008  resolved again, by the route or the provider that its shards name,
                                and written: from then on they are like any

Owns this reading and the words for what has nowhere to go. Does not own the decision (`scan`).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from batchway.domain.batch import Batch
from batchway.domain.group import Group, resolve_again
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.routing import ROUTE_PREFIX, Forbidden, NotNative, RoutingTable, Unroutable
from batchway.ports import Ledger

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Where the lines of one batch go: groups by name, and why others have none at present."""

    known: Mapping[str, Group]
    withheld: Mapping[str, Reason] = field(default_factory=dict[str, Reason])

    @property
    def several_providers(self) -> bool:
        """Whether one provider or another may answer a line of the batch."""
        return len({name for group in self.known.values() for name in group.providers}) > 1


class GroupReader:
    """Reads the groups of batches."""

    def __init__(self, *, ledger: Ledger, routing: RoutingTable) -> None:
        self._ledger = ledger
        self._routing = routing

    async def of(self, batch: Batch) -> Groups:
        """The groups of a batch that has begun. Raises `Unavailable`."""
        known = {group.name: group for group in await self._ledger.shards.groups(batch.id)}
        if known:
            return Groups(known=known)
        plan = await self._ledger.shards.plan(batch.id)
        withheld: dict[str, Reason] = {}
        for name in dict.fromkeys(shard.group for shard in plan):
            found = self._resolve_again(batch, name)
            if isinstance(found, Group):
                known[name] = found
            else:
                withheld[name] = _why(name, found)
        if known and not withheld:
            # All or none: what is missing is looked for again by the next process.
            await self._ledger.shards.add_groups(batch.id, list(known.values()))
            _log.info("batch %s: %d groups are kept from now on", batch.id, len(known))
        return Groups(known=known, withheld=withheld)

    def _resolve_again(self, batch: Batch, name: str) -> Group | Unroutable | Forbidden | NotNative:
        return resolve_again(
            name,
            routing=self._routing,
            endpoint=batch.endpoint,
            allowed=batch.options.allowed_providers,
            overrides=batch.options.overrides,
        )


def not_configured(what: str) -> Reason:
    """What a batch waits for whose `what` is not in the configuration any more."""
    return _in_configuration(
        f"The {what} that this batch was accepted for is not configured any more: "
        "configure it again under the same name, or set the environment variable that "
        "its key is read from, and restart; or cancel the batch. Its requests wait."
    )


def none_configured(group: Group) -> Reason:
    """What lines wait for that no configured provider may run."""
    names = [f"'{name}'" for name in group.providers]
    if len(names) == 1:
        return not_configured(f"provider {names[0]}")
    return _in_configuration(
        f"None of the providers {', '.join(names)} that this batch was accepted for is configured "
        "any more: configure one of them again under the same name, or set the environment "
        "variable that its key is read from, and restart; or cancel the batch. Its requests wait."
    )


def no_batch_api(group: Group) -> Reason:
    """What the lines of a native group wait for whose accounts have no batch API at present."""
    names = ", ".join(f"'{target.provider}'" for target in group.primaries)
    return _in_configuration(
        f"The batch API of the provider {names} that this batch was accepted for is not configured "
        "any more: configure it again under the same name, or set the environment variable that "
        "its key is read from, and restart; or cancel the batch. Its requests wait."
    )


def _in_configuration(sentence: str) -> Reason:
    return Reason(kind=ReasonKind.CONFIGURATION, sentence=sentence)


def _why(name: str, resolution: Unroutable | Forbidden | NotNative) -> Reason:
    match resolution:
        case Forbidden():
            return _in_configuration(
                "The key of this batch may not use the provider "
                f"'{resolution.provider}' any more: allow it again and restart, or cancel the "
                "batch."
            )
        case NotNative():
            return _in_configuration(
                f"The provider '{resolution.provider}' is set to run on its batch API, which "
                f"does not run {resolution.endpoint}: set its mode to `auto` or `managed` and "
                "restart, or cancel the batch."
            )
        case Unroutable():
            if name.startswith(ROUTE_PREFIX):
                return not_configured(f"route '{name.removeprefix(ROUTE_PREFIX)}'")
            return not_configured(f"provider '{name.partition('/')[0]}'")
