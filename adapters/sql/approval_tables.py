"""The ledger's tables of approvals: what was asked, and who answered what. Rows are only ever appended."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from adapters.sql.columns import UtcDateTime


class ApprovalRequestRow(SQLModel, table=True):
    """A decision whose orders wait for a person's word, and why."""

    __tablename__ = "approval_request"
    decision_id: str = Field(foreign_key="decision.decision_id", primary_key=True)
    account: str = Field(index=True)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    deadline: datetime = Field(sa_type=UtcDateTime)
    reason: str
    persons: int


class ApprovalAnswerRow(SQLModel, table=True):
    """What one person, or nobody in time, said of a decision's orders."""

    __tablename__ = "approval_answer"
    id: int | None = Field(default=None, primary_key=True)
    decision_id: str = Field(foreign_key="approval_request.decision_id", index=True)
    actor: str
    verdict: str
    cl_ord_ids: list[str] = Field(sa_type=sa.JSON)
    note: str
    answered_at: datetime = Field(sa_type=UtcDateTime)
