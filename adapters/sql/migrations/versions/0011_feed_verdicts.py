"""Verdicts on what is no daily bar."""

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column("verdicts", sa.JSON(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("checked_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_feed_verdict_source", "feed_verdict", ["source"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_feed_verdict_source", table_name="feed_verdict")
    op.drop_table("feed_verdict")
