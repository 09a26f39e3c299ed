"""How much a client may send, and for how long. Values only; whoever reads a limit enforces it."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the service. Sizes are in bytes, times in seconds.

    `json_bytes` bounds a JSON body; `drain_bytes` and `drain_seconds` bound how much of a refused
    body is still read so that the client gets to see the answer; `idle_seconds` is how long a body
    may stand still. `pace_bytes` must come in every `pace_seconds` that are spent waiting for a
    body: 512 bytes a second, as Apache asks, over the minute that nginx gives a client. Whoever
    sends less holds a connection, and its descriptor, for days.
    """

    file_bytes: int = 2 * GIB
    upload_bytes: int = 8 * GIB
    part_bytes: int = 64 * MIB
    upload_seconds: int = 3_600
    json_bytes: int = MIB
    drain_bytes: int = 64 * MIB
    drain_seconds: float = 5.0
    idle_seconds: float = 60.0
    pace_seconds: float = 60.0
    pace_bytes: int = 30 * 1024
