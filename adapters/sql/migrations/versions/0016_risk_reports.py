"""Risk reports."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "risk_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("reported_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_risk_report_account", "risk_report", ["account"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_risk_report_account", table_name="risk_report")
    op.drop_table("risk_report")
