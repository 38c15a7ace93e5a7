"""Risk reports in SQL: what an account's risk was, each time it was measured."""

import sqlalchemy as sa
from pydantic import TypeAdapter

from adapters.sql.engine import reading, writing
from adapters.sql.risk_tables import RiskReportRow
from adapters.sql.rows import json_value, table_of
from trading.risk.report import RiskReport

REPORT = table_of(RiskReportRow)
_REPORT = TypeAdapter(RiskReport)


class SqlRiskReports:
    """Risk reports of all accounts of one ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(self, report: RiskReport) -> None:
        """Append a report, without the profits by scenario: they follow from bars and positions.

        One that says the same as another of that moment, such as a rehearsal's that is run again, is that one.
        """
        row = {"account": report.account, "session": report.session, "reported_at": report.reported_at}
        content = {name: value for name, value in json_value(report).items() if name != "pnl"}
        same = sa.and_(*(REPORT.c[name] == value for name, value in row.items()))
        with writing(self._engine) as connection:
            if content not in connection.execute(sa.select(REPORT.c.content).where(same)).scalars().all():
                connection.execute(sa.insert(REPORT).values(**row, content=content))

    def last(self, account: str) -> RiskReport | None:
        """Return the last report of the account, or None."""
        newest = sa.select(REPORT.c.content).where(REPORT.c.account == account).order_by(REPORT.c.id.desc()).limit(1)
        with reading(self._engine) as connection:
            found = connection.execute(newest).scalar_one_or_none()
        return None if found is None else _REPORT.validate_python(found)
