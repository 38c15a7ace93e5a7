"""Live accounts are armed, and sessions with brokers leave a trail."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "arming",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("armed_until", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("armed_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("arming", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_arming_account"), ["account"], unique=False)

    op.create_table(
        "broker_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("session_name", sa.String(), nullable=False),
        sa.Column("changed_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("broker_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_broker_session_account"), ["account"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("broker_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_broker_session_account"))

    op.drop_table("broker_session")
    with op.batch_alter_table("arming", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_arming_account"))

    op.drop_table("arming")
