"""What would keep a command from starting, found out before it makes anything on disk."""

from yarl import URL

from batchway.bootstrap.parts import SystemClock
from batchway.bootstrap.worker import new_provider
from batchway.domain.endpoint import Endpoint
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


def check_providers(settings: Settings) -> None:
    """See whether each configured provider can be called at all. Connects nowhere.

    Raises `Unavailable`: credentials that need a package which is not installed, or a proxy of the
    environment that Batchway does not speak to. Else each request would fail for it.
    """
    clock = SystemClock()
    for entry in settings.providers:
        try:
            address = new_provider(entry, clock=clock).url(Endpoint.CHAT_COMPLETIONS, "model")
            proxy_for(URL(address))
        except ValueError as error:
            raise Unavailable(f"The provider '{entry.name}' cannot be called: {error}.") from error
