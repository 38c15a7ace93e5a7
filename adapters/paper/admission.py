"""Admission: which orders the paper exchange takes, and when it has them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from adapters.paper import hours
from adapters.paper.matching import Moment, WorkingOrder
from adapters.paper.paper_settings import PaperSettings
from trading.market.instruments import Instrument
from trading.orders.orders import NewOrderSingle, OrdStatus, TimeInForce

_BEYOND = ("peg_offset_value", "good_till", "triggers", "legs", "list_id")
_AUCTION_ONLY = (TimeInForce.IOC, TimeInForce.OPG, TimeInForce.CLS)


def admit(
    order: NewOrderSingle, account: str, instruments: Mapping[str, Instrument], settings: PaperSettings, now: datetime
) -> tuple[WorkingOrder, str]:
    """Return the order as the exchange has it, and why it is rejected; empty when it is not."""
    active_at = now + timedelta(seconds=settings.delay_seconds)
    why = _refusal(order, account, instruments, settings, active_at)
    working = WorkingOrder(
        cl_ord_id=order.cl_ord_id,
        symbol=order.symbol,
        side=order.side,
        order_qty=order.order_qty,
        ord_type=order.ord_type,
        time_in_force=order.time_in_force,
        price=order.price,
        stop_px=order.stop_px,
        first_session=order.session,
        accepted_at=now,
        active_at=active_at,
        session=order.session,
        moment=Moment.CLOSE,
        ord_status=OrdStatus.REJECTED if why else OrdStatus.NEW,
    )
    if not why:
        _schedule(working, instruments[order.symbol].mic, settings)
    return working, why


def _schedule(order: WorkingOrder, mic: str, settings: PaperSettings) -> None:
    """Set the first moment at which the order is looked at."""
    opens = hours.open_at(mic, order.session)
    if order.time_in_force is TimeInForce.CLS:
        order.moment, order.due_at = Moment.CLOSE, hours.close_at(mic, order.session)
    elif order.active_at <= opens:
        order.moment, order.due_at = Moment.OPEN, opens + timedelta(seconds=settings.delay_seconds)
    elif order.time_in_force in (TimeInForce.IOC, TimeInForce.OPG):
        order.moment, order.due_at = Moment.ARRIVAL, order.active_at
    else:
        order.moment, order.due_at = Moment.CLOSE, hours.close_at(mic, order.session)


def _refusal(
    order: NewOrderSingle,
    account: str,
    instruments: Mapping[str, Instrument],
    settings: PaperSettings,
    active_at: datetime,
) -> str:
    instrument = instruments.get(order.symbol)
    if order.account != account:
        return f"unknown account {order.account}; this is {account}"
    if asked := [field for field in _BEYOND if getattr(order, field)]:
        return f"the paper exchange takes no orders with {', '.join(asked)}"
    if order.time_in_force is TimeInForce.FOK:
        return "the paper exchange takes no orders with time_in_force FOK"
    if instrument is None:
        return f"unknown symbol {order.symbol}"
    if instrument.currency != settings.currency:
        return f"{order.symbol} is paid in {instrument.currency}, the account holds {settings.currency}"
    if order.stop_px is not None and order.time_in_force in _AUCTION_ONLY:
        return f"a {order.ord_type} order cannot be {order.time_in_force.name}"
    return _off_grid(order, instrument) or _too_late(order, instrument.mic, active_at)


def _off_grid(order: NewOrderSingle, instrument: Instrument) -> str:
    def off(value: Decimal | None, step: Decimal) -> bool:
        return value is not None and bool(value % step)

    if off(order.order_qty, instrument.lot_size):
        return f"order_qty {order.order_qty} is not a multiple of {instrument.lot_size}"
    if off(order.price, instrument.tick_size):
        return f"price {order.price} is not a multiple of the tick {instrument.tick_size}"
    if off(order.stop_px, instrument.tick_size):
        return f"stop_px {order.stop_px} is not a multiple of the tick {instrument.tick_size}"
    return ""


def _too_late(order: NewOrderSingle, mic: str, active_at: datetime) -> str:
    if not hours.is_session(mic, order.session):
        return f"{order.session} is not a session of {mic}"
    if active_at > hours.close_at(mic, order.session):
        return f"session {order.session} is over: it closed {hours.close_at(mic, order.session):%Y-%m-%d %H:%M %Z}"
    return ""
