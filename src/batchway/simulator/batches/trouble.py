"""Which requests are in trouble: the rules of a behaviour, counted as they strike."""

import random
from collections.abc import Sequence

from batchway.simulator.batches.behaviour import Rule


class Troubles:
    """The rules of the present behaviour, the first that fits wins.

    The counts belong to the list of rules: a new list starts anew.
    """

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._met: list[int] = []
        self._struck: list[int] = []
        self._dice = random.Random(0)

    def set(self, rules: Sequence[Rule]) -> None:
        """Take a new list of rules."""
        self._rules = list(rules)
        self._met = [0] * len(rules)
        self._struck = [0] * len(rules)

    def strike(self, kind: str) -> Rule | None:
        """The rule that a request of this kind falls under, if any."""
        for index, rule in enumerate(self._rules):
            if rule.on not in ("*", kind):
                continue
            self._met[index] += 1
            if self._met[index] <= rule.after:
                continue
            if rule.times is not None and self._struck[index] >= rule.times:
                continue
            if rule.share < 1.0 and self._dice.random() >= rule.share:
                continue
            self._struck[index] += 1
            return rule
        return None
