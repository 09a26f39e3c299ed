"""The headers that every request to a provider carries, unless its provider sets its own."""

from collections.abc import Mapping
from typing import Final

from multidict import CIMultiDict

from batchway import __version__

_DEFAULTS: Final[Mapping[str, str]] = {
    "accept": "*/*",
    # To unpack answers costs more than their bytes, and a packed one is understood anyway.
    "accept-encoding": "identity",
    # Some providers answer 403 to clients that do not name themselves.
    "user-agent": f"batchway/{__version__}",
}


def with_defaults(given: Mapping[str, str]) -> CIMultiDict[str]:
    """`given`, which stays as it is, with what every request carries."""
    made = CIMultiDict(given)
    for name, value in _DEFAULTS.items():
        made.setdefault(name, value)
    return made
