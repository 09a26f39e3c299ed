"""Which schema this release of Batchway reads and writes.

Owns the number and the verdict on a database's number. Does not change any (`migrations` does).
"""

from typing import Final

from batchway.domain.errors import Unavailable

# Its own name, so that an application sharing the database can keep `alembic_version`.
VERSION_TABLE: Final = "batchway_version"

# The newest revision; a test holds it to the scripts in `migrations/versions`. Revisions are
# zero-padded numbers, so that an older release can tell that a database is newer than itself.
HEAD: Final = "0013"


def require_current(version: str | None, label: str) -> None:
    """Raise `Unavailable` with advice unless `version` is this release's."""
    require_not_newer(version, label)
    if version is None:
        raise Unavailable(f"The {label} has no Batchway tables yet: run `batchway db upgrade`.")
    if version != HEAD:
        raise Unavailable(
            f"The {label} has schema {version} and this release needs {HEAD}: "
            "run `batchway db upgrade`."
        )


def require_not_newer(version: str | None, label: str) -> None:
    """Raise `Unavailable` when a newer release has upgraded the database."""
    if version is not None and version > HEAD:
        raise Unavailable(
            f"The {label} has schema {version}, made by a newer Batchway; this release knows "
            f"up to {HEAD}: upgrade Batchway."
        )
