"""One and the same answer to different lines: when it is taken for the target's verdict on them.

    the same text, several lines, twice each, for about a minute --> convinces --> believed
    another text, or a line that is answered                     --> counted anew

Owns the count and what is remembered of earlier verdicts. Does not own whether the target is well
meanwhile (`lane`, which asks). Times are in monotonic seconds.
"""

import math
from collections.abc import Hashable
from typing import Final

from batchway.dispatch.fault import Setback

# A verdict takes several lines, twice each, and about a minute with the first of them. It is
# remembered, so that good lines among bad ones do not make each of these wait for a new one.
_LINES: Final = 3
_SECONDS: Final = 45.0
_SECONDS_AFTER_ANSWERS: Final = 90.0  # it could do it before: an outage is more likely
_REMEMBERED: Final = 600.0
_MOST_LINES: Final = 256


class SameAnswer:
    """Answers of one lane without a result, by `Setback.text`: empty texts are never the same."""

    __slots__ = ("_lines", "_remembered", "_since", "_text", "believed")

    def __init__(self) -> None:
        self.believed: Setback | None = None
        self._text = ""
        self._since = 0.0
        self._lines: dict[Hashable, int] = {}  # how often each has drawn it
        self._remembered: dict[str, float] = {}  # until when

    def add(self, setback: Setback, line: Hashable, now: float) -> None:
        """A line drew this. Any other text before it is forgotten."""
        if setback.text != self._text:
            self._text = setback.text
            self._since = now
            self._lines.clear()
        if setback.text and (line in self._lines or len(self._lines) < _MOST_LINES):
            self._lines[line] = self._lines.get(line, 0) + 1

    def matches(self, setback: Setback) -> bool:
        """Whether this is the answer that is being counted."""
        return bool(setback.text) and setback.text == self._text

    def convinces(self, setback: Setback, *, answered: bool, now: float) -> bool:
        """Whether lines enough drew this for long enough; `answered` if the target ever did."""
        return (
            self.matches(setback)
            and sum(tries > 1 for tries in self._lines.values()) >= _LINES
            and now - self._since >= (_SECONDS_AFTER_ANSWERS if answered else _SECONDS)
        )

    def believe(self, setback: Setback, now: float) -> None:
        """From here on it is the target's verdict; also the next time, for a while."""
        self.believed = setback
        self._remembered = {text: until for text, until in self._remembered.items() if until > now}
        self._remembered[setback.text] = now + _REMEMBERED

    def remembers(self, setback: Setback, now: float) -> bool:
        """Whether it was believed lately."""
        return bool(setback.text) and self._remembered.get(setback.text, -math.inf) > now

    def forget(self) -> None:
        """A line was answered: no verdict, and the count begins anew."""
        self.believed = None
        self._text = ""
        self._lines.clear()
