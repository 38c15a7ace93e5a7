"""Day trades: what is both bought and sold on one day of the exchange."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

from trading.market.calendars import TradingCalendar
from trading.orders.executions import ExecutionReport
from trading.orders.orders import Side

Trade = tuple[str, str, Side]  # cl_ord_id, symbol, side
_SESSIONS = 5
_LOOK_BACK = timedelta(days=10)  # holds five sessions, whatever holidays there are


def count_day_trades(trades: Iterable[Trade]) -> int:
    """Return how many day trades the orders of one day are: of a symbol traded both ways, the side with fewer orders.

    Args:
        trades: each order once.
    """
    sides = Counter((symbol, side) for _, symbol, side in trades)
    return sum(min(n, sides[symbol, Side.BUY]) for (symbol, side), n in sides.items() if side is Side.SELL)


def first_counted(session: date, calendar: TradingCalendar | None) -> date:
    """Return the first day whose day trades count in the session: it is one of five."""
    return session - _LOOK_BACK if calendar is None else calendar.sessions_before(session, _SESSIONS - 1)


def trades_by_day(
    executions: Iterable[ExecutionReport], session: date, calendar: TradingCalendar | None
) -> dict[date, frozenset[Trade]]:
    """Return which orders traded on each of the days that count in the session, by the exchange's own days.

    Args:
        calendar: None: the days are those of UTC.
    """
    found: dict[date, set[Trade]] = {}
    for trade in executions:
        at = trade.transact_time
        day = at.date() if calendar is None else calendar.local_date(at)
        found.setdefault(day, set()).add((trade.cl_ord_id, trade.symbol, trade.side))
    first = first_counted(session, calendar)
    return {day: frozenset(trades) for day, trades in found.items() if day >= first}
