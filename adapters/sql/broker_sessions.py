"""Sessions with brokers in SQL: every change of state, as a trail."""

from datetime import datetime

import sqlalchemy as sa

from adapters.sql.engine import writing
from adapters.sql.rows import table_of
from adapters.sql.tables import BrokerSessionRow

SESSION = table_of(BrokerSessionRow)


class SqlBrokerSessions:
    """The trails of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(
        self, account: str, session_name: str, changed_at: datetime, before: str, after: str, cause: str
    ) -> None:
        """Append a change of state."""
        row = {
            "account": account,
            "session_name": session_name,
            "changed_at": changed_at,
            "before": before,
            "after": after,
            "cause": cause,
        }
        with writing(self._engine) as connection:
            connection.execute(sa.insert(SESSION).values(**row))
