"""Circuit breakers: what became of each, and which are tripped."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "breaker_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("threshold", adapters.sql.columns.DecimalText(), nullable=False),
        sa.Column("value", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("size_factor", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("cancel_working", sa.Boolean(), nullable=False),
        sa.Column("flatten", sa.Boolean(), nullable=False),
        sa.Column("two_persons", sa.Boolean(), nullable=False),
        sa.Column("reset_rule", sa.String(), nullable=False),
        sa.Column("until", adapters.sql.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("equity", adapters.sql.columns.DecimalText(), nullable=True),
        sa.Column("tripped_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("changed_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_breaker_change_breaker", "breaker_change", ["account", "kind", "scope", "subject"])
    op.create_table(
        "tripped_breaker",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["breaker_change.id"]),
        sa.PrimaryKeyConstraint("account", "kind", "scope", "subject"),
    )


def downgrade() -> None:
    op.drop_table("tripped_breaker")
    op.drop_index("ix_breaker_change_breaker", table_name="breaker_change")
    op.drop_table("breaker_change")
