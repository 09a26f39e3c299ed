"""Databases for the fence test: those of the contract suites."""

from tests.contract.conftest import (
    ledger_url,
    postgres_server,
    postgres_url,
    sqlite_url,
    upgraded_postgres,
    upgraded_sqlite,
)

__all__ = [
    "ledger_url",
    "postgres_server",
    "postgres_url",
    "sqlite_url",
    "upgraded_postgres",
    "upgraded_sqlite",
]
