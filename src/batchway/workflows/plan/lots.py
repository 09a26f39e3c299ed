"""Lots: the plans of one native destination whose lines cannot all be in one job.

    first lot     lines of any shape that agree with one another
    second, ...   lines whose shape conflicts with every lot before
    online        lines that the batch API cannot be asked, and the online API can (mode `auto`)

A batch API that reads a job's input into one table fails all of it when two lines disagree on what
stands at a place (`Encoded.shape`). A lot is what the shapes of its lines add up to, so a line is
held against lots, never against other lines. Which lot a line is in is kept with the shards
(`Shard.members`) and never worked out again: docs/adr/0027.

Owns the choice. Does not own what a shape is (dialects), or how a lot is cut (`cutting`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from batchway.domain.shard import Mode
from batchway.workflows.plan.cutting import GroupPlan

# Lots of one model, each a job at least. Files whose lines come from one program have one to three;
# where every line has a shape of its own no number would do, and a provider that runs four jobs at
# a time would take days for hundreds of small ones.
MOST_LOTS: Final = 32
# Places of a lot: half of the columns that a BigQuery table has, which is what the importer of
# Google's batch API is understood to fill. It bounds what is held of lines with names of their own.
MOST_PLACES: Final = 5_000
_MOST_KNOWN: Final = 20_000  # places of the shapes whose lot is remembered

Shape = tuple[tuple[str, str], ...]
_Places = Mapping[tuple[int, str], str]


@dataclass(slots=True, kw_only=True)
class _Lot:
    """A plan, and the kind at each place of its lines, by dialect and place."""

    plan: GroupPlan
    places: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])

    def takes(self, places: _Places) -> bool:
        held, more = self.places, 0
        for place, kind in places.items():
            known = held.get(place)
            if known is None:
                more += 1
            elif known != kind:
                return False
        return len(held) + more <= MOST_PLACES


class Lots:
    """The plans of one native destination, which begin with its `first`.

    A line has a shape for each dialect that it was tried in: lines share a lot when they agree in
    every one of them, since a job may go to any.
    """

    def __init__(self, first: GroupPlan) -> None:
        first.divided = True
        self.first: Final = first  # also for lines without a shape
        self._lots = [_Lot(plan=first)]
        self._known: dict[tuple[Shape, ...], GroupPlan] = {}
        self._places_known = 0
        self._online: GroupPlan | None = None

    def take(self, shapes: tuple[Shape, ...]) -> GroupPlan | None:
        """The lot for a line of that shape; `None` when none takes it and there are too many."""
        known = self._known.get(shapes)
        if known is not None:
            return known
        places = {(n, place): kind for n, shape in enumerate(shapes) for place, kind in shape}
        lot = next((lot for lot in self._lots if lot.takes(places)), None)
        if lot is None:
            if len(self._lots) >= MOST_LOTS or len(places) > MOST_PLACES:
                return None
            # No provider's name holds a space and routes' groups begin with a word of their own:
            # there is no other group of that name.
            name = f"shape {len(self._lots) + 1} {self.first.group.name}"
            lot = _Lot(plan=self.first.beside(replace(self.first.group, name=name)))
            self._lots.append(lot)
        lot.places.update(places)
        self._places_known += len(places)
        if self._places_known > _MOST_KNOWN:
            self._known.clear()
            self._places_known = len(places)
        self._known[shapes] = lot.plan
        return lot.plan

    def online(self) -> GroupPlan:
        """The plan of lines that go online."""
        if self._online is None:
            group = self.first.group
            name = f"online {group.name}"
            managed = replace(group, name=name, mode=Mode.MANAGED, traits=None, rescue=False)
            self._online = self.first.beside(managed)
        return self._online

    @property
    def plans(self) -> list[GroupPlan]:
        """Every plan, those too that hold no line."""
        plans = [lot.plan for lot in self._lots]
        return plans if self._online is None else [*plans, self._online]

    def finish(self) -> None:
        """All lines are there: a plan that has all of them need not say which are its own."""
        divided = sum(plan.holds_lines for plan in self.plans) > 1
        for plan in self.plans:
            plan.divided = divided
