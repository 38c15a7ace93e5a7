"""Our own side to test with: each shows only what a test is about."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.builders import ACCOUNT, SESSION, at
from trading.monitoring.live_account import Mark, MarkSource
from trading.monitoring.own_side import Before, DayPosition, OwnSide, day_position
from trading.orders.executions import ExecutionReport


def an_own_side(
    *, cash: int | str = 0, before: int | str | None = None, peak: int | str | None = None, **fields: Any
) -> OwnSide:
    """Return the own side of an account an hour after the open."""
    worth = Before(None if before is None else Decimal(before), None if peak is None else Decimal(peak))
    given = {
        "account": ACCOUNT,
        "session": SESSION,
        "at": at(60),
        "cash": Decimal(cash),
        "due": Decimal(0),
        "positions": {},
        "before": worth,
        "closes": {},
        "closed_at": at(0) - timedelta(hours=17, minutes=30),
        "orders": (),
        "sent_at": {},
        "filled_at": {},
        "stopped": {},
    }
    return OwnSide(**(given | fields))


def a_day(
    qty: int | str,
    *trades: ExecutionReport,
    close: int | str | None = None,
    multiplier: int | str = 1,
) -> DayPosition:
    """Return what the day made of a position that is now so large."""
    return day_position(Decimal(qty), trades, None if close is None else Decimal(close), Decimal(multiplier))


def at_mid(prices: Mapping[str, float]) -> dict[str, Mark]:
    """Return marks that are mids of a moment ago."""
    return {symbol: Mark(px, MarkSource.MID, 0.5) for symbol, px in prices.items()}


def ids(orders: Sequence[Any]) -> list[str]:
    return [order.cl_ord_id for order in orders]
