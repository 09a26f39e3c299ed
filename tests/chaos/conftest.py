"""Directories on a disk; databases for the fence test, those of the contract suites; and servers
that find the toy.
"""

from tests.contract.conftest import (
    ledger_url,
    postgres_server,
    postgres_url,
    sqlite_url,
    upgraded_postgres,
    upgraded_sqlite,
)
from tests.on_disk import remember_failure, tmp_path
from tests.toy.conftest import toy_is_importable

__all__ = [
    "ledger_url",
    "postgres_server",
    "postgres_url",
    "remember_failure",
    "sqlite_url",
    "tmp_path",
    "toy_is_importable",
    "upgraded_postgres",
    "upgraded_sqlite",
]
