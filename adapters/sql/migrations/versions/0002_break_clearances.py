"""Breaks are cleared by name and reason."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "break_clearance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("break_type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("ours", sa.String(), nullable=False),
        sa.Column("theirs", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("cleared_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("break_clearance", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_break_clearance_account"), ["account"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("break_clearance", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_break_clearance_account"))

    op.drop_table("break_clearance")
