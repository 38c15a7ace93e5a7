"""The account as the gate is to see it, read in the transaction that will record what it decides."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import sqlalchemy as sa

from adapters.sql.books import read_books, read_positions, read_trades
from adapters.sql.breakers import active_restrictions
from adapters.sql.order_rows import ORDER, REPLACE, REQUEST, read_orders
from trading.orders.orders import NewOrderSingle, Order, OrderPurpose, Side
from trading.risk.exposure import order_notional
from trading.risk.gate import RiskState
from trading.risk.inputs import RiskInputs
from trading.risk.restrictions import Restriction, RiskScope
from trading.risk.scoped_limits import LimitScope
from trading.risk.trading_facts import NOTHING_KNOWN

_MINUTE = timedelta(minutes=1)
_DAY_TRADES_LOOK_BACK = timedelta(days=10)  # holds five sessions, whatever holidays there are


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
    today = [o for o in read_orders(connection, counted) if o.cl_ord_id != mine]
    return RiskState(
        equity=asked.equity,
        cash=asked.cash,
        held=_without(held, asked.but_for),
        marks=inputs.marks,
        working=[o for o in working if o.cl_ord_id != mine],
        orders_today=len(today) + _changes(connection, counted) + (mine is not None),
        notional_today=sum((_notional(o, inputs) for o in today), Decimal(0)),
        today=tuple(o.in_force for o in today),
        orders_last_minute=_last_minute(connection, asked) if inputs.limits.max_orders_per_minute is not None else 0,
        day_trades_before=_day_trades([t for t in trades if t[0] != asked.session]),
        traded_today=frozenset(trade for day, trade in trades if day == asked.session),
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


def _notional(order: Order, inputs: RiskInputs) -> Decimal:
    """Return what the order counts for in the day's total."""
    return sum((_part_notional(order, part, inputs) for part in order.in_force.parts()), Decimal(0))


def _part_notional(order: Order, part: NewOrderSingle, inputs: RiskInputs) -> Decimal:
    px, instrument = inputs.marks.get(part.symbol), inputs.facts.get(part.symbol, NOTHING_KNOWN).instrument
    if px is None or not px.is_finite():
        # Another book's order may have no price here; what was paid for it, or its own price, then counts.
        px = Decimal(0) if order.new_order.legs else order.avg_px or Decimal(0)
    return order_notional(part, px, Decimal(1) if instrument is None else instrument.multiplier)


def _without(held: dict[str, Decimal], order: Order | None) -> dict[str, Decimal]:
    """Take from what is held what the order has filled."""
    if order is not None:
        meant = order.new_order
        for part, ratio in zip(meant.parts(), meant.ratios(), strict=True):
            held[part.symbol] = held.get(part.symbol, Decimal(0)) - part.side.sign * ratio * order.cum_qty
    return held


def _books(
    connection: sa.Connection, asked: Asked, inputs: RiskInputs, restrictions: Collection[Restriction]
) -> dict[str, dict[str, Decimal]]:
    named = {scoped.subject for scoped in inputs.limits.scopes if scoped.scope is LimitScope.STRATEGY}
    named |= {r.subject for r in restrictions if r.scope is RiskScope.STRATEGY}
    return {
        book: _without(
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


Trade = tuple[str, str, Side]  # cl_ord_id, symbol, side


def _trades(connection: sa.Connection, asked: Asked, inputs: RiskInputs) -> frozenset[tuple[date, Trade]]:
    """Return each order that traded in the last five sessions, by its day (UTC), if a limit asks for it."""
    if inputs.limits.max_day_trades is None:
        return frozenset()
    since = inputs.day_trades_since or asked.session - _DAY_TRADES_LOOK_BACK
    reports = read_trades(connection, asked.account, datetime.combine(since, time(), UTC))
    mine = None if asked.but_for is None else asked.but_for.cl_ord_id
    return frozenset((r.transact_time.date(), (r.cl_ord_id, r.symbol, r.side)) for r in reports if r.cl_ord_id != mine)


def _day_trades(trades: Collection[tuple[date, Trade]]) -> int:
    """Return how many day trades they are: of a symbol traded both ways on a day, the side with fewer orders."""
    sides = Counter((day, symbol, side) for day, (_, symbol, side) in trades)
    return sum(min(n, sides[day, symbol, Side.BUY]) for (day, symbol, side), n in sides.items() if side is Side.SELL)
