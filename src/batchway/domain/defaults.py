"""Defaults of settings that the core's own values have as well: said once, for both."""

from typing import Final

# Of a provider's model (`providers[].limits`).
MAX_CONCURRENCY: Final = 1024
TIMEOUT_SECONDS: Final = 600.0
MAX_ATTEMPTS: Final = 5
