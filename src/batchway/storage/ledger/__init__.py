"""The ledger in SQL: SQLite on one machine, PostgreSQL beyond. Start at `sql_ledger`."""
