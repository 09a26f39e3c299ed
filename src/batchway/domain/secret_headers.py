"""Which headers of a request are credentials, and what of them a provider may repeat. Pure."""

from collections.abc import Mapping
from typing import Final

_HEADERS: Final = frozenset({"authorization", "api-key", "x-api-key", "x-amz-security-token"})
LONGEST_HARMLESS: Final = 3  # stand-ins such as `x`: cutting them out would leave no words


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The credentials among headers, as a provider would repeat them."""
    sent = (value for name, value in headers.items() if name.lower() in _HEADERS)
    return tuple(
        secret for value in sent if len(secret := value.removeprefix("Bearer ")) > LONGEST_HARMLESS
    )
