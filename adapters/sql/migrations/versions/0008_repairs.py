"""What persons say of bars; and renames among the corporate actions."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("corporate_action", sa.Column("new_symbol", sa.String(), nullable=True))
    op.create_table(
        "bar_repair",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("before", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("after", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("repaired_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_bar_repair_source", "bar_repair", ["source"], unique=False)
    op.create_table(
        "symbol_hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changed_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_symbol_hold_source", "symbol_hold", ["source"], unique=False)
    op.create_table(
        "finding_acceptance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("accepted_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_finding_acceptance_source", "finding_acceptance", ["source"], unique=False)


def downgrade() -> None:
    for table in ("finding_acceptance", "symbol_hold", "bar_repair"):
        op.drop_index(f"ix_{table}_source", table_name=table)
        op.drop_table(table)
    with op.batch_alter_table("corporate_action") as batch_op:
        batch_op.drop_column("new_symbol")
