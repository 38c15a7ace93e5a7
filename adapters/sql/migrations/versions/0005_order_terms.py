"""Orders say more than a price, and are changed by requests of their own."""

from typing import Any

import sqlalchemy as sa
from alembic import op

import adapters.sql.columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_VALUES = ("order_qty", "price", "stop_px", "peg_offset_value")
_LINKS = ("list_id", "contingency_type", "parent_cl_ord_id")
_FLAGS = {"new_order": ("outside_regular_hours",), "paper_order": ("waits", "tied")}


def upgrade() -> None:
    for table, flags in _FLAGS.items():
        _add(table, sa.Column("peg_offset_value", adapters.sql.columns.DecimalText(), nullable=True))
        _add(table, sa.Column("peg_offset_type", sa.String(), nullable=True))
        _add(table, sa.Column("good_till", adapters.sql.columns.UtcDateTime(timezone=True), nullable=True))
        for name in ("triggers", "legs"):
            _add(table, sa.Column(name, sa.JSON(), nullable=True))
        for name in _LINKS:
            _add(table, sa.Column(name, sa.String(), nullable=True))
        for name in flags:
            _add(table, sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    _add("new_order", sa.Column("position_effect", sa.String(), nullable=True))
    for table in ("execution_report", "paper_report"):
        for name in _VALUES:
            _add(table, sa.Column(name, adapters.sql.columns.DecimalText(), nullable=True))
    op.create_table(
        "order_request",
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("orig_cl_ord_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        *(sa.Column(name, adapters.sql.columns.DecimalText(), nullable=True) for name in _VALUES),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("requested_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("limit", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["orig_cl_ord_id"], ["new_order.cl_ord_id"]),
        sa.PrimaryKeyConstraint("cl_ord_id"),
    )
    op.create_index("ix_order_request_orig_cl_ord_id", "order_request", ["orig_cl_ord_id"], unique=False)
    op.create_table(
        "paper_replace",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cl_ord_id", sa.String(), nullable=False),
        sa.Column("orig_cl_ord_id", sa.String(), nullable=False),
        sa.Column("answered_at", adapters.sql.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "cl_ord_id"),
    )


def downgrade() -> None:
    op.drop_table("paper_replace")
    op.drop_index("ix_order_request_orig_cl_ord_id", table_name="order_request")
    op.drop_table("order_request")
    for table in ("execution_report", "paper_report"):
        _drop(table, *_VALUES)
    for table, flags in _FLAGS.items():
        _drop(table, "peg_offset_value", "peg_offset_type", "good_till", "triggers", "legs", *_LINKS, *flags)
    _drop("new_order", "position_effect")


def _add(table: str, column: sa.Column[Any]) -> None:
    with op.batch_alter_table(table, schema=None) as batch_op:
        batch_op.add_column(column)


def _drop(table: str, *names: str) -> None:
    with op.batch_alter_table(table, schema=None) as batch_op:
        for name in names:
            batch_op.drop_column(name)
