"""When an order may trade: sessions, auctions, and when it is over."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.market_hours import Period, is_open, periods, trading_day
from ib_gateway.orders import NEW_YORK, Order, ib_time

EXTENDED_KINDS = frozenset({"LMT", "STP LMT", "TRAIL LIMIT", "LIT"})


def waits_for_opening(order: Order) -> bool:
    """Return whether it takes part in the opening auction only (MOO, LOO)."""
    return order.tif == "OPG"


def waits_for_close(order: Order) -> bool:
    """Return whether it takes part in the closing auction only (MOC, LOC)."""
    return order.kind in {"MOC", "LOC"}


def works_now(settings: GatewaySettings, order: Order, now: datetime) -> bool:
    """Return whether an order can trade at this moment, as far as hours and auctions go."""
    auction = waits_for_opening(order) or waits_for_close(order)
    if settings.session == "always_open":
        return order.is_triggered or not auction
    if auction:
        return order.is_triggered or now >= auction_time(order)
    extended = order.flag("outsideRth") and order.kind in EXTENDED_KINDS
    return is_open(order.contract.sec_type, now, extended=extended)


def auction_time(order: Order) -> datetime:
    """Return the auction an order takes part in: the first opening or close after it was entered."""
    sec_type, at = order.contract.sec_type, order.entered_at
    if waits_for_opening(order):
        return _next_regular(sec_type, at, after="opens").opens
    return _next_regular(sec_type, at, after="closes").closes


def opens_next(sec_type: str, now: datetime) -> datetime:
    """Return the next opening of regular hours, in New York's time."""
    return _next_regular(sec_type, now, after="opens").opens.astimezone(ZoneInfo(NEW_YORK))


def is_over(settings: GatewaySettings, order: Order, now: datetime) -> bool:
    """Return whether an order's time is up: its good-till date, or the close of its day."""
    if order.tif == "GTD":
        till = ib_time(order.said("goodTillDate"))
        return till is not None and now >= till
    if order.tif not in {"DAY", "OPG"} or settings.session == "always_open":
        return False
    last = _next_regular(order.contract.sec_type, order.entered_at, after="closes").closes
    if order.flag("outsideRth"):
        last += timedelta(hours=4)
    return now >= last + timedelta(minutes=1 if waits_for_close(order) else 0)


def may_start(order: Order, now: datetime) -> bool:
    """Return whether its good-after time has come."""
    after = order.said("goodAfterTime")
    start = ib_time(after) if after else None
    return start is None or now >= start


def _next_regular(sec_type: str, at: datetime, *, after: str) -> Period:
    day = trading_day(sec_type, at)
    while True:
        for period in periods(sec_type, day):
            edge: datetime = getattr(period, after)
            if period.regular and edge > at:
                return period
        day += timedelta(days=1)
