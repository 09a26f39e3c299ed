"""How long and how far a client's connection is put up with, and how many there may be.

Owns the limits of connections, the list of those that are open, the regular look at each, and who
has to give way when there are too many. Does not own what a connection says or does
(`api.parsing`), nor the pace of bodies (`api.body`): whoever reads one knows when it waits.

    waiting     the client owes a head, or the rest of a body that was answered already
    bringing    the client sends a body
    busy        the server owes an answer
    idle        neither: kept for the client's next request
    leaving     refused or closed, not gone yet

Above `most` connections the longest waiting one gives way to a new one, else the longest idle one,
else whichever brings its body the slowest, if that is slow; when there is none of these either, the
new one is turned away.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """Bounds of a connection. Sizes are in bytes, times in seconds.

    A head may have `head_bytes` and `headers`, its URL `url_bytes`, and `head_seconds` to arrive.
    Answers leave at `answer_bytes` in each `answer_seconds` or faster: 512 bytes a second, as
    Apache asks of uploads, over the minute that nginx gives a client. `linger_seconds` is how long
    a refused client may go on sending, so that it gets to see why. `most` is how many connections
    there may be, `turned_away` how many more are told so before they are simply closed. A body that
    comes with less than `slow_bytes` a second, once `begins_seconds` have shown it, gives way.
    """

    head_bytes: int = 64 * KIB
    url_bytes: int = 16 * KIB
    headers: int = 100
    head_seconds: float = 20.0
    idle_seconds: float = 75.0
    answer_seconds: float = 60.0
    answer_bytes: int = 30 * KIB
    linger_seconds: float = 5.0
    most: int = 1024
    turned_away: int = 32
    begins_seconds: float = 2.0
    slow_bytes: int = 4 * KIB
    look_seconds: float = 1.0


class Connection(Protocol):
    """What the doors ask of a connection."""

    def look(self, now: float) -> None:
        """Close it if it is overdue. `now` is the event loop's time."""
        ...

    def brought(self, now: float) -> tuple[int, float]:
        """Bytes of the body that it brings, and the seconds that it was waited for."""
        ...

    def give_way(self) -> None:
        """Close it: another needs its place."""
        ...


class Doors:
    """The open connections of one server. Belongs to one event loop."""

    def __init__(self, limits: DoorLimits | None = None) -> None:
        self.limits = limits or DoorLimits()
        self._open: set[Connection] = set()
        self._leaving: set[Connection] = set()
        # The one that has waited, or been idle, for longest comes first.
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._bringing: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, connection: Connection) -> bool:
        """Note a new connection, which waits; `False` when there is no place for it."""
        self._open.add(connection)
        self._look_later()
        if len(self._open) - len(self._leaving) > self.limits.most:
            another = next(iter(self._waiting), None) or next(iter(self._idle), self._slowest())
            if another is None:
                self.leaving(connection)
                return False
            self.leaving(another)
            another.give_way()
        self._waiting[connection] = None
        return True

    @property
    def crowded(self) -> bool:
        """Whether so many are on their way out that no more can be told why."""
        return len(self._leaving) > self.limits.turned_away

    def waits(self, connection: Connection) -> None:
        """The client owes something."""
        if connection not in self._leaving:
            self.busy(connection)
            self._waiting[connection] = None

    def busy(self, connection: Connection) -> None:
        """The server owes an answer."""
        self._waiting.pop(connection, None)
        self._idle.pop(connection, None)
        self._bringing.discard(connection)

    def brings(self, connection: Connection) -> None:
        """A body begins, and the client owes the rest of it."""
        self.busy(connection)
        if connection not in self._leaving:
            self._bringing.add(connection)

    def idles(self, connection: Connection) -> None:
        """Neither owes anything."""
        if connection not in self._leaving:
            self.busy(connection)
            self._idle[connection] = None

    def leaving(self, connection: Connection) -> None:
        """It is being closed, and does not count any more."""
        self.busy(connection)
        self._leaving.add(connection)

    def left(self, connection: Connection) -> None:
        """It is gone."""
        self.busy(connection)
        self._leaving.discard(connection)
        self._open.discard(connection)

    def _slowest(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        slowest, least = None, float(self.limits.slow_bytes)
        for connection in self._bringing:
            brought, seconds = connection.brought(now)
            if seconds >= self.limits.begins_seconds and brought / seconds < least:
                slowest, least = connection, brought / seconds
        return slowest

    def _look_later(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.limits.look_seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            connection.look(now)
        if self._open:
            self._look_later()
