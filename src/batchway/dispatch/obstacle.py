"""Why a gate holds lines up, as a sentence for a batch's `status_details`.

Owns the wording: what, since when, the provider's own status and code, and what to do. Says nothing
secret: names of providers and models, times, codes; no addresses, keys, or texts of answers.
"""

from datetime import UTC, datetime
from typing import Final

from batchway.dispatch.fault import Fault, Setback
from batchway.dispatch.gate import Gate
from batchway.dispatch.lane import Lane
from batchway.domain.http_status import REDIRECTS

_PLIGHT: Final[dict[Fault, str]] = {
    Fault.INTERRUPTED: "has broken every connection",
    Fault.TIMEOUT: "has not answered in time",
    Fault.GARBAGE: "has answered with something that is not JSON",
    Fault.UNAVAILABLE: "has been unavailable",
}
_AGAIN: Final = "it is tried again at least once a minute."
_KEY_STATUSES: Final = frozenset({401, 407})
_MOST_MODEL: Final = 100


def obstacle(gate: Gate, lane: Lane, *, now: float, moment: float) -> str | None:
    """What keeps lines from the gate's model; `None` if only its slots do.

    `now` is in monotonic seconds, `moment` the same in Unix time.
    """
    if lane.verdict is not None:
        return (
            f"The provider '{gate.provider}' answers these requests with the same error "
            f"({lane.verdict.told}) while it is well by its health check: the error is taken for "
            "its answer and delivered. Check that the model and endpoint can do what the requests "
            "ask for."
        )
    last, since = lane.circuit.last, lane.circuit.down_since
    if last is not None and since is not None:
        at = f"{datetime.fromtimestamp(moment - (now - since), UTC):%Y-%m-%d %H:%M:%S} UTC"
        return _down(gate, lane, last, at)
    quiet_for = gate.quiet_for
    if quiet_for > 1:
        until = datetime.fromtimestamp(moment + quiet_for, UTC)
        return f"The provider '{gate.provider}' asked for a pause until {until:%H:%M:%S} UTC."
    if gate.short_of_rate:
        return f"Requests wait for the rate limit of the provider '{gate.provider}'."
    return None


def _down(gate: Gate, lane: Lane, last: Setback, since: str) -> str:
    who, told = gate.provider, last.told
    match last.fault:
        case Fault.ACCOUNT if last.status in _KEY_STATUSES:
            return (
                f"The provider '{who}' has refused its credentials ({told}) since {since}: correct "
                f"the api_key of '{who}' in the configuration and restart, or have the key enabled "
                f"again at the provider; {_AGAIN}"
            )
        case Fault.ACCOUNT if last.status in REDIRECTS:
            path = lane.kind.removeprefix("/v1")
            without = f", without {path}," if last.code.endswith(path) else ""
            return (
                f"The provider '{who}' has redirected every request ({last.status}) to "
                f"{last.code} since {since}: requests are not sent on; set the base_url of '{who}' "
                f"(Azure: its endpoint) to where it leads{without} and restart; {_AGAIN}"
            )
        case Fault.ACCOUNT:
            return (
                f"The provider '{who}' has refused every request for want of credit or because the "
                f"account is closed ({told}) since {since}: see to the account's billing at the "
                f"provider; {_AGAIN}"
            )
        case Fault.DENIED if last.status == 403:
            return (
                f"The provider '{who}' has denied every request for the model "
                f"'{gate.model[:_MOST_MODEL]}' ({told}) since {since}: give its key access to that "
                f"model and endpoint, or correct the api_key of '{who}' and restart; {_AGAIN}"
            )
        case Fault.DENIED:
            return (
                f"The provider '{who}' has answered that there is no such thing to every request "
                f"for the model '{gate.model[:_MOST_MODEL]}' ({told}) since {since}: check the "
                f"model's name, the endpoint and the base_url of '{who}'; {_AGAIN}"
            )
        case Fault.THROTTLED:
            return (
                f"The provider '{who}' has refused every request for coming too fast ({told}) "
                f"since {since}: lower its limits if others use the account too; {_AGAIN}"
            )
        case Fault.NO_DESCRIPTORS:
            return (
                f"Batchway's process is out of file descriptors since {since}: requests wait until "
                "it has some again. Raise its limit (`ulimit -n`)."
            )
        case Fault.UNREACHABLE:
            return (
                f"The provider '{who}' has been unreachable since {since}: check that it runs, and "
                f"the address of '{who}' in the configuration; {_AGAIN}"
            )
        case fault:
            plight = _PLIGHT.get(fault, "has answered nothing but errors")
            quoted = f" ({told})" if told else ""
            return f"The provider '{who}' {plight}{quoted} since {since}; {_AGAIN}"
