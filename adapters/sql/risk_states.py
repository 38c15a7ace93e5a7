"""The account as the gate is to see it, read in the transaction that will record what it decides."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import sqlalchemy as sa

from adapters.sql.books import read_books, read_positions, read_trades
from adapters.sql.breakers import active_restrictions
from adapters.sql.order_rows import ORDER, REPLACE, REQUEST, read_orders
from trading.orders.orders import Order, OrderPurpose
from trading.risk.day_trades import Trade, count_day_trades, first_counted, trades_by_day
from trading.risk.exposure import held_without, order_in_force_notional
from trading.risk.gate import RiskState
from trading.risk.inputs import RiskInputs
from trading.risk.restrictions import Restriction, RiskScope
from trading.risk.scoped_limits import LimitScope

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which account is asked for, and as of when.

    Attributes:
        as_of: corporate actions until then have changed what is held.
        now: when the orders were decided.
        but_for: an order that is to be judged as if it had never been.
    """

    account: str
    session: date
    as_of: datetime
    now: datetime
    equity: Decimal
    cash: Decimal
    but_for: Order | None = None


def risk_state(connection: sa.Connection, asked: Asked, inputs: RiskInputs, working: Collection[Order]) -> RiskState:
    """Return the account with all that works and all that was done in the session.

    Args:
        working: the account's open orders.
    """
    restrictions = active_restrictions(connection, asked.account, asked.now)
    trades = _trades(connection, asked, inputs)
    stated = inputs.stated
    held = read_books(connection, asked.account, asked.as_of).held() if stated is None else dict(stated)
    mine = None if asked.but_for is None else asked.but_for.cl_ord_id
    counted = _counted(asked)
    multipliers = inputs.multipliers()
    today = [o for o in read_orders(connection, counted) if o.cl_ord_id != mine]
    return RiskState(
        equity=asked.equity,
        cash=asked.cash,
        held=held_without(held, asked.but_for),
        marks=inputs.marks,
        working=[o for o in working if o.cl_ord_id != mine],
        orders_today=len(today) + _changes(connection, counted) + (mine is not None),
        notional_today=sum((order_in_force_notional(o, inputs.marks, multipliers) for o in today), Decimal(0)),
        today=tuple(o.in_force for o in today),
        orders_last_minute=_last_minute(connection, asked) if inputs.limits.max_orders_per_minute is not None else 0,
        day_trades_before=sum(count_day_trades(of) for day, of in trades.items() if day != asked.session),
        traded_today=trades.get(asked.session, frozenset()),
        blocked=inputs.blocked,
        currency=inputs.currency,
        restrictions=restrictions,
        books=_books(connection, asked, inputs, restrictions),
        facts=inputs.facts,
        margin=inputs.margin,
        market_volatility_pct=inputs.market_volatility_pct,
        closes_at=inputs.closes_at,
        portfolio=inputs.portfolio,
    )


def _counted(asked: Asked) -> sa.ColumnElement[bool]:
    """Return the condition for the orders that count for the limits of a session: all but protective ones."""
    protects = ORDER.c.purpose == OrderPurpose.PROTECT.value
    return (ORDER.c.account == asked.account) & (ORDER.c.session == asked.session) & ~protects


def _changes(connection: sa.Connection, counted: sa.ColumnElement[bool]) -> int:
    """Return how often these orders were changed: each is a message of the day, or a loop of them would never end."""
    changed = sa.select(sa.func.count()).where(
        REQUEST.c.kind == REPLACE,
        REQUEST.c.accepted,
        REQUEST.c.orig_cl_ord_id.in_(sa.select(ORDER.c.cl_ord_id).where(counted)),
    )
    return int(connection.execute(changed).scalar_one())


def _books(
    connection: sa.Connection, asked: Asked, inputs: RiskInputs, restrictions: Collection[Restriction]
) -> dict[str, dict[str, Decimal]]:
    named = {scoped.subject for scoped in inputs.limits.scopes if scoped.scope is LimitScope.STRATEGY}
    named |= {r.subject for r in restrictions if r.scope is RiskScope.STRATEGY}
    return {
        book: held_without(
            {s: p.qty for s, p in read_positions(connection, asked.account, asked.as_of, book).items() if p.qty},
            asked.but_for if asked.but_for is not None and asked.but_for.new_order.book == book else None,
        )
        for book in named
    }


def _last_minute(connection: sa.Connection, asked: Asked) -> int:
    since = asked.now - _MINUTE
    made = sa.select(sa.func.count()).where(
        ORDER.c.account == asked.account,
        ORDER.c.purpose != OrderPurpose.PROTECT.value,
        ORDER.c.transact_time > since,
        ORDER.c.transact_time <= asked.now,
    )
    changed = sa.select(sa.func.count()).where(
        REQUEST.c.account == asked.account,
        REQUEST.c.kind == REPLACE,
        REQUEST.c.accepted,
        REQUEST.c.requested_at > since,
        REQUEST.c.requested_at <= asked.now,
    )
    return int(connection.execute(made).scalar_one()) + int(connection.execute(changed).scalar_one())


def _trades(connection: sa.Connection, asked: Asked, inputs: RiskInputs) -> dict[date, frozenset[Trade]]:
    """Return which orders traded on each of the days that day trades count in, if a limit asks for it."""
    if inputs.limits.max_day_trades is None:
        return {}
    since = first_counted(asked.session, inputs.calendar) - _DAY  # an exchange's day may begin on another one of UTC
    reports = read_trades(connection, asked.account, datetime.combine(since, time(), UTC))
    mine = None if asked.but_for is None else asked.but_for.cl_ord_id
    return trades_by_day((r for r in reports if r.cl_ord_id != mine), asked.session, inputs.calendar)
