"""What of HTTP's statuses more than one room must know alike."""

from typing import Final

# Requests, with what they hold, are not sent on to an address that the configuration does not name.
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
