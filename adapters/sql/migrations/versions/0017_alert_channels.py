"""Alerts are told channel by channel, repeated, escalated, acknowledged and resolved."""

import sqlalchemy as sa
from alembic import op

from adapters.sql.columns import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NAMES = {"uq": "%(table_name)s_%(column_0_name)s_key"}  # PostgreSQL's own
_PARTS = ("alert_id", "kind", "number")


def upgrade() -> None:
    deliveries = op.get_bind().exec_driver_sql("SELECT id, alert_id FROM alert_delivery ORDER BY id").all()
    _make_messages()
    op.execute(
        "INSERT INTO alert_message (id, channel, sending_at, expires_at) "
        "SELECT id, '', tried_at, tried_at FROM alert_delivery ORDER BY id"
    )
    op.execute(
        "INSERT INTO alert_receipt (id, message_id, received_at, delivered, text) "
        "SELECT id, id, tried_at, delivered, text FROM alert_delivery ORDER BY id"
    )
    op.drop_table("alert_delivery")  # before `alert` is made anew: SQLite would not let go what it refers to
    with op.batch_alter_table("alert", naming_convention=_NAMES) as batch_op:
        batch_op.drop_constraint("alert_fingerprint_key", type_="unique")
        batch_op.add_column(sa.Column("lasting", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_alert_fingerprint", "alert", ["fingerprint"], unique=False)
    op.create_index("ix_alert_raised_at", "alert", ["raised_at"], unique=False)
    _make_facts()
    _make_queue()
    _take_over([{"message_id": i, "alert_id": alert_id} for i, alert_id in deliveries])


def downgrade() -> None:
    for table in ("queue", "message_part", "notice", "resolution", "acknowledgement", "repeat", "receipt", "message"):
        op.drop_table(f"alert_{table}")
    op.drop_index("ix_alert_raised_at", table_name="alert")
    op.drop_index("ix_alert_fingerprint", table_name="alert")
    op.execute("DELETE FROM alert WHERE id NOT IN (SELECT max(id) FROM alert GROUP BY fingerprint)")
    with op.batch_alter_table("alert") as batch_op:
        batch_op.drop_column("lasting")
        batch_op.create_unique_constraint("alert_fingerprint_key", ["fingerprint"])
    op.create_table(
        "alert_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("tried_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alert_delivery_alert_id", "alert_delivery", ["alert_id"], unique=False)


def _make_messages() -> None:
    op.create_table(
        "alert_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("sending_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alert_message_channel_sending_at", "alert_message", ["channel", "sending_at"], unique=False)
    op.create_table(
        "alert_receipt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["alert_message.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alert_receipt_message_id", "alert_receipt", ["message_id"], unique=False)


def _make_facts() -> None:
    op.create_table(
        "alert_repeat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("raised_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alert_repeat_alert_id", "alert_repeat", ["alert_id"], unique=False)
    for name, at, texts in (
        ("alert_acknowledgement", "acknowledged_at", ("actor", "note")),
        ("alert_resolution", "resolved_at", ("text",)),
    ):
        op.create_table(
            name,
            sa.Column("alert_id", sa.Integer(), nullable=False),
            *(sa.Column(text, sa.String(), nullable=False) for text in texts),
            sa.Column(at, UtcDateTime(timezone=True), nullable=False),
            sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
            sa.PrimaryKeyConstraint("alert_id"),
        )
    op.create_table(
        "alert_notice",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.Column("decided_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
        sa.PrimaryKeyConstraint(*_PARTS),
    )
    op.create_table(
        "alert_message_part",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["alert_message.id"]),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
        sa.PrimaryKeyConstraint("message_id", *_PARTS),
    )
    op.create_index("ix_alert_message_part_alert_id", "alert_message_part", ["alert_id"], unique=False)


def _make_queue() -> None:
    op.create_table(
        "alert_queue",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("gravity", sa.Integer(), nullable=False),
        sa.Column("raised_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
        sa.ForeignKeyConstraint(["message_id"], ["alert_message.id"]),
        sa.PrimaryKeyConstraint(*_PARTS, "channel"),
    )
    indexed = ["channel", "gravity", "raised_at"]
    op.create_index("ix_alert_queue_channel_gravity_raised_at", "alert_queue", indexed, unique=False)
    op.create_index("ix_alert_queue_message_id", "alert_queue", ["message_id"], unique=False)


def _take_over(parts: list[dict[str, int]]) -> None:
    """Take what was told so far as told, whatever channels come, and what was not as still to be told."""
    if parts:
        table = sa.table("alert_message_part", *(sa.column(name) for name in ("message_id", *_PARTS)))
        op.bulk_insert(table, [part | {"kind": "raised", "number": 0} for part in parts])
    op.execute(
        "INSERT INTO alert_notice (alert_id, kind, number, channels, decided_at) "
        "SELECT p.alert_id, 'raised', 0, '[\"\"]', min(r.received_at) FROM alert_message_part p "
        "JOIN alert_receipt r ON r.message_id = p.message_id WHERE r.delivered GROUP BY p.alert_id"
    )
    op.execute(
        "INSERT INTO alert_queue (alert_id, kind, number, channel, gravity, raised_at, tries, next_try_at) "
        "SELECT id, 'raised', 0, '', CASE severity WHEN 'info' THEN 0 WHEN 'warning' THEN 1 WHEN 'critical' THEN 2 "
        "ELSE 3 END, raised_at, 0, raised_at FROM alert WHERE id NOT IN (SELECT alert_id FROM alert_notice)"
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval('alert_message_id_seq', max(id)) FROM alert_message HAVING max(id) > 0")
        op.execute("SELECT setval('alert_receipt_id_seq', max(id)) FROM alert_receipt HAVING max(id) > 0")
