"""Log lines: one for each event, as text or as JSON, on standard error.

    2026-03-01 12:00:00,123 INFO    batchway.batches: batch created batch=batch_1 key=team-a
    {"time": "...", "level": "info", "logger": "batchway.batches", "message": "batch created",
     "batch": "batch_1", "key": "team-a"}

An event is a few fixed words and its fields: ids, names of the configuration, counts, seconds.
Owns the formats and the request id that lines of a request end with. Does not own what is worth a
line. Fields never hold bodies, prompts, file names or secrets.
"""

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import Final

_QUIET: Final = ("dbos", "uvicorn.access", "alembic", "aiosqlite", "python_multipart")
_FIELDS: Final = "batchway_fields"

# Belongs to the request that a task answers, not to a module: tasks and threads inherit it.
request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)


def event(
    log: logging.Logger, words: str, /, *, level: int = logging.INFO, **fields: object
) -> None:
    """Log an event. Fields that are `None` are left out."""
    if log.isEnabledFor(level):
        told = {name: value for name, value in fields.items() if value is not None}
        log.log(level, "%s", words, extra={_FIELDS: told})


def configure_logging(*, level: str, json: bool) -> None:
    """Log to standard error from here on, in one format; libraries only from warnings up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if json else _TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("batchway").setLevel(level.upper())
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.ERROR)


class _TextFormatter(logging.Formatter):
    """One line for people, its fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        told = "".join(f" {name}={_shown(value)}" for name, value in _fields(record).items())
        return super().formatMessage(record) + told


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # A field never takes the place of one of these.
        entry |= {name: value for name, value in _fields(record).items() if name not in entry}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    told: dict[str, object] = dict(getattr(record, _FIELDS, {}))
    current = request_id.get()
    if current is not None and "request" not in told:
        told["request"] = current
    return told


def _shown(value: object) -> str:
    """A value as one word, or in quotes, with what a terminal would obey escaped."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and not any(c in text for c in ' "=')
    return text if plain and text else json.dumps(text)
