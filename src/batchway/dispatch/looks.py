"""What looks at a target's health have shown since one of its lanes went down.

Owns a look's shape and the memory of them. Does not own the looking (`health`, `watch`), nor what
follows (`lane`). Times are in monotonic seconds.
"""

import math

import msgspec


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a target's health says: `well` is `None` when it says nothing.

    `admitted` is whether it let the account's credentials in, `faintly` whether it is called ill
    only because of answers that a server that is well may give to an address that it has not.
    """

    well: bool | None = None
    admitted: bool = False
    faintly: bool = False


class Looks:
    """The looks of one outage; `admitted_at` outlasts it."""

    __slots__ = ("admitted_at", "faint_since", "ill", "well_since")

    def __init__(self) -> None:
        self.admitted_at = -math.inf  # when the credentials were last let in
        self.begin()

    def begin(self) -> None:
        """Another outage, or none: what was seen of the last one says nothing any more."""
        self.well_since: float | None = None
        self.faint_since: float | None = None
        self.ill = False

    def recovers(self, look: Look, now: float) -> bool:
        """Note a look; whether the target, ill before, is well by it."""
        if not look.faintly:
            self.faint_since = None
        elif self.faint_since is None:
            self.faint_since = now
        if not look.well:
            self.ill, self.well_since = True, None
            return False
        if self.well_since is not None:
            return False
        self.well_since = now
        was_ill, self.ill = self.ill, False
        return was_ill
