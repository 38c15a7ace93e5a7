"""What each provider has answered."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("answered_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_provider_answer_provider", "provider_answer", ["provider"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_provider_answer_provider", table_name="provider_answer")
    op.drop_table("provider_answer")
