"""What one request carries through the layers of the API, in its ASGI scope."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final, cast

_SCOPE_KEY: Final = "batchway.exchange"


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer. `tenant` is known once the caller is."""

    request_id: str
    tenant: str | None = None

    def enter(self, scope: MutableMapping[str, Any]) -> None:
        """Ride along with the scope."""
        scope[_SCOPE_KEY] = self


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange that `frame.Frame` put into the scope."""
    return cast("Exchange", scope[_SCOPE_KEY])
