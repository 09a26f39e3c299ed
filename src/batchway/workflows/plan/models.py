"""The models that a file names: where the lines of each go, and what is spoken there.

    plain        managed, and one target at least is sent them as they are: no look inside
    tried        in these dialects: a line that none of them can say is refused
    measured     native, passed on as they are: how large each is
    in lots      native and tried: in one of the plans of its destination, or online (`lots`)

Owns what is known of a model. Does not own the way of a line (`scan`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from batchway.domain.endpoint import Endpoint
from batchway.domain.group import group_of
from batchway.domain.routing import Destination, Resolution, Target
from batchway.domain.shard import Mode
from batchway.ports import Dialect
from batchway.workflows.plan.cutting import GroupPlan, ScanLimits
from batchway.workflows.plan.lots import Lots

# What encoding adds to a body at most, its endpoint and model aside (`ports.Framing`).
_ENVELOPE_BYTES: Final = 160
_BYTES_A_CHARACTER: Final = 6  # of a model's name, every character escaped


@dataclass(slots=True, kw_only=True)
class Model:
    """A model that the file names; `plan` is `None` when its lines have nowhere to go.

    `plain` lines are managed, and need no look inside; `tried` are the dialects of which one at
    least has to do for a line, empty where one always does: of managed lines those of their
    targets, fallbacks last; of native ones those of the jobs. Of native lines that are tried `lots`
    are the plans, and `online` what is spoken at their targets online, fallbacks last.
    """

    resolution: Resolution
    plan: GroupPlan | None = None
    plain: bool = False
    tried: tuple[Dialect, ...] = ()
    lots: Lots | None = None
    online: tuple[Dialect, ...] = ()
    lines: int = 0


class Models:
    """The models of one pass over a file, and the plans of their lines.

    `resolve` answers where a model's lines go, and `dialect` what is spoken at one target, in lines
    that run so: `None` where no such call can be made.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        limits: ScanLimits,
        resolve: Callable[[str], Resolution],
        dialect: Callable[[Target, Mode], Dialect | None],
    ) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._resolve = resolve
        self._dialect = dialect
        self._plans: dict[str, GroupPlan] = {}
        self._lots: dict[str, Lots] = {}  # of native plans whose lines are tried
        self.known: Final[dict[str, Model]] = {}

    def meet(self, name: str) -> Model:
        """A model that was not met before: where do its lines go?"""
        resolution = self._resolve(name)
        model = self.known[name] = Model(resolution=resolution)
        if isinstance(resolution, Destination):
            self._plan(name, model, resolution)
        return model

    def finish(self) -> None:
        """All lines are there (`Lots.finish`)."""
        for lots in self._lots.values():
            lots.finish()

    @property
    def plans(self) -> Iterator[GroupPlan]:
        """Every plan, those too that hold no line."""
        for name, plan in self._plans.items():
            lots = self._lots.get(name)
            yield from (plan,) if lots is None else lots.plans

    def _plan(self, name: str, model: Model, destination: Destination) -> None:
        plan = self._plans.get(destination.group)
        if plan is None:
            plan = self._plans[destination.group] = GroupPlan(
                group=group_of(destination),
                limits=self._limits,
                may_go_online=destination.may_go_online,
            )
        plan.group = plan.group.joined_by(destination)
        plan.models.add(name)
        model.plan = plan
        if destination.traits is None:
            self._plan_managed(model, destination)
        else:
            self._plan_native(model, plan, destination)

    def _plan_managed(self, model: Model, destination: Destination) -> None:
        spoken = [self._dialect(target, Mode.MANAGED) for target in destination.primaries]
        if any(dialect is None or dialect.faithful for dialect in spoken):
            model.plain = True
            return
        model.tried = self._online(destination)
        model.plain = not model.tried

    def _plan_native(self, model: Model, plan: GroupPlan, destination: Destination) -> None:
        targets, traits = destination.primaries, plan.traits
        spoken = [self._dialect(target, Mode.NATIVE) for target in targets]
        known = tuple(dialect for dialect in spoken if dialect is not None)
        if len(known) == len(spoken) and not all(dialect.faithful for dialect in known):
            model.tried = known
            model.lots = self._lots.get(destination.group)
            if model.lots is None:
                model.lots = self._lots[destination.group] = Lots(plan)
            model.online = self._online(destination)
        # All of a native group's lines become the same models, so what its first line is measured
        # by is right for all of them.
        longest = max(len(target.model) for target in targets)
        plan.overhead = _ENVELOPE_BYTES + len(self._endpoint) + _BYTES_A_CHARACTER * longest
        embeds = self._endpoint == Endpoint.EMBEDDINGS
        if traits is not None and known:
            counted = embeds and traits.embedding_inputs is not None
            if counted or traits.enqueued_tokens is not None:
                plan.measure = known[0].measure

    def _online(self, destination: Destination) -> tuple[Dialect, ...]:
        """What is spoken at the targets that lines can be sent to, in the order of trying them."""
        targets = destination.primaries + destination.fallbacks
        online = (self._dialect(target, Mode.MANAGED) for target in targets)
        return tuple(dialect for dialect in online if dialect is not None)
