"""Which requests are in trouble: the rules of a behaviour, counted as they strike."""

import random
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Trouble(Protocol):
    """What counts of a rule here; `Rule` of `behaviour` says what it means."""

    @property
    def on(self) -> str: ...
    @property
    def times(self) -> int | None: ...
    @property
    def after(self) -> int: ...
    @property
    def share(self) -> float: ...


R = TypeVar("R", bound=Trouble)


class Troubles(Generic[R]):
    """The rules of the present behaviour, the first that fits wins.

    The counts belong to the list of rules: a new list starts anew.
    """

    def __init__(self) -> None:
        self._rules: list[R] = []
        self._met: list[int] = []
        self._struck: list[int] = []
        self._dice = random.Random(0)

    def set(self, rules: Sequence[R]) -> None:
        """Take a new list of rules."""
        self._rules = list(rules)
        self._met = [0] * len(rules)
        self._struck = [0] * len(rules)

    def strike(self, kind: str) -> R | None:
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
