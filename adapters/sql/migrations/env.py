"""Alembic's environment: it always migrates the connection it is given."""

from alembic import context
from sqlmodel import SQLModel

import adapters.ib.tables
import adapters.paper.tables
import adapters.sql.alert_tables
import adapters.sql.approval_tables
import adapters.sql.breaker_tables
import adapters.sql.market_tables
import adapters.sql.risk_tables
import adapters.sql.tables
import adapters.sql.watch_tables  # noqa: F401 - all fill the metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
