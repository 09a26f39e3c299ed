"""Why a gate holds lines up, as a reason for a batch's `status_details`.

Owns the wording: what, since when, the provider's own status and code, and what to do. Says nothing
secret: names of providers and models, times, codes; no addresses, keys, or texts of answers.
"""

from datetime import UTC, datetime
from typing import Final

from batchway.dispatch.fault import Fault, Setback
from batchway.dispatch.gate import Gate
from batchway.dispatch.lane import Lane
from batchway.domain.http_status import REDIRECTS
from batchway.domain.reason import Reason, ReasonKind

_PLIGHT: Final[dict[Fault, str]] = {
    Fault.INTERRUPTED: "has broken every connection",
    Fault.TIMEOUT: "has not answered in time",
    Fault.GARBAGE: "has answered with something that is not JSON",
    Fault.UNAVAILABLE: "has been unavailable",
}
_AGAIN: Final = "it is tried again at least once a minute."
_KEY_STATUSES: Final = frozenset({401, 407})
_MOST_MODEL: Final = 100


def obstacle(gate: Gate, lane: Lane, *, now: float, moment: float) -> Reason | None:
    """What keeps lines from the gate's model; `None` if only its slots do.

    `now` is in monotonic seconds, `moment` the same in Unix time.
    """
    if lane.verdict is not None:
        return Reason(
            kind=ReasonKind.REQUEST,
            sentence=(
                f"The provider '{gate.provider}' answers these requests with the same error "
                f"({lane.verdict.told}) while it is well by its health check: the error is taken "
                "for its answer and delivered. Check that the model and endpoint can do what the "
                "requests ask for."
            ),
        )
    last, since = lane.circuit.last, lane.circuit.down_since
    if last is not None and since is not None:
        at = f"{datetime.fromtimestamp(moment - (now - since), UTC):%Y-%m-%d %H:%M:%S} UTC"
        if last.fault is Fault.NO_DESCRIPTORS:
            return Reason(
                kind=ReasonKind.CAPACITY,
                sentence=(
                    f"Batchway's process is out of file descriptors since {at}: requests wait "
                    "until it has some again. Raise its limit (`ulimit -n`)."
                ),
            )
        kind, sentence = _down(gate, lane, last, at)
        return Reason(kind=kind, sentence=sentence, promise=_AGAIN)
    quiet_for = gate.quiet_for
    if quiet_for > 1:
        until = f"{datetime.fromtimestamp(moment + quiet_for, UTC):%H:%M:%S} UTC"
        return Reason(
            kind=ReasonKind.CAPACITY,
            sentence=f"The provider '{gate.provider}' asked for a pause until {until}.",
        )
    if gate.rates.scarce and gate.waiting:
        return Reason(
            kind=ReasonKind.CAPACITY,
            sentence=f"Requests wait for the rate limit of the provider '{gate.provider}'.",
        )
    return None


def _down(gate: Gate, lane: Lane, last: Setback, since: str) -> tuple[ReasonKind, str]:
    who, told = gate.provider, last.told
    model = gate.model[:_MOST_MODEL]
    match last.fault:
        case Fault.ACCOUNT | Fault.DENIED if last.advice:
            return ReasonKind.ACCOUNT, (
                f"The provider '{who}' has refused every request for the model '{model}' ({told}) "
                f"since {since}: {last.advice}."
            )
        case Fault.THROTTLED if last.advice:
            return ReasonKind.CAPACITY, (
                f"The provider '{who}' has refused every request for coming too fast ({told}) "
                f"since {since}: {last.advice}."
            )
        case Fault.ACCOUNT if last.status in _KEY_STATUSES:
            return ReasonKind.ACCOUNT, (
                f"The provider '{who}' has refused its credentials ({told}) since {since}: correct "
                f"the api_key of '{who}' in the configuration and restart, or have the key enabled "
                "again at the provider."
            )
        case Fault.ACCOUNT if last.status in REDIRECTS:
            path = lane.kind.removeprefix("/v1")
            without = f", without {path}," if last.code.endswith(path) else ""
            return ReasonKind.ACCOUNT, (
                f"The provider '{who}' has redirected every request ({last.status}) to "
                f"{last.code} since {since}: requests are not sent on; set the base_url of '{who}' "
                f"(Azure: its endpoint) to where it leads{without} and restart."
            )
        case Fault.ACCOUNT:
            return ReasonKind.ACCOUNT, (
                f"The provider '{who}' has refused every request for want of credit or because the "
                f"account is closed ({told}) since {since}: see to the account's billing at the "
                "provider."
            )
        case Fault.DENIED if last.status == 403:
            return ReasonKind.ACCOUNT, (
                f"The provider '{who}' has denied every request for the model '{model}' ({told}) "
                f"since {since}: give its key access to that model and endpoint, or correct the "
                f"api_key of '{who}' and restart."
            )
        case Fault.DENIED:
            return ReasonKind.ACCOUNT, (
                f"The provider '{who}' has answered that there is no such thing to every request "
                f"for the model '{model}' ({told}) since {since}: check the model's name, the "
                f"endpoint and the base_url of '{who}'."
            )
        case Fault.THROTTLED:
            return ReasonKind.CAPACITY, (
                f"The provider '{who}' has refused every request for coming too fast ({told}) "
                f"since {since}: lower its limits if others use the account too."
            )
        case Fault.UNREACHABLE:
            return ReasonKind.UNREACHABLE, (
                f"The provider '{who}' has been unreachable since {since}: check that it runs, and "
                f"the address of '{who}' in the configuration."
            )
        case fault:
            plight = _PLIGHT.get(fault, "has answered nothing but errors")
            quoted = f" ({told})" if told else ""
            return ReasonKind.OUTAGE, f"The provider '{who}' {plight}{quoted} since {since}."
