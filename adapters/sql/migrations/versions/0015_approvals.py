"""Requests for a person's approval, and the answers."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approval_request",
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("asked_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("deadline", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.decision_id"]),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("ix_approval_request_account", "approval_request", ["account"], unique=False)
    op.create_table(
        "approval_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("cl_ord_ids", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("answered_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["approval_request.decision_id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_approval_answer_decision_id", "approval_answer", ["decision_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_approval_answer_decision_id", table_name="approval_answer")
    op.drop_table("approval_answer")
    op.drop_index("ix_approval_request_account", table_name="approval_request")
    op.drop_table("approval_request")
