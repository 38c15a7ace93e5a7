"""Our own side: what an account holds, has out and was worth, as it was read of the ledger at one time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from trading.market.instruments import Instrument
from trading.orders.executions import ExecutionReport
from trading.orders.orders import Order, OrdStatus, OrdType, Side
from trading.orders.protection import HeldBy, ProtectionRules
from trading.risk.equity_curve import CashFlow, Valuation, drawdown, restated

_ZERO, _ONE = Decimal(0), Decimal(1)
_NOTHING_LEFT = Decimal("Infinity")
_STOPS = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)
_UNANSWERED = (OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPosition:
    """What is held of one symbol, flat where it was only traded today, and what the day made of it so far.

    Attributes:
        qty: signed, in the shares of today.
        basis_px: per unit of what is held: the previous close of what was held then, the price paid of what came since,
            on average; None where there is no previous close, 0 when flat.
        realized: of what was closed today, against the same basis, before commission; None where it is not known.
        commission: paid today.
    """

    qty: Decimal
    multiplier: Decimal = _ONE
    basis_px: Decimal | None
    realized: Decimal | None
    commission: Decimal = _ZERO


class Before(NamedTuple):
    """What an account was worth before.

    Attributes:
        close: at the close before the session, and what has been paid in and out since; None when it was never valued.
        peak: what it would have to be worth now to stand at its peak: infinite once all was lost, None when it was
            never worth anything.
    """

    close: Decimal | None
    peak: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSide:
    """One account at one time.

    Attributes:
        due: what mergers pay, until the broker has booked it.
        positions: by symbol.
        closes: last closes in store of these symbols, in the shares of today.
        closed_at: the close before the session; none of the closes is newer.
        orders: the open ones, and those of the session that have ended; each once.
        sent_at: when an open order was last marked as going out, by its ClOrdID.
        filled_at: when an order last filled today, likewise.
        stopped: of the symbols that ought to have a stop whether one works for all that is held.
    """

    account: str
    session: date
    at: datetime
    cash: Decimal
    due: Decimal
    positions: Mapping[str, DayPosition]
    before: Before
    closes: Mapping[str, Decimal]
    closed_at: datetime
    orders: tuple[Order, ...]
    sent_at: Mapping[str, datetime]
    filled_at: Mapping[str, datetime]
    stopped: Mapping[str, bool]

    def held(self) -> dict[str, Decimal]:
        """Return the signed quantity of every symbol that is not flat."""
        return {symbol: p.qty for symbol, p in self.positions.items() if p.qty}

    def watched_orders(self) -> tuple[Order, ...]:
        """Return the orders that rules are held against: those that went out, until they end with nothing filled.

        One that has filled stays until the session ends: what it has cost does not change any more.
        """
        return tuple(
            o for o in self.orders if o.sent_count and not o.may_be_sent and (o.ord_status.is_open or o.cum_qty)
        )


def is_unanswered(order: Order) -> bool:
    """Tell whether the broker has not yet said that it has the order."""
    return order.ord_status.is_open and (order.order_id is None or order.ord_status in _UNANSWERED)


def worth_before(valuations: Sequence[Valuation], flows: Sequence[CashFlow], session: date) -> Before:
    """Return what the account was worth before the session.

    At 100 at the close and 20 paid in since, it is even at 120. Fallen from a peak of 100 to 80, it is at its peak
    again at 100; with 20 paid in since at 125, for what is there must grow by a quarter.

    Args:
        valuations: ascending by time; those of the session itself count for the peak only.
        flows: cash in and out, up to now.
    """
    earlier = [v for v in valuations if v.session < session]
    close = restated(earlier[-1], flows) if earlier else None
    if not valuations:
        return Before(close, None)
    unchanged = restated(valuations[-1], flows)
    fallen = drawdown(valuations, unchanged, flows)
    if fallen is None:
        return Before(close, None)
    is_lost = unchanged <= 0 or fallen.fall >= 1
    return Before(close, _NOTHING_LEFT if is_lost else unchanged / (1 - fallen.fall))


def day_position(
    qty: Decimal, trades: Sequence[ExecutionReport], previous_close: Decimal | None, multiplier: Decimal = _ONE
) -> DayPosition:
    """Return what the day made of a position, at average cost.

    100 held at a previous close of 10, 50 bought at 11.50 and 60 sold at 12: a unit stands at (1000 + 575) / 150 =
    10.50, so 60 x 1.50 = 90 were realized, and 90 are held at 10.50.

    Args:
        qty: held now, signed.
        trades: of today, in the order of time.
        previous_close: in the shares of today.
    """
    start = qty - sum((t.signed_qty for t in trades), _ZERO)
    commission = sum((t.commission for t in trades), _ZERO)
    if start and previous_close is None:
        return DayPosition(qty=qty, multiplier=multiplier, basis_px=None, realized=None, commission=commission)
    held, px, realized = start, (previous_close or _ZERO) if start else _ZERO, _ZERO
    for trade in trades:
        added = trade.signed_qty
        if held * added < 0:
            closed = min(abs(added), abs(held)).copy_sign(added)
            realized -= closed * (trade.px - px)
            held, added = held + closed, added - closed
        if added:
            px = (held * px + added * trade.px) / (held + added)
            held += added
    return DayPosition(
        qty=qty,
        multiplier=multiplier,
        basis_px=px if qty else _ZERO,
        realized=realized * multiplier,
        commission=commission,
    )


def stopped(
    held: Mapping[str, Decimal],
    rules: ProtectionRules | None,
    orders: Sequence[Order],
    instruments: Mapping[str, Instrument],
) -> dict[str, bool]:
    """Return of each symbol that ought to have a stop at the broker whether one works for all its whole lots.

    Args:
        held: signed, by the strategy books; what a person holds beside them is not protected.
        orders: those of other purposes count too, as long as they close what is held at a stop price.
    """
    if rules is None or rules.stop_loss is None or rules.held_by is HeldBy.DESK:
        return {}
    working: dict[tuple[str, Side], Decimal] = {}
    for order in orders:
        if order.in_force.ord_type in _STOPS and order.leaves_qty and not is_unanswered(order):
            key = order.in_force.symbol, order.in_force.side
            working[key] = working.get(key, _ZERO) + order.leaves_qty
    found = {}
    for symbol, qty in held.items():
        lot = instruments[symbol].lot_size if symbol in instruments else _ONE
        if lots := abs(qty) // lot * lot:
            found[symbol] = working.get((symbol, Side.SELL if qty > 0 else Side.BUY), _ZERO) >= lots
    return found
