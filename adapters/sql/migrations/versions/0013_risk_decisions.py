"""A risk decision says what was used of the limit before, and what quantity was granted."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.columns import DecimalText

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("risk_decision", "order_request"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("before", sa.String(), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("risk_decision", schema=None) as batch_op:
        batch_op.add_column(sa.Column("asked_qty", DecimalText(), nullable=True))
        batch_op.add_column(sa.Column("granted_qty", DecimalText(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("risk_decision", schema=None) as batch_op:
        batch_op.drop_column("granted_qty")
        batch_op.drop_column("asked_qty")
    for table in ("order_request", "risk_decision"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("before")
