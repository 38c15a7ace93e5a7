"""Orders may be worked by an execution algorithm of the broker."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("new_order", schema=None) as batch_op:
        batch_op.add_column(sa.Column("algo", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("new_order", schema=None) as batch_op:
        batch_op.drop_column("algo")
