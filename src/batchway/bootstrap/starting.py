"""What a server says when it has started: what runs, on what, for whom, and what goes on.

Owns the choice of facts. Never an address of a provider, a user of a database or a secret.
"""

import logging
import os
import platform
import sqlite3
from collections.abc import Sequence
from typing import Final

from batchway import __version__
from batchway.settings import Settings
from batchway.telemetry import event

_log: Final = logging.getLogger("batchway")
_MOST_IDS: Final = 20


def tell_start(settings: Settings, *, database: str) -> None:
    """Log the start, before any batch goes on; `database` is its label."""
    event(
        _log,
        "server starts",
        version=__version__,
        pid=os.getpid(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version if settings.sqlite_file is not None else None,
        configuration=settings.source or "none",
    )
    event(_log, "data", directory=settings.data_dir, database=database, blobs=settings.blob_dir)
    for provider in settings.providers:
        event(
            _log,
            "provider configured",
            provider=provider.name,
            type=provider.type,
            mode=provider.mode.value,
        )


def tell_listening(address: str, *, open_mode: bool) -> None:
    """Log that the server at `address` can be called, and by whom."""
    event(
        _log,
        "listening",
        address=address,
        keys="none: open to this machine" if open_mode else "required",
    )


def tell_resumed(batch_ids: Sequence[str]) -> None:
    """Log the batches that an earlier life of this server left."""
    if batch_ids:
        event(
            _log,
            "batches resumed",
            count=len(batch_ids),
            batches=" ".join(batch_ids[:_MOST_IDS]),
            more=len(batch_ids) - _MOST_IDS if len(batch_ids) > _MOST_IDS else None,
        )
