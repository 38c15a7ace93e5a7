"""An order has a purpose: there are others than a rebalance."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("new_order", schema=None) as batch_op:
        batch_op.add_column(sa.Column("purpose", sa.String(), nullable=False, server_default="rebalance"))


def downgrade() -> None:
    with op.batch_alter_table("new_order", schema=None) as batch_op:
        batch_op.drop_column("purpose")
