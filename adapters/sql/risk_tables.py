"""The ledger's table of risk reports."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import UtcDateTime


class RiskReportRow(SQLModel, table=True):
    """What an account's risk was when it was measured."""

    __tablename__ = "risk_report"
    id: int | None = Field(default=None, primary_key=True)
    account: str = Field(index=True)
    session: date
    reported_at: datetime = Field(sa_type=UtcDateTime)
    content: dict[str, Any] = Field(sa_type=sa.JSON)
