"""How long HTTP waits, where several modules must agree."""

from typing import Final

CONNECT_SECONDS: Final = 10.0  # until there is a connection: name, TCP, TLS, a proxy's consent
