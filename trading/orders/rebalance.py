"""The orders of a rebalance."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from trading.errors import InvalidValue
from trading.ledger import Target
from trading.market.instruments import Instrument
from trading.orders.orders import NewOrderSingle, OrdType, Side, TimeInForce, make_cl_ord_id

PURPOSE = "rebalance"


def orders_from_targets(
    targets: Sequence[Target],
    *,
    account: str,
    session: date,
    book: str,
    instruments: Mapping[str, Instrument],
    time_in_force: TimeInForce,
    expire_time: datetime,
    transact_time: datetime,
) -> tuple[NewOrderSingle, ...]:
    """Return one market order per target with an `order_qty`: sells before the buys they pay for, then by symbol.

    The same targets give the same orders and ids. A position that turns from long to short is one order: two would
    need the second to wait for the first, and a crash between them would leave the account flat.

    Raises:
        InvalidValue: a target is not in whole lots of a known instrument.
    """
    orders = [
        NewOrderSingle(
            cl_ord_id=make_cl_ord_id(
                account=account, session=session, book=book, symbol=target.symbol, purpose=PURPOSE
            ),
            account=account,
            session=session,
            book=book,
            symbol=target.symbol,
            side=Side.BUY if target.order_qty > 0 else Side.SELL,
            order_qty=abs(target.order_qty),
            ord_type=OrdType.MARKET,
            time_in_force=time_in_force,
            expire_time=expire_time,
            transact_time=transact_time,
        )
        for target in targets
        if target.order_qty != 0 and _require_whole_lots(target, instruments)
    ]
    return tuple(sorted(orders, key=lambda order: (order.side is Side.BUY, order.symbol)))


def _require_whole_lots(target: Target, instruments: Mapping[str, Instrument]) -> bool:
    name = f"order_qty of {target.symbol}"
    if target.symbol not in instruments:
        raise InvalidValue(name, target.order_qty, "0, because there is no such instrument")
    lot_size = instruments[target.symbol].lot_size
    if target.order_qty % lot_size != 0:
        raise InvalidValue(name, target.order_qty, f"in whole lots of {lot_size}")
    return True
