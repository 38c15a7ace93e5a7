"""The first day."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("raised_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("fingerprint"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("entered_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("entry_hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "cash_movement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("movement_id", sa.String(), nullable=False),
        sa.Column("movement_type", sa.String(), nullable=False),
        sa.Column("amount", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("value_time", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("symbol", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "movement_id"),
    )
    op.create_table(
        "corporate_action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("effective_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "symbol", "ex_date", "kind"),
    )
    op.create_table(
        "decision",
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("sizing", sa.JSON(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("bars_hash", sa.String(), nullable=False),
        sa.Column("first_session", sa.Date(), nullable=False),
        sa.Column("bars_session", sa.Date(), nullable=False),
        sa.Column("verdict_id", sa.String(), nullable=False),
        sa.Column("equity", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("cash", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("decided_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id"),
        sa.UniqueConstraint("account", "session", "book"),
    )
    op.create_table(
        "execution_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("exec_id", sa.String(), nullable=False),
        sa.Column("exec_ref_id", sa.String(), nullable=True),
        sa.Column("exec_type", sa.String(), nullable=False),
        sa.Column("ord_status", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("last_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("last_px", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("cum_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("commission", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("transact_time", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "exec_id"),
    )
    with op.batch_alter_table("execution_report", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_execution_report_cl_ord_id"), ["cl_ord_id"], unique=False)

    op.create_table(
        "halt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("halted", sa.Boolean(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("changed_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("halt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_halt_scope"), ["scope"], unique=False)

    op.create_table(
        "lease",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("expires_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "paper_account",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("cash", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("due_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "paper_cash",
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
        "paper_order",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("order_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("ord_type", sa.String(), nullable=False),
        sa.Column("time_in_force", sa.String(), nullable=False),
        sa.Column("price", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("stop_px", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("first_session", sa.Date(), nullable=False),
        sa.Column("accepted_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("active_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("moment", sa.String(), nullable=False),
        sa.Column("triggered", sa.Boolean(), nullable=False),
        sa.Column("cum_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("ord_status", sa.String(), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("due_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", "cl_ord_id"),
    )
    with op.batch_alter_table("paper_order", schema=None) as batch_op:
        batch_op.create_index("ix_paper_order_account_due_at", ["account", "due_at"], unique=False)

    op.create_table(
        "paper_position",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column("due_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", "symbol"),
    )
    with op.batch_alter_table("paper_position", schema=None) as batch_op:
        batch_op.create_index("ix_paper_position_account_due_at", ["account", "due_at"], unique=False)

    op.create_table(
        "paper_report",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("exec_id", sa.String(), nullable=False),
        sa.Column("exec_type", sa.String(), nullable=False),
        sa.Column("ord_status", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("last_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("last_px", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("cum_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("commission", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("transact_time", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("account", "cl_ord_id", "number"),
    )
    with op.batch_alter_table("paper_report", schema=None) as batch_op:
        batch_op.create_index("ix_paper_report_account_transact_time", ["account", "transact_time"], unique=False)

    op.create_table(
        "quality_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("verdict_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("bars_hash", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("day_verdict", sa.String(), nullable=False),
        sa.Column("symbols", sa.JSON(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("checked_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("quality_report", schema=None) as batch_op:
        batch_op.create_index("ix_quality_report_source_session", ["source", "session"], unique=False)
        batch_op.create_index(batch_op.f("ix_quality_report_verdict_id"), ["verdict_id"], unique=False)

    op.create_table(
        "reconciliation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("reconciled_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("equity", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("cash", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("breaks", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reconciliation", schema=None) as batch_op:
        batch_op.create_index("ix_reconciliation_account_session", ["account", "session"], unique=False)

    op.create_table(
        "alert_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("tried_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alert.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("alert_delivery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alert_delivery_alert_id"), ["alert_id"], unique=False)

    op.create_table(
        "new_order",
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("order_qty", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("ord_type", sa.String(), nullable=False),
        sa.Column("time_in_force", sa.String(), nullable=False),
        sa.Column("price", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("stop_px", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("expire_time", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("transact_time", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["decision.decision_id"],
        ),
        sa.PrimaryKeyConstraint("cl_ord_id"),
    )
    with op.batch_alter_table("new_order", schema=None) as batch_op:
        batch_op.create_index("ix_new_order_account_session", ["account", "session"], unique=False)

    op.create_table(
        "risk_decision",
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("limit", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("decided_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["decision.decision_id"],
        ),
        sa.PrimaryKeyConstraint("cl_ord_id"),
    )
    with op.batch_alter_table("risk_decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_risk_decision_decision_id"), ["decision_id"], unique=False)

    op.create_table(
        "order_state",
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("ord_status", sa.String(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cl_ord_id"],
            ["new_order.cl_ord_id"],
        ),
        sa.PrimaryKeyConstraint("cl_ord_id"),
    )
    with op.batch_alter_table("order_state", schema=None) as batch_op:
        batch_op.create_index("ix_order_state_account_open", ["account", "is_open"], unique=False)

    op.create_table(
        "send_mark",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("marked_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cl_ord_id"],
            ["new_order.cl_ord_id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("send_mark", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_send_mark_cl_ord_id"), ["cl_ord_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("send_mark", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_send_mark_cl_ord_id"))

    op.drop_table("send_mark")
    with op.batch_alter_table("order_state", schema=None) as batch_op:
        batch_op.drop_index("ix_order_state_account_open")

    op.drop_table("order_state")
    with op.batch_alter_table("risk_decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_risk_decision_decision_id"))

    op.drop_table("risk_decision")
    with op.batch_alter_table("new_order", schema=None) as batch_op:
        batch_op.drop_index("ix_new_order_account_session")

    op.drop_table("new_order")
    with op.batch_alter_table("alert_delivery", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_alert_delivery_alert_id"))

    op.drop_table("alert_delivery")
    with op.batch_alter_table("reconciliation", schema=None) as batch_op:
        batch_op.drop_index("ix_reconciliation_account_session")

    op.drop_table("reconciliation")
    with op.batch_alter_table("quality_report", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_quality_report_verdict_id"))
        batch_op.drop_index("ix_quality_report_source_session")

    op.drop_table("quality_report")
    with op.batch_alter_table("paper_report", schema=None) as batch_op:
        batch_op.drop_index("ix_paper_report_account_transact_time")

    op.drop_table("paper_report")
    with op.batch_alter_table("paper_position", schema=None) as batch_op:
        batch_op.drop_index("ix_paper_position_account_due_at")

    op.drop_table("paper_position")
    with op.batch_alter_table("paper_order", schema=None) as batch_op:
        batch_op.drop_index("ix_paper_order_account_due_at")

    op.drop_table("paper_order")
    op.drop_table("paper_cash")
    op.drop_table("paper_account")
    op.drop_table("lease")
    with op.batch_alter_table("halt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_halt_scope"))

    op.drop_table("halt")
    with op.batch_alter_table("execution_report", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_execution_report_cl_ord_id"))

    op.drop_table("execution_report")
    op.drop_table("decision")
    op.drop_table("corporate_action")
    op.drop_table("cash_movement")
    op.drop_table("audit_entry")
    op.drop_table("alert")
