"""How often a provider was stale, and how often another said otherwise."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("provider_answer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stale", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("disagreed", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("provider_answer", schema=None) as batch_op:
        batch_op.drop_column("disagreed")
        batch_op.drop_column("stale")
