"""The watch: its rules, and when they were broken."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watch_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changed_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_watch_rule_rule_id", "watch_rule", ["rule_id"], unique=False)
    op.create_table(
        "watch_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("watch", sa.String(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("broken_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("is_broken", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("watch", "rule_id", "subject", "broken_at", "is_broken"),
    )


def downgrade() -> None:
    op.drop_table("watch_event")
    op.drop_index("ix_watch_rule_rule_id", table_name="watch_rule")
    op.drop_table("watch_rule")
