"""Own readings: the numbers of our own side that rules are held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import nan

import numpy as np

from trading.monitoring.live_account import Mark, account_now
from trading.monitoring.own_side import OwnSide, is_unanswered
from trading.monitoring.tick_batch import FloatArray
from trading.monitoring.watch_rules import OwnMetric, Subjects
from trading.orders.orders import Order, OrderPurpose

FRESH_FILL = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """Numbers of subjects of one kind, as a rule book evaluates them.

    Attributes:
        subjects: the columns: ClOrdIDs, symbols, or the account.
        symbols: the symbol of each subject; empty of the account.
        values: a row for each metric; NaN is not known.
        problems: why a number is not known, a sentence each.
    """

    metrics: tuple[OwnMetric, ...]
    subjects: tuple[str, ...]
    symbols: tuple[str, ...]
    values: FloatArray
    problems: tuple[str, ...] = ()


def own_readings(
    own: OwnSide,
    marks: Mapping[str, Mark],
    mids: Mapping[str, float],
    arrivals: Mapping[str, float],
    at: datetime,
) -> dict[Subjects, Readings]:
    """Return the numbers of the orders, the positions and the account.

    Args:
        marks: of what is held.
        mids: of all symbols that are watched; a symbol that has none is missing, or NaN.
        arrivals: what `arrived` has kept.
    """
    orders, held = own.watched_orders(), own.held()
    now = account_now(own, marks, at)
    return {
        Subjects.ORDERS: Readings(
            metrics=(
                OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS,
                OwnMetric.FILL_SLIPPAGE_PCT,
                OwnMetric.ORDER_DISTANCE_PCT,
            ),
            subjects=tuple(o.cl_ord_id for o in orders),
            symbols=tuple(o.new_order.symbol for o in orders),
            values=_rows(
                [unacknowledged_seconds(o, own.sent_at.get(o.cl_ord_id), at) for o in orders],
                [slippage_pct(o, arrivals.get(o.cl_ord_id, nan)) for o in orders],
                [distance_pct(o, mids.get(o.new_order.symbol, nan)) for o in orders],
            ),
        ),
        Subjects.POSITIONS: Readings(
            metrics=(OwnMetric.POSITION_WITHOUT_STOP,),
            subjects=tuple(held),
            symbols=tuple(held),
            values=_rows([float(not own.stopped[s]) if s in own.stopped else nan for s in held]),
        ),
        Subjects.ACCOUNT: Readings(
            metrics=(OwnMetric.DAY_LOSS_PCT, OwnMetric.DRAWDOWN_PCT, OwnMetric.GROSS_EXPOSURE_PCT),
            subjects=(own.account,),
            symbols=("",),
            values=_rows([now.loss_pct], [now.drawdown_pct], [now.gross_pct]),
            problems=now.problems,
        ),
    }


def arrived(arrivals: Mapping[str, float], own: OwnSide, mids: Mapping[str, float]) -> dict[str, float]:
    """Return the arrival price of each order that is watched: the first mid that is known of it.

    One that had filled a minute before it was first seen has none: what it met when it arrived is not known any more.
    This is the one thing here that is not in the ledger; a watch that is to go on after a restart keeps it.

    Args:
        arrivals: as they were.
    """
    kept = {o.cl_ord_id: o for o in own.watched_orders()}
    known = {cl_ord_id: px for cl_ord_id, px in arrivals.items() if cl_ord_id in kept}
    for cl_ord_id, order in kept.items():
        mid, filled = mids.get(order.new_order.symbol, nan), own.filled_at.get(cl_ord_id)
        is_late = bool(order.cum_qty) and (filled is None or own.at - filled > FRESH_FILL)
        if cl_ord_id not in known and mid > 0 and not is_late:
            known[cl_ord_id] = mid
    return known


def unacknowledged_seconds(order: Order, sent_at: datetime | None, at: datetime) -> float:
    """Return for how long the broker has not said that it has the order; 0 once it has."""
    if not is_unanswered(order):
        return 0.0
    return nan if sent_at is None else max((at - sent_at).total_seconds(), 0.0)


def slippage_pct(order: Order, arrival_px: float) -> float:
    """Return by how much the order was filled worse than at its arrival price; below 0 is better.

    Bought at 10.10 on average when it arrived at 10, it is 1 %; sold at 10.10, -1 %.

    Source: Perold, "The Implementation Shortfall: Paper versus Reality", Journal of Portfolio Management, 1988.
    """
    if order.avg_px is None or not arrival_px > 0:
        return nan
    return 100 * order.new_order.side.sign * (float(order.avg_px) / arrival_px - 1)


def distance_pct(order: Order, mid: float) -> float:
    """Return how far the market must move until the order works: from the mid to its stop, else to its limit.

    A limit to buy at 9.50 with a mid of 10 is 5 % away, one at 10.10 -1 %: it would trade at once. A protective order
    is meant to be far, so it has none.
    """
    now = order.in_force
    px = now.price if now.stop_px is None else now.stop_px
    if not order.leaves_qty or px is None or now.purpose is OrderPurpose.PROTECT or not mid > 0:
        return nan
    towards = now.side.sign if now.stop_px is None else -now.side.sign
    return 100 * towards * (1 - float(px) / mid)


def _rows(*rows: list[float]) -> FloatArray:
    return np.array(rows, dtype=np.float64)
