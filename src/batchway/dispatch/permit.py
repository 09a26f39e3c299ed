"""The right to send one line now.

A value: everything about it is the gate's. Whoever got one gives it back (`Gate.leave`), unless
`Sender.run` does, which begins by taking that over.
"""

from typing import TYPE_CHECKING

from batchway.dispatch.fairness import Share
from batchway.dispatch.lane import Lane

if TYPE_CHECKING:  # the gate makes permits, so it is imported for its type alone
    from batchway.dispatch.gate import Gate


class Permit:
    """One slot of `gate`, in one lane. `started` is when its request was sent."""

    __slots__ = (
        "cost",
        "gate",
        "held",
        "index",
        "lane",
        "number",
        "probe",
        "share",
        "started",
    )

    lane: Lane

    def __init__(self, gate: "Gate", share: Share, cost: float, number: int) -> None:
        self.gate = gate
        self.share = share
        self.cost = cost
        self.number = number
        self.index = 0
        self.started = 0.0
        self.probe = False
        self.held = True
