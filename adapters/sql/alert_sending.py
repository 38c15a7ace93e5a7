"""Alert sending in SQL: a message is recorded as being sent before it goes out, and its receipt after."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from adapters.sql.alert_rows import (
    ACKNOWLEDGED,
    ALERT,
    MESSAGE,
    PART,
    QUEUE,
    RECEIPT,
    REPEAT,
    RESOLVED,
    alert_of,
)
from trading.alert_messages import OutgoingMessage
from trading.alert_routes import MINUTE, AlertPolicy, AlertRoute, Notice, NoticeKind, Traffic

GRACE = timedelta(seconds=10)  # beyond the time-out of a channel, for the receipt to be written
_MOST_FAILURES = 32  # looked back for; the pause has long reached its cap
_URGING = (NoticeKind.REPEATED.value, NoticeKind.ESCALATED.value)
_IS_TAKEN = (
    sa.exists()
    .where(
        *(PART.c[name] == QUEUE.c[name] for name in ("alert_id", "kind", "number")),
        MESSAGE.c.id == PART.c.message_id,
        MESSAGE.c.channel == QUEUE.c.channel,
        RECEIPT.c.message_id == MESSAGE.c.id,
        RECEIPT.c.delivered,
    )
    .correlate(QUEUE)
)


def next_notices(
    connection: sa.Connection, policy: AlertPolicy, route: AlertRoute, now: datetime
) -> tuple[Notice, ...]:
    """Return what the channel's next message holds; nothing when it must wait."""
    due = _notices(connection, is_due(policy, route, now), limit=route.at_once)
    return policy.next_message(route, due, _traffic(connection, route, now), now) if due else ()


def mark_sending(
    connection: sa.Connection, route: AlertRoute, notices: Sequence[Notice], now: datetime
) -> OutgoingMessage:
    """Record that the message is being sent; until its receipt, or its time is over, nobody else sends these."""
    expires_at = now + route.timeout + GRACE
    row = {"channel": route.name, "sending_at": now, "expires_at": expires_at}
    message_id = connection.execute(sa.insert(MESSAGE).values(**row).returning(MESSAGE.c.id)).scalar_one()
    connection.execute(sa.insert(PART), [_key(n) | {"message_id": message_id} for n in notices])
    claim = sa.update(QUEUE).where(*_row_of(route.name)).values(message_id=message_id)
    connection.execute(claim, [_bound(n) for n in notices])
    return OutgoingMessage(message_id=message_id, channel=route.name, notices=tuple(notices), expires_at=expires_at)


def record_receipt(
    connection: sa.Connection,
    message: OutgoingMessage,
    policy: AlertPolicy,
    *,
    delivered: bool | None,
    text: str,
    now: datetime,
) -> None:
    """Append what came of the message; what was not taken is queued again unless there is no need any more.

    Args:
        delivered: None where nobody can know.
    """
    row = {"message_id": message.message_id, "received_at": now, "delivered": delivered, "text": text}
    connection.execute(sa.insert(RECEIPT).values(**row))
    if delivered:
        # Also what was given up for lost meanwhile, unless it is under way again.
        mine = QUEUE.c.message_id.is_(None) | (QUEUE.c.message_id == message.message_id)
        connection.execute(
            sa.delete(QUEUE).where(*_row_of(message.channel), mine), [_bound(n) for n in message.notices]
        )
        return
    # A try before this one, given up for lost, may have had its receipt meanwhile.
    connection.execute(sa.delete(QUEUE).where(QUEUE.c.message_id == message.message_id, _IS_TAKEN))
    again = sa.update(QUEUE).where(*_row_of(message.channel), QUEUE.c.message_id == message.message_id)
    again = again.values(message_id=None, tries=sa.bindparam("new_tries"), next_try_at=sa.bindparam("new_next_try_at"))
    tried = [_bound(n) | {"new_tries": n.tries + 1, "new_next_try_at": policy.next_try(n.tries + 1, now)}
             for n in message.notices]  # fmt: skip
    connection.execute(again, tried)
    withdraw(connection, sorted({n.alert_id for n in message.notices}))


def withdraw(connection: sa.Connection, alert_ids: Sequence[int]) -> None:
    """Take out of the queue what needs not be told any more and is not under way."""
    resolved = sa.select(RESOLVED.c.alert_id).where(RESOLVED.c.alert_id.in_(alert_ids))
    acknowledged = sa.select(ACKNOWLEDGED.c.alert_id).where(ACKNOWLEDGED.c.alert_id.in_(alert_ids))
    is_over = QUEUE.c.alert_id.in_(resolved) & (QUEUE.c.kind != NoticeKind.RESOLVED.value)
    is_seen = QUEUE.c.alert_id.in_(acknowledged) & QUEUE.c.kind.in_(_URGING)
    connection.execute(sa.delete(QUEUE).where(QUEUE.c.message_id.is_(None), is_over | is_seen))


