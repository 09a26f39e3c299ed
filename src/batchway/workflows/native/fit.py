"""How large a job of one model an account takes, as far as its refusals have told.

    refused, a limit is named       up to that limit
    refused again, or none named    half of what was refused
    single lines, one after another nothing fits: no other line is tried
    a day later                     forgotten: limits grow with what an account has paid

Waiting cannot help a job that is larger than everything the account may have enqueued: such a job
is cut. Owns the size. Does not own when a refusal means that (`submission`).
"""

from typing import Final

from batchway.domain.remote import EnqueuedLimit
from batchway.ports import Clock

_REMEMBERED: Final = 86_400.0
# One line that does not fit may be a long one; each that is tried is an upload and a refusal.
_SINGLES: Final = 3


class Fit:
    """The largest job, in estimated tokens and in lines; `None` where nothing is known."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._tokens: int | None = None
        self._lines: int | None = None
        self._until = 0.0
        self._singles = 0

    @property
    def tokens(self) -> int | None:
        """The most tokens of a job."""
        return self._tokens if self._clock.monotonic() < self._until else None

    @property
    def lines(self) -> int | None:
        """The most lines of a job."""
        return self._lines if self._clock.monotonic() < self._until else None

    def learn(self, *, tokens: int, lines: int | None, limit: EnqueuedLimit) -> None:
        """A job of that size was refused, and not for what else was enqueued."""
        known_tokens, known_lines = self.tokens, self.lines
        if limit.requests is not None and (lines is None or limit.requests < lines):
            known_lines = min(known_lines or limit.requests, limit.requests)
        else:
            # Our estimate may be too low: what is said to fit is halved if it does not.
            stated = limit.tokens
            fits = stated if stated is not None and stated < tokens else max(1, tokens // 2)
            known_tokens = min(known_tokens or fits, fits)
        self._remember(known_tokens, known_lines)

    def refuses_all(self) -> bool:
        """Note that a single line did not fit; whether so many in a row that none will."""
        self._singles += 1
        return self._singles >= _SINGLES

    def took(self) -> None:
        """A job was run."""
        self._singles = 0

    def recall(self, tokens: int) -> None:
        """A job was cut to that size by an earlier process."""
        if self.tokens is None and tokens:
            self._remember(tokens, self.lines)

    def _remember(self, tokens: int | None, lines: int | None) -> None:
        self._tokens, self._lines = tokens, lines
        self._until = self._clock.monotonic() + _REMEMBERED
