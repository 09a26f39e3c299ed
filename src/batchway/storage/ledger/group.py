"""Group commits: changes that arrive together share a transaction, and each has its own outcome.

    submit --> queue --> one transaction of everything there --> an outcome for each
                 ^                      |
                 +--- what comes meanwhile is the next transaction

A commit waits for the disk, whatever it holds: alone, a hundred changes wait a hundred times. The
changes of a group run in a thread, one after the other, as plain functions of a synchronous
connection. When one of them fails the group is rolled back and each change gets a transaction of
its own. Owns the thread and its connection; does not know any table.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

_MOST: Final = 64  # changes of a transaction: what comes first must not wait for too many others


class _Change:
    """A change and the future of whoever waits for it."""

    __slots__ = ("apply", "future")

    def __init__(self, apply: Callable[[Connection], Any]) -> None:
        self.apply = apply
        self.future: Future[Any] = Future()


class GroupWriter:
    """Commits changes in groups. `engine` must begin writing transactions by itself."""

    def __init__(self, *, engine: Engine) -> None:
        self._engine = engine
        self._queue: deque[_Change] = deque()
        self._lock = Lock()
        self._at_work = False
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="ledger-write")

    async def submit(self, apply: Callable[[Connection], T]) -> T:
        """Apply a change within a transaction; returns, or raises, once that has ended.

        The change must be harmless to apply again after a rollback. Raises what it raises, and
        the driver's errors. That of a caller who is cancelled is made, unless it had not begun.
        """
        change = _Change(apply)
        with self._lock:
            self._queue.append(change)
            idle = not self._at_work
            self._at_work = True
        if idle:
            self._threads.submit(self._work)
        return await asyncio.wrap_future(change.future)

    async def close(self) -> None:
        """Commit what was submitted and close the connection."""
        self._threads.shutdown()
        self._engine.dispose()

    def _work(self) -> None:
        while True:
            with self._lock:
                group = [self._queue.popleft() for _ in range(min(_MOST, len(self._queue)))]
                if not group:
                    self._at_work = False
                    return
            group = [change for change in group if change.future.set_running_or_notify_cancel()]
            if group:
                self._commit(group)

    def _commit(self, group: list[_Change]) -> None:
        try:
            outcomes = self._together(group)
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            if len(group) == 1:
                group[0].future.set_exception(error)
                return
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                # The database went away: each would wait for it in turn, and find the same.
                for change in group:
                    change.future.set_exception(error)
                return
            for change in group:
                self._commit([change])
            return
        for change, outcome in zip(group, outcomes, strict=True):
            change.future.set_result(outcome)

    def _together(self, group: list[_Change]) -> list[Any]:
        try:
            return self._once(group)
        except DBAPIError as error:
            # A pooled connection may have died with the database's last restart.
            if not error.connection_invalidated:
                raise
            return self._once(group)

    def _once(self, group: list[_Change]) -> list[Any]:
        with self._engine.begin() as connection:
            return [change.apply(connection) for change in group]
