"""The lanes of one target: one for each endpoint that requests are sent to.

Owns the map, and questions to all lanes together. Does not own what a lane judges (`lane`).
"""

from batchway.dispatch.lane import Lane
from batchway.dispatch.looks import Look


class Lanes:
    """Lanes by endpoint, made when needed."""

    __slots__ = ("_lanes", "_model", "_provider", "_trips_after")

    def __init__(self, *, provider: str, model: str, max_attempts: int) -> None:
        self._provider = provider
        self._model = model
        # Also a line that is alone must see its target declared down before its attempts end.
        self._trips_after = max(3, min(10, max_attempts - 2))
        self._lanes: dict[str, Lane] = {}

    def of(self, kind: str) -> Lane:
        """The lane of an endpoint."""
        lane = self._lanes.get(kind)
        if lane is None:
            lane = self._lanes[kind] = Lane(
                provider=self._provider,
                model=self._model,
                kind=kind,
                trips_after=self._trips_after,
            )
        return lane

    def down(self) -> list[Lane]:
        """Those that are down or denied."""
        return [lane for lane in self._lanes.values() if lane.circuit.down_since is not None]

    def holding_up(self, batch_id: str) -> Lane | None:
        """The one in which lines of that batch are held up."""
        return next((lane for lane in self._lanes.values() if lane.holds_up(batch_id)), None)

    def idle(self) -> bool:
        """Whether no line is held up in any."""
        return not any(lane.held for lane in self._lanes.values())

    def want_look(self) -> bool:
        """Whether the target's health would tell one of them anything."""
        return any(lane.wants_look for lane in self._lanes.values())

    def looked(self, look: Look, now: float) -> None:
        """The target's health was looked at."""
        for lane in self._lanes.values():
            lane.looked(look, now)
