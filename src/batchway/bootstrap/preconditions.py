"""What would keep a command from starting, found out before it makes anything on disk."""

from yarl import URL

from batchway.domain.errors import Unavailable
from batchway.providers.http.proxies import proxy_for
from batchway.settings import Settings
from batchway.storage.ledger.sqlite_release import require_sqlite


def check_database(settings: Settings) -> None:
    """See whether this Python can open the configured kind of database. Opens nothing.

    Raises `Unavailable`. The engine would fail with a traceback of its own.
    """
    if settings.sqlite_file is not None:
        require_sqlite()


def check_proxies(settings: Settings) -> None:
    """See whether each configured provider can be called through the proxy of the environment.

    Connects nowhere. Raises `Unavailable` for a proxy that Batchway does not speak to: each request
    would fail for it.
    """
    for entry in settings.providers:
        address = entry.address
        if address is None:
            continue
        try:
            proxy_for(URL(address))
        except ValueError as error:
            raise Unavailable(f"The provider '{entry.name}' cannot be called: {error}.") from error
