"""Moments: when an order at the paper exchange is looked at next."""

from datetime import date, datetime, timedelta

from adapters.paper import hours
from adapters.paper.matching import Moment, WorkingOrder
from adapters.paper.paper_settings import PaperSettings
from trading.orders.orders import TimeInForce

IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG)
LASTING = (TimeInForce.GTC, TimeInForce.GTD)


def moment_at(order: WorkingOrder, mic: str, settings: PaperSettings) -> datetime:
    """Return the time of the order's moment."""
    match order.moment:
        case Moment.ARRIVAL:
            return order.active_at
        case Moment.OPEN:
            return hours.open_at(mic, order.session) + timedelta(seconds=settings.delay_seconds)
        case Moment.CLOSE:
            return hours.close_at(mic, order.session)


def looked_at(order: WorkingOrder, mic: str, settings: PaperSettings) -> datetime:
    """Return when the order is looked at next: at its moment, or to end it if it does not last so long."""
    at = moment_at(order, mic, settings)
    return at if order.good_till is None else min(at, order.good_till)


def schedule(order: WorkingOrder, mic: str, settings: PaperSettings) -> None:
    """Set the first moment at which an order is looked at that is active from `active_at` on."""
    if order.time_in_force is TimeInForce.CLS:
        order.moment = Moment.CLOSE
    elif order.active_at <= hours.open_at(mic, order.session):
        order.moment = Moment.OPEN
    elif order.time_in_force in IMMEDIATE:
        order.moment = Moment.ARRIVAL
    else:
        order.moment = Moment.CLOSE
    order.due_at = looked_at(order, mic, settings)


def between(mic: str, session: date) -> datetime:
    """Return the time that stands for one after the open and before the close: a daily bar does not say which."""
    opens = hours.open_at(mic, session)
    return opens + (hours.close_at(mic, session) - opens) / 2


def next_open(mic: str, session: date) -> datetime:
    """Return the open of the session after that one."""
    return hours.open_at(mic, hours.next_session(mic, session))