def lapsed(connection: sa.Connection, now: datetime) -> tuple[OutgoingMessage, ...]:
    """Return the messages without a receipt whose time is over, also by a clock that has gone back further."""
    ids = sa.select(QUEUE.c.message_id).where(QUEUE.c.message_id.is_not(None)).distinct()
    found = []
    for row in connection.execute(sa.select(MESSAGE).where(MESSAGE.c.id.in_(ids)).order_by(MESSAGE.c.id)).all():
        if row.sending_at - (row.expires_at - row.sending_at) < now < row.expires_at:
            continue
        notices = _notices(connection, QUEUE.c.message_id == row.id)
        found.append(
            OutgoingMessage(message_id=row.id, channel=row.channel, notices=notices, expires_at=row.expires_at)
        )
    return tuple(found)


def is_due(policy: AlertPolicy, route: AlertRoute, now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition for what the channel may be sent now."""
    # No pause is longer than the cap, unless the clock has gone back since.
    is_time = (QUEUE.c.next_try_at <= now) | (QUEUE.c.next_try_at > now + policy.retry_cap)
    return (QUEUE.c.channel == route.name) & QUEUE.c.message_id.is_(None) & is_time


def _notices(connection: sa.Connection, wanted: sa.ColumnElement[bool], limit: int | None = None) -> tuple[Notice, ...]:
    count = sa.select(sa.func.count()).where(REPEAT.c.alert_id == ALERT.c.id).scalar_subquery()
    columns = (QUEUE.c.kind, QUEUE.c.number, QUEUE.c.tries, count.label("repeats"), RESOLVED.c.text.label("ending"))
    found = sa.select(ALERT, *columns).join(ALERT, ALERT.c.id == QUEUE.c.alert_id)
    found = found.outerjoin(RESOLVED, RESOLVED.c.alert_id == ALERT.c.id).where(wanted)
    order = (QUEUE.c.gravity.desc(), QUEUE.c.raised_at, QUEUE.c.alert_id)
    return tuple(_notice(row) for row in connection.execute(found.order_by(*order).limit(limit)))


def _notice(row: sa.Row[Any]) -> Notice:
    alert, kind = alert_of(row), NoticeKind(row.kind)
    return Notice(
        alert_id=row.id,
        alert=replace(alert, text=row.ending) if kind is NoticeKind.RESOLVED else alert,
        kind=kind,
        number=row.number,
        count=1 + row.repeats,
        tries=row.tries,
    )


def _traffic(connection: sa.Connection, route: AlertRoute, now: datetime) -> Traffic:
    mine = MESSAGE.c.channel == route.name
    has_receipt = sa.exists().where(RECEIPT.c.message_id == MESSAGE.c.id)
    longest = route.timeout + GRACE  # so that not all that was ever sent is looked through
    just_now = (MESSAGE.c.sending_at > now - longest) & (MESSAGE.c.sending_at < now + longest)
    flying = sa.select(MESSAGE.c.id).where(mine, just_now, MESSAGE.c.expires_at > now, ~has_receipt)
    # What was sent later than now was sent before the clock went back; it says nothing of the last minute.
    sent = sa.select(sa.func.count()).where(mine, MESSAGE.c.sending_at > now - MINUTE, MESSAGE.c.sending_at <= now)
    last = sa.select(MESSAGE.c.id).where(mine).order_by(MESSAGE.c.sending_at.desc()).limit(_MOST_FAILURES)
    came = sa.select(RECEIPT.c.delivered, RECEIPT.c.received_at).where(RECEIPT.c.message_id.in_(last))
    receipts = connection.execute(came.order_by(RECEIPT.c.id.desc())).all()
    failed = next((i for i, r in enumerate(receipts) if r.delivered), len(receipts))
    return Traffic(
        in_flight=connection.execute(flying.limit(1)).first() is not None,
        sent_in_last_minute=int(connection.execute(sent).scalar_one()),
        failures=failed,
        last_failed_at=receipts[0].received_at if failed else None,
    )


def _key(notice: Notice) -> dict[str, Any]:
    return {"alert_id": notice.alert_id, "kind": notice.kind.value, "number": notice.number}


def _bound(notice: Notice) -> dict[str, Any]:
    return {f"its_{name}": value for name, value in _key(notice).items()}


def _row_of(channel: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        QUEUE.c.channel == channel,
        *(QUEUE.c[n] == sa.bindparam(f"its_{n}") for n in ("alert_id", "kind", "number")),
    )
