"""The health of a target whose lines fail: one cheap GET.

    every address in turn: 2xx      well; `admitted` if it is the last, which takes a good key
                           a page   ill: what stands in for a server that is away
                           nothing  ill
                           5xx      ill
                           501, 505 and all others: not an address that it has: the next one
    none of them                    a server answers, so: well

A plain 500 is ill too, but may be how a server answers whatever it does not know: `faintly`.

Owns the look. Does not own its pace (`watch`), what follows from it (`lane`), nor the addresses
(`ports.Account.health`). Nothing of an answer is kept or logged.
"""

from typing import Final

from batchway.dispatch.looks import Look
from batchway.ports import Account, Failure, Transport

_TIMEOUT: Final = 5.0
UNKNOWN: Final = Look()
_NO_SUCH_ADDRESS: Final = frozenset({501, 505})


async def look_at(account: Account, model: str, transport: Transport) -> Look:
    """What the health of an account's model is."""
    requests = await account.health(model)
    if not requests:
        return UNKNOWN
    faintly = False
    for request in requests:
        drawn = await transport.get(request.url, request.headers, timeout=_TIMEOUT)
        if isinstance(drawn, Failure):
            # More than a look wants to read is an answer too.
            return Look(well=drawn is Failure.TOO_LARGE)
        if drawn.status == 500:
            faintly = True
        elif drawn.status >= 500 and drawn.status not in _NO_SUCH_ADDRESS:
            return Look(well=False)
        if drawn.status < 300 and drawn.body.lstrip()[:1] == b"<":
            return Look(well=False)
        if 200 <= drawn.status < 300:
            return Look(well=True, admitted=request is requests[-1])
    return Look(well=not faintly, faintly=faintly)
