"""Interactive Brokers: reports as first heard, cash, and changes asked for."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ib_cash",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("movement_id", sa.String(), nullable=False),
        sa.Column("movement_type", sa.String(), nullable=False),
        sa.Column("amount", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("value_time", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("symbol", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account", "movement_id"),
    )
    op.create_table(
        "ib_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("exec_id", sa.String(), nullable=False),
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("exec_ref_id", sa.String(), nullable=True),
        sa.Column("exec_type", sa.String(), nullable=False),
        sa.Column("ord_status", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("last_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("last_px", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("cum_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("commission", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("multiplier", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("transact_time", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("order_qty", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("price", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("stop_px", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("peg_offset_value", adapters.sql.columns.DecimalText(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "exec_id"),
    )
    op.create_table(
        "ib_request",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("answered_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "cl_ord_id"),
    )
    with op.batch_alter_table("ib_report", schema=None) as batch_op:
        batch_op.create_index("ix_ib_report_account_cl_ord_id", ["account", "cl_ord_id"], unique=False)
        batch_op.create_index("ix_ib_report_account_transact_time", ["account", "transact_time"], unique=False)


def downgrade() -> None:
    op.drop_table("ib_request")
    with op.batch_alter_table("ib_report", schema=None) as batch_op:
        batch_op.drop_index("ix_ib_report_account_transact_time")
        batch_op.drop_index("ix_ib_report_account_cl_ord_id")

    op.drop_table("ib_report")
    op.drop_table("ib_cash")
