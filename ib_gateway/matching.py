"""When an order trades, and at what price: pure functions of the order and the quote."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ib_gateway.market import Quote
from ib_gateway.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Where an order can trade: what a buyer pays, what a seller gets, what was paid last."""

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None

    @classmethod
    def of(cls, quote: Quote) -> "Prices":
        """Read a quote; a side without size has no price."""
        bid, ask = quote.bid if quote.bid_size else None, quote.ask if quote.ask_size else None
        return cls(bid=bid, ask=ask, last=quote.last)

    def touch(self, sign: int) -> Decimal | None:
        """Return what this side trades at now: a buyer at the ask, a seller at the bid, else at the last price."""
        near = self.ask if sign > 0 else self.bid
        return near if near is not None else self.last

    def seen(self) -> Decimal | None:
        """Return the price that stops and conditions look at."""
        return self.last if self.last is not None else self.bid


MARKET_KINDS: Final = frozenset({"MKT", "MTL", "MIDPRICE", "STP", "TRAIL", "MIT", "MOC"})
LIMIT_KINDS: Final = frozenset({"LMT", "STP LMT", "TRAIL LIMIT", "LIT", "LOC"})
STOPS: Final = frozenset({"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
TRAILS: Final = frozenset({"TRAIL", "TRAIL LIMIT"})
TOUCHES: Final = frozenset({"MIT", "LIT"})
KINDS: Final = MARKET_KINDS | LIMIT_KINDS
TIMES_IN_FORCE: Final = frozenset({"DAY", "GTC", "IOC", "FOK", "GTD", "OPG", "DTC", "AUC"})


def trail(order: Order, prices: Prices) -> bool:
    """Move a trailing stop after the price; True if it moved.

    A sale's stop only rises, a purchase's only falls: it stays `auxPrice` away, or `trailingPercent` of the price.
    """
    price = prices.seen()
    if order.kind not in TRAILS or order.is_triggered or price is None:
        return False
    percent = order.number("trailingPercent")
    away = price * percent / 100 if percent is not None else (order.number("auxPrice") or Decimal(0))
    wanted = price + away if order.sign > 0 else price - away
    now = order.trail_px if order.trail_px is not None else order.number("trailStopPrice")
    moves = now is None or (wanted < now if order.sign > 0 else wanted > now)
    was = order.trail_px
    order.trail_px = wanted if moves else now
    return order.trail_px != was


def is_elected(order: Order, prices: Prices) -> bool:
    """Return whether a stop (or a touch order) has come to work; other types always have."""
    if order.is_triggered or order.kind not in STOPS | TOUCHES:
        return True
    price = prices.seen()
    level = order.trail_px if order.kind in TRAILS else order.number("auxPrice")
    if price is None or level is None:
        return False
    rises = (order.sign > 0) == (order.kind in STOPS)
    return price >= level if rises else price <= level


def limit_of(order: Order) -> Decimal | None:
    """Return the worst price an order may trade at; None is any."""
    if order.kind not in LIMIT_KINDS:
        return None
    if order.kind == "TRAIL LIMIT" and order.trail_px is not None:
        offset = order.number("lmtPriceOffset")
        if offset is not None:
            return order.trail_px + offset * order.sign
    return order.number("lmtPrice")


def fill_price(order: Order, prices: Prices) -> Decimal | None:
    """Return the price at which an elected order trades now, or None if it does not.

    It trades at the touch, which is never worse than its limit: a buy limit of 101 against an ask of 100 pays 100.
    """
    touch = prices.touch(order.sign)
    limit = limit_of(order)
    if touch is None:
        return None
    if order.kind == "MIDPRICE" and prices.bid is not None and prices.ask is not None:
        return (prices.bid + prices.ask) / 2
    if limit is None:
        return touch
    return touch if (touch <= limit if order.sign > 0 else touch >= limit) else None
