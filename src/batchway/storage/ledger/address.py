"""The address of a database: which URLs are taken, and which driver opens each.

Owns parsing and the driver names. Does not connect.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_SHAPES: Final = (
    "A database URL is sqlite:///relative/path, sqlite:////absolute/path or "
    "postgresql://user:password@host/database."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A database to open. `url` may hold a password and is never shown; `label` may be."""

    url: URL
    sqlite: bool

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read a database URL. Raises `ValueError`, without the URL, when it has no known shape."""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            # `from None`: the cause repeats the URL, and with it a password.
            raise ValueError(_SHAPES) from None
        family = url.drivername.partition("+")[0]
        if family == "sqlite":
            # A database in memory is one per connection, so readers would not see writers.
            if not url.database or url.database.startswith((":memory:", "file:")):
                raise ValueError(_SHAPES)
            return cls(url=url, sqlite=True)
        if family in {"postgresql", "postgres"}:
            return cls(url=url, sqlite=False)
        raise ValueError(_SHAPES)

    @property
    def asynchronous(self) -> URL:
        """The URL with the driver of the ledger."""
        driver = "sqlite+aiosqlite" if self.sqlite else "postgresql+psycopg_async"
        return self.url.set(drivername=driver)

    @property
    def synchronous(self) -> URL:
        """The URL with the driver of migrations."""
        driver = "sqlite+pysqlite" if self.sqlite else "postgresql+psycopg"
        return self.url.set(drivername=driver)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return Path(self.url.database or "") if self.sqlite else None

    @property
    def label(self) -> str:
        """How messages call this database: never with user, password or options."""
        if self.sqlite:
            return f"SQLite database {self.url.database}"
        return f"PostgreSQL database {self.url.database or ''} at {self.url.host or 'localhost'}"
