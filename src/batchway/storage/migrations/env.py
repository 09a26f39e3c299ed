"""Alembic's entry point. Owns how scripts run: on the caller's connection, in its transaction.

Does not configure logging: that belongs to the application.
"""

from alembic import context

from batchway.storage.ledger.tables import metadata
from batchway.storage.ledger.version import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # SQLite can undo DDL too; Alembic assumes that it cannot.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
