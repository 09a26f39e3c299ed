"""Why a gate holds lines up, as a sentence for a batch's `status_details`.

Owns the wording. Says nothing secret: names of providers, times, no addresses and no answers.
"""

from datetime import UTC, datetime
from typing import Final

from batchway.dispatch.gate import Gate
from batchway.dispatch.retry import Fault

_PLIGHT: Final[dict[Fault | None, str]] = {
    Fault.UNREACHABLE: "has been unreachable",
    Fault.INTERRUPTED: "has broken every connection",
    Fault.TIMEOUT: "has not answered in time",
    Fault.THROTTLED: "has refused every request for exceeding its limits (429)",
    Fault.UNAVAILABLE: "has been unavailable",
}


def obstacle(gate: Gate, now: float) -> str | None:
    """What keeps lines from the gate's model; `None` if only its slots do. `now` is Unix time."""
    down_for = gate.down_for
    if down_for is not None:
        since = datetime.fromtimestamp(now - down_for, UTC)
        if gate.down_by is Fault.NO_DESCRIPTORS:
            return (
                f"Batchway's process is out of file descriptors since {since:%Y-%m-%d %H:%M:%S} "
                "UTC: requests wait until it has some again. Raise its limit (`ulimit -n`)."
            )
        plight = _PLIGHT.get(gate.down_by, "has answered nothing but errors")
        return (
            f"The provider '{gate.provider}' {plight} since {since:%Y-%m-%d %H:%M:%S} UTC; "
            "it is tried again at least once a minute."
        )
    quiet_for = gate.quiet_for
    if quiet_for > 1:
        until = datetime.fromtimestamp(now + quiet_for, UTC)
        return f"The provider '{gate.provider}' asked for a pause until {until:%H:%M:%S} UTC."
    if gate.short_of_rate:
        return f"Requests wait for the rate limit of the provider '{gate.provider}'."
    return None
