"""The ticks of a market data line: which fields a contract has, by which numbers, and what extra ones can be asked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from ib_gateway.contracts import Listing
from ib_gateway.market import DaySummary, Market, Quote
from ib_gateway.market_prices import drawn
from ib_gateway.wire import Field

PRICE, SIZE, GENERIC, STRING, OPTION = 1, 2, 45, 46, 21
LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4
NO_PRICE = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TickNumbers:
    """The numbers of the basic ticks; delayed data have their own."""

    bid: int
    ask: int
    last: int
    high: int
    low: int
    close: int
    open: int
    bid_size: int
    ask_size: int
    last_size: int
    volume: int
    last_time: int
    model: int


LIVE_NUMBERS = TickNumbers(
    bid=1,
    ask=2,
    last=4,
    high=6,
    low=7,
    close=9,
    open=14,
    bid_size=0,
    ask_size=3,
    last_size=5,
    volume=8,
    last_time=45,
    model=13,
)
DELAYED_NUMBERS = TickNumbers(
    bid=66,
    ask=67,
    last=68,
    high=72,
    low=73,
    close=75,
    open=76,
    bid_size=69,
    ask_size=70,
    last_size=71,
    volume=74,
    last_time=88,
    model=83,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One message of a line, without its request id.

    Attributes:
        number: the tick type.
        values: for a price: price, size, attribute mask; else one value.
        size_number: the tick that tells a change of the size alone.
    """

    message: int
    number: int
    values: tuple[Field, ...]
    size_number: int | None = None

    def fields(self, req_id: int) -> tuple[Field, ...]:
        """Return the fields after the message id."""
        version = () if self.message == OPTION else (6,)
        return (*version, req_id, self.number, *self.values)


def quote_ticks(kind: str, quote: Quote, numbers: TickNumbers, *, shows_quotes: bool) -> list[Tick]:
    """Return bid, ask and last, as far as this kind of contract has them: an index no quotes, a currency no trades."""
    ticks = []
    if kind != "IND":
        bid = quote.bid if shows_quotes and quote.bid_size else NO_PRICE
        ask = quote.ask if shows_quotes else NO_PRICE
        ticks.append(_price(numbers.bid, bid, quote.bid_size if bid != NO_PRICE else 0, numbers.bid_size, mask=1))
        ticks.append(_price(numbers.ask, ask, quote.ask_size if ask != NO_PRICE else 0, numbers.ask_size, mask=1))
    if kind != "CASH":
        size = 0 if kind == "IND" else quote.last_size
        ticks.append(_price(numbers.last, quote.last, size, numbers.last_size))
    return ticks


def day_ticks(kind: str, day: DaySummary, numbers: TickNumbers) -> list[Tick]:
    """Return high, low, close of the session before, open, and volume where something trades."""
    prices = (
        (numbers.high, day.high),
        (numbers.low, day.low),
        (numbers.close, day.previous_close),
        (numbers.open, day.open),
    )
    volume = [] if kind in ("IND", "CASH") else [Tick(message=SIZE, number=numbers.volume, values=(day.volume,))]
    return [*(_price(number, price, 0, None) for number, price in prices), *volume]


def _price(number: int, price: Decimal | float, size: int, size_number: int | None, *, mask: int = 0) -> Tick:
    return Tick(message=PRICE, number=number, values=(price, size, mask), size_number=size_number)


def time_tick(at: datetime, numbers: TickNumbers) -> Tick:
    """Return the time of the last trade, in unix seconds."""
    return Tick(message=STRING, number=numbers.last_time, values=(str(int(at.timestamp())),))


def model_tick(market: Market, con_id: int, at: datetime, numbers: TickNumbers) -> Tick:
    """Return an option's model price and greeks."""
    greeks, volatility, under = market.greeks(con_id, at)
    values = (volatility, greeks.delta, greeks.price, 0.0, greeks.gamma, greeks.vega, greeks.theta, under)
    return Tick(message=OPTION, number=numbers.model, values=(0, *values))


def _shares_to_borrow(market: Market, listing: Listing, _: datetime) -> list[Tick]:
    shares = 1_000_000 + drawn(market.seed, listing.contract.con_id, "borrow").randrange(9_000_000)
    return [_generic(46, 3.0), Tick(message=SIZE, number=89, values=(shares,))]


def _year_range(market: Market, listing: Listing, at: datetime) -> list[Tick]:
    day = market.day(listing.contract.con_id, at)
    reach = Decimal(str(round(listing.daily_volatility * 8, 2)))
    low, high = round(day.low * (1 - reach), 2), round(day.high * (1 + reach), 2)
    ranges = [_price(number, price, 0, None) for number, price in ((15, low), (16, high), (19, low), (20, high))]
    return [*ranges, Tick(message=SIZE, number=21, values=(listing.daily_volume,))]


def _rt_volume(number: int) -> Callable[[Market, Listing, datetime], list[Tick]]:
    def tick(market: Market, listing: Listing, at: datetime) -> list[Tick]:
        con_id = listing.contract.con_id
        quote, day = market.quote(con_id, at), market.day(con_id, at)
        average = round((day.high + day.low + quote.last) / 3, 4)
        text = f"{quote.last};{quote.last_size};{int(at.timestamp() * 1000)};{day.volume};{average};true"
        return [Tick(message=STRING, number=number, values=(text,))]

    return tick


def _generic(number: int, value: float) -> Tick:
    return Tick(message=GENERIC, number=number, values=(value,))


def _volatility(number: int) -> Callable[[Market, Listing, datetime], list[Tick]]:
    return lambda _market, listing, _at: [_generic(number, listing.daily_volatility * 252**0.5)]


def _size(number: int, value: int) -> Callable[[Market, Listing, datetime], list[Tick]]:
    return lambda _market, _listing, _at: [Tick(message=SIZE, number=number, values=(value,))]


def _last_as(number: int) -> Callable[[Market, Listing, datetime], list[Tick]]:
    return lambda market, listing, at: [_price(number, market.quote(listing.contract.con_id, at).last, 0, None)]


def _dividends(_: Market, listing: Listing, at: datetime) -> list[Tick]:
    year = round(float(listing.reference_px) * listing.dividend_yield, 2)
    month = (at.month + 2) // 3 * 3
    return [Tick(message=STRING, number=59, values=(f"{year},{year},{at.year}{month:02d}15,{round(year / 4, 2)}",))]


# Extra ticks by the number a client asks them with. Source: "Available Tick Types" of the TWS API guide.
EXTRA_TICKS: Mapping[str, Callable[[Market, Listing, datetime], list[Tick]]] = MappingProxyType(
    {
        "100": _size(29, 12_000),
        "101": _size(27, 250_000),
        "104": _volatility(23),
        "106": _volatility(24),
        "165": _year_range,
        "221": _last_as(37),
        "233": _rt_volume(48),
        "236": _shares_to_borrow,
        "318": _last_as(57),
        "375": _rt_volume(77),
        "456": _dividends,
        "588": _size(86, 2_100_000),
    }
)

TRADE_TICKS = frozenset({"233", "375"})  # those that come with each trade, and not every few seconds


def unknown_extras(numbers: Iterable[str]) -> list[str]:
    """Return those that cannot be asked."""
    return [number for number in numbers if number not in EXTRA_TICKS]
