"""The orders that bring an account to nothing: what lowers exposure most goes first.

Each position is given up by the strategy books that hold it. A book never gives up more than it holds, and the account
never more than its broker says is there; what no book holds is closed under `UNATTRIBUTED`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.market.instruments import Instrument
from trading.market.option_symbols import multiplier_of
from trading.money import CENT
from trading.orders.orders import (
    NewOrderSingle,
    Order,
    OrderPurpose,
    OrdType,
    Side,
    TimeInForce,
    make_cl_ord_id,
)
from trading.risk.form_fields import FormDecimal
from trading.validation import STRICT

UNATTRIBUTED = "unattributed"  # the book of orders that close what no strategy book holds
_ZERO, _ONE, _HUNDRED = Decimal(0), Decimal(1), Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class FlattenRules:
    """How positions are closed."""

    limit_band_pct: Annotated[
        FormDecimal | None,
        Field(
            gt=0,
            lt=100,
            description="Close by limit orders this far beyond the last price, in per cent. Empty: by market orders, "
            "which always trade, at any price.",
        ),
    ] = None


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What there is to be closed.

    Attributes:
        positions: signed quantity per symbol, as the broker states it.
        books: signed quantity per strategy book and symbol, as our own orders made it.
        working: orders that may still trade.
        prices: last price per unit, of those symbols that have one.
    """

    positions: Mapping[str, Decimal]
    books: Mapping[str, Mapping[str, Decimal]]
    working: Sequence[Order]
    prices: Mapping[str, Decimal]

    def left(self) -> dict[str, Decimal]:
        """Return what is held and that no working order closes yet; 0 where it cannot be told.

        A symbol in which another order may still trade is not touched: what it will hold is not known.
        """
        left = dict(self.positions)
        for order in self.working:
            for symbol in order.new_order.symbols:
                held = left.get(symbol, _ZERO)
                closes = order.new_order.purpose is OrderPurpose.FLATTEN and held * order.new_order.side.sign < 0
                left[symbol] = _less(held, order.leaves_qty) if closes else _ZERO
        return {symbol: qty for symbol, qty in left.items() if qty}


def shares_of_books(qty: Decimal, held_by: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return how much of the position each book gives up, by book.

    Of 100 held, with 60 in `a` and 30 in `b`: a 60, b 30, unattributed 10. Of 50 held: a 50. A book on the other side
    keeps what it has: the account is flat without it.
    """
    shares, left = dict[str, Decimal](), qty
    for book, held in sorted(held_by.items()):
        if left and held * qty > 0:
            shares[book] = held if abs(held) < abs(left) else left
            left -= shares[book]
    return shares | ({UNATTRIBUTED: left} if left else {})


def flatten_orders(
    holdings: Holdings,
    rules: FlattenRules,
    *,
    account: str,
    session: date,
    decision: str,
    instruments: Mapping[str, Instrument],
    expire_time: datetime,
    transact_time: datetime,
) -> tuple[NewOrderSingle, ...]:
    """Return the orders that close what is left, the largest exposure first, whether long or short.

    A symbol without a price comes last, and by market order: how large it is nobody can say. Where no step of the grid
    lies in the band, it is by market order, too.

    Args:
        decision: name of the decision; another one makes other ids.
    """
    orders = []
    for symbol, qty in holdings.left().items():
        side = Side.SELL if qty > 0 else Side.BUY
        price = _limit_px(side, holdings.prices.get(symbol), rules, instruments.get(symbol))
        held_by = {book: held[symbol] for book, held in holdings.books.items() if symbol in held}
        for book, share in shares_of_books(_whole_lots(qty, instruments.get(symbol)), held_by).items():
            order = NewOrderSingle(
                cl_ord_id=make_cl_ord_id(account=account, session=session, book=book, symbol=symbol, purpose=decision),
                account=account,
                session=session,
                book=book,
                symbol=symbol,
                side=side,
                order_qty=abs(share),
                ord_type=OrdType.MARKET if price is None else OrdType.LIMIT,
                time_in_force=TimeInForce.DAY,
                price=price,
                expire_time=expire_time,
                transact_time=transact_time,
                purpose=OrderPurpose.FLATTEN,
            )
            orders.append(order)
    return tuple(sorted(orders, key=lambda o: (-_value(o, holdings, instruments), o.symbol, o.book)))


def _value(order: NewOrderSingle, holdings: Holdings, instruments: Mapping[str, Instrument]) -> Decimal:
    instrument = instruments.get(order.symbol)
    multiplier = multiplier_of(order.symbol) if instrument is None else instrument.multiplier
    return order.order_qty * multiplier * holdings.prices.get(order.symbol, _ZERO)


def _limit_px(side: Side, px: Decimal | None, rules: FlattenRules, instrument: Instrument | None) -> Decimal | None:
    if rules.limit_band_pct is None or px is None:
        return None
    limit = px * (_ONE + side.sign * rules.limit_band_pct / _HUNDRED)
    tick = CENT if instrument is None else instrument.tick_size
    # Never a step beyond the band: the gate's own may end at the same price.
    on_grid = (limit / tick).to_integral_value(ROUND_FLOOR if side is Side.BUY else ROUND_CEILING) * tick
    return on_grid if on_grid * side.sign >= px * side.sign else None


def _whole_lots(qty: Decimal, instrument: Instrument | None) -> Decimal:
    return qty if instrument is None else qty - qty % instrument.lot_size  # % keeps the sign of a Decimal


def _less(held: Decimal, closing: Decimal) -> Decimal:
    rest = max(abs(held) - closing, _ZERO)
    return rest if held > 0 else -rest
