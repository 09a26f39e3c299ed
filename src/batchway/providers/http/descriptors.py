"""File descriptors: how many this process may have, and what they are for.

Clients' connections, requests to providers, files and databases all take from one number. Were it
used up by clients, running batches could neither store a result nor reach a provider; so clients
and requests are bounded below it. Owns the division, and the log line of a process that lacks
descriptors all the same: that is our own trouble, never a provider's.
"""

import errno
import logging
import socket
from dataclasses import dataclass
from typing import Final

_log: Final = logging.getLogger(__name__)

# What a server that runs batches has open besides connections: databases of two event loops and
# the engine (30 to 50, measured), segments being written and merged, downloads, libraries.
_KEPT: Final = 96

# More clients than this at once are better served by a second machine.
_MOST_CLIENTS: Final = 4096
_MOST_BACKLOG: Final = 2048

# macOS says "unlimited" and takes no more than this.
_FALLBACK: Final = 10_240

_LACKS: Final = frozenset({errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Who may have how many: `clients` connected, `backlog` not yet accepted, `requests` in flight
    from this process, or `requests_of_child` from each sending process.
    """

    clients: int
    turned_away: int
    backlog: int
    requests: int
    requests_of_child: int


def division(limit: int | None) -> Division:
    """The division of so many descriptors; `None` is no limit.

    All that waits to be accepted is accepted at once, so the backlog takes part, too.
    """
    if limit is None:
        limit = 1 << 20
    backlog = max(8, min(_MOST_BACKLOG, limit // 8))
    turned_away = max(4, min(32, limit // 16))
    left = max(16, limit - _KEPT - backlog - turned_away)
    clients = min(_MOST_CLIENTS, left // 2)
    return Division(
        clients=clients,
        turned_away=turned_away,
        backlog=backlog,
        # Connections that are kept for a next request are beside those in flight.
        requests=left - clients,
        requests_of_child=max(16, (limit - 32) * 2 // 3),
    )


def limit() -> int | None:
    """How many descriptors this process may have; `None` where that is not known."""
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> None:
    """Allow this process, and those it starts, as many as the system lets it have."""
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, _FALLBACK):
        if resource.RLIM_INFINITY in (soft, wanted) and wanted != _FALLBACK:
            continue  # as many as it likes already, or a wish that some systems do not grant
        if wanted > soft:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (OSError, ValueError):
                continue
            return


def lacking(error: BaseException | None) -> bool:
    """Whether it failed for want of a descriptor, of this process or the whole machine."""
    return isinstance(error, OSError) and error.errno in _LACKS


def none_left() -> bool:
    """Whether there is no descriptor left at this moment."""
    try:
        socket.socket().close()
    except OSError as error:
        return lacking(error)
    return False


class Shortage:
    """Says once that descriptors are lacking, and once that they are not any more."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self.lasts = False

    def begins(self) -> None:
        """A request could not be sent."""
        if not self.lasts:
            self.lasts = True
            if self._quiet:
                return
            _log.error(
                "this process is out of file descriptors (its limit is %s): requests wait; raise "
                "the limit with `ulimit -n`, or `LimitNOFILE` of a service",
                limit(),
            )

    def ends(self) -> None:
        """A request was sent."""
        if self.lasts:
            self.lasts = False
            if self._quiet:
                return
            _log.warning("there are file descriptors again: requests are sent")
