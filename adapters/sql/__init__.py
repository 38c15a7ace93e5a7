"""The ledger in SQL: SQLite by default, PostgreSQL by URL."""
