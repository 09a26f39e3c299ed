"""Access tokens and keys that end: kept, and renewed before they do, in a thread of their own.

Owns when one is asked for and how many ask at once. Does not own whom, nor what an error of
that means: an account's credentials do.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar, cast

from batchway.domain.remote import RemoteError
from batchway.ports import Clock

# A token must outlive the request that it is sent with; renewing earlier costs nothing.
_RENEW_SECONDS: Final = 300.0
_LAST_SECONDS: Final = 30.0
# A renewal that failed, or gave a token that ends as soon, is not repeated for every request.
_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token, good `until` a Unix second."""

    value: str = field(repr=False)
    until: float


class Ending(Protocol):
    """What is good `until` a Unix second."""

    @property
    def until(self) -> float: ...


T = TypeVar("T", bound=Ending)


class KeptTokens(Generic[T]):
    """The token of an account. Usable from several event loops and threads.

    `fetch` gets a fresh one and may block; it raises `RemoteError` alone. `renew` is how many
    seconds before its end a token is renewed.
    """

    def __init__(
        self, *, fetch: Callable[[], T], clock: Clock, renew: float = _RENEW_SECONDS
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._renew_before = renew
        self._token: T | None = None
        self._refused: RemoteError | None = None
        self._again_at = 0.0  # by the monotonic clock
        self._renewing = threading.Lock()
        # Of its own: a thousand lines that wait for a token would take every thread of the loop's
        # pool, and whoever writes results waits for one of those.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batchway-token")

    async def current(self) -> T:
        """A token that has not ended. Cheap; raises `RemoteError` when there is none."""
        token = self._lasting()
        if token is not None:
            return token
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._renewed)

    def wait(self) -> T:
        """The same, for a thread that may block."""
        return self._lasting() or self._renewed()

    def doubt(self) -> bool:
        """The token was refused: the next caller gets another one; whether it is so.

        Not for some seconds after a renewal: what is refused then was sent before it.
        """
        if self._clock.monotonic() < self._again_at:
            return False
        self._token = None
        return True

    def _lasting(self) -> T | None:
        """The token, unless it is to be renewed first."""
        token = self._token
        if token is None:
            return None
        left = token.until - self._clock.now()
        if left > self._renew_before:
            return token
        # While one caller renews, the others go on with the old token: none waits in a thread.
        early = self._renewing.locked() or self._clock.monotonic() < self._again_at
        return token if left > _LAST_SECONDS and early else None

    def _renewed(self) -> T:
        with self._renewing:
            # Read once: `doubt` takes it away at any moment, and does not wait for a renewal.
            token = self._token
            if self._left(token) <= self._renew_before and (
                self._refused is None or self._clock.monotonic() >= self._again_at
            ):
                token = self._renew(token)
            if self._refused is not None and self._left(token) <= 0:
                raise self._refused
            return cast("T", token)  # a renewal gives a token or a refusal

    def _left(self, token: T | None) -> float:
        """Seconds that a token has."""
        return 0.0 if token is None else token.until - self._clock.now()

    def _renew(self, token: T | None) -> T | None:
        """The token that there is then: another one, or the same after a refusal."""
        try:
            token = self._fetch()
        except RemoteError as error:
            self._refused = error
        else:
            self._token, self._refused = token, None
        self._again_at = self._clock.monotonic() + _PAUSE_SECONDS
        return token
