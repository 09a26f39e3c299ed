"""One line to send, as the sender is handed it."""

import msgspec

from batchway.dispatch.limits import Party
from batchway.domain.call import NO_OVERRIDES, Overrides
from batchway.domain.routing import Target


class Work(msgspec.Struct, kw_only=True):
    """One line to send.

    `model` is the model as the body spells it; `targets` are in the order to try them; `cost` is
    the estimated number of tokens, `None` until a limit of tokens asks for it; `overrides` are the
    batch's, and `NO_OVERRIDES` itself where there are none.
    """

    line: int
    endpoint: str
    body: bytes
    model: str
    targets: tuple[Target, ...]
    party: Party
    cost: int | None = None
    overrides: Overrides = NO_OVERRIDES
