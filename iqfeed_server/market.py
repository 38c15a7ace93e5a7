"""The made-up market: bars, quotes, order books and headlines that depend on nothing but the seed and the symbol.

Prices are whole cents. It trades on every weekday from 09:30 to 16:00 New York and knows no holidays.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from random import Random

BEGINS = date(1999, 1, 4)  # a Monday
OPENS, MINUTES = time(9, 30), 390
LEVELS = 10
MAKERS = ("NSDQ", "ARCX", "BATS", "EDGX", "MEMX")
SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Prices in cents over a day or a minute, which `starts` then, New York."""

    starts: datetime
    open: int
    high: int
    low: int
    close: int
    volume: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The best prices of a moment, in cents; None is a side that nobody quotes."""

    bid: int | None
    ask: int | None
    bid_size: int
    ask_size: int
    last: int
    last_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One price of an order book: `side` is B or A, `maker` who is first there."""

    side: str
    price: int
    size: int
    orders: int
    maker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A headline and when it was published, New York."""

    story_id: str
    at: datetime
    source: str
    symbols: tuple[str, ...]
    title: str


class Market:
    """What is known of every symbol; a test may set what it needs to know."""

    def __init__(self, seed: int, symbols: Iterable[str]) -> None:
        self._seed = seed
        self._symbols = dict.fromkeys(symbols)
        self._given: dict[str, list[Bar]] = {}
        self._walks: dict[str, list[Bar]] = {}
        self._ticks: dict[str, Tick] = {}
        self._draws: dict[str, Random] = {}

    @property
    def symbols(self) -> Sequence[str]:
        """Return the symbols that it knows."""
        return tuple(self._symbols)

    def knows(self, symbol: str) -> bool:
        """Tell whether there is such a symbol."""
        return symbol in self._symbols

    def has_depth_by_price(self, symbol: str) -> bool:
        """Tell whether its order book is to be had by price level; of stocks there is only who quotes what."""
        return symbol.startswith(("@", "Q")) and symbol.endswith("#")

    def set_days(self, symbol: str, bars: Iterable[Bar]) -> None:
        """Have these daily bars instead of made-up ones."""
        self._symbols[symbol] = None
        self._given[symbol] = sorted(bars, key=lambda bar: bar.starts)

    def set_tick(self, symbol: str, tick: Tick) -> None:
        """Have these prices now."""
        self._symbols[symbol] = None
        self._ticks[symbol] = tick

    def days(self, symbol: str, first: date, last: date) -> list[Bar]:
        """Return the daily bars from first to last, both included, oldest first."""
        bars = self._given.get(symbol)
        if bars is None:
            bars = self._walks.get(symbol, [])
            if not bars or bars[-1].starts.date() < last:
                bars = self._walks[symbol] = self._walk(symbol, last)
        return [bar for bar in bars if first <= bar.starts.date() <= last]

    def minutes(self, symbol: str, first: datetime, last: datetime) -> list[Bar]:
        """Return the minute bars that start from first to last, both included, oldest first."""
        days = self.days(symbol, first.date(), last.date())
        return [bar for day in days for bar in self._within(symbol, day) if first <= bar.starts <= last]

    def tick(self, symbol: str) -> Tick:
        """Return the prices of now."""
        if symbol not in self._ticks:
            mid = self._reference(symbol)
            self._ticks[symbol] = Tick(bid=mid - 1, ask=mid + 1, bid_size=300, ask_size=200, last=mid, last_size=100)
        return self._ticks[symbol]

    def move(self, symbol: str) -> Tick:
        """Move the prices by a cent or none, and return them."""
        draws, tick = self._draw(symbol), self.tick(symbol)
        last = max(tick.last + draws.choice((-1, 0, 1)), 2)
        moved = Tick(
            bid=last - 1,
            ask=last + 1,
            bid_size=100 * draws.randint(1, 9),
            ask_size=100 * draws.randint(1, 9),
            last=last,
            last_size=draws.randint(1, 500),
        )
        self._ticks[symbol] = moved
        return moved

    def book(self, symbol: str) -> list[Level]:
        """Return the order book of now, best prices first, bids before asks."""
        tick, draws = self.tick(symbol), Random(f"{self._seed}:{symbol}:book")  # noqa: S311 - made-up sizes
        sides = (("B", tick.last - 1, -1), ("A", tick.last + 1, 1))
        return [
            Level(
                side=side,
                price=best + step * away,
                size=100 * draws.randint(1, 20),
                orders=draws.randint(1, 9),
                maker=MAKERS[away % len(MAKERS)],
            )
            for side, best, step in sides
            for away in range(LEVELS)
        ]

    def stories(self, symbol: str, day: date) -> list[Story]:
        """Return the headlines about a symbol on a day, oldest first."""
        draws = Random(f"{self._seed}:{symbol}:{day}:news")  # noqa: S311 - made-up news
        opened = datetime.combine(day, OPENS)
        moments = sorted(draws.randrange(MINUTES * 60) for _ in range(draws.randint(0, 3)))
        return [
            Story(
                story_id=str(draws.randrange(10**10, 10**11)),
                at=opened + timedelta(seconds=second),
                source="DTN",
                symbols=(symbol,),
                title=f"{symbol} is talked about, again, for no reason",
            )
            for second in moments
        ]

    def _draw(self, symbol: str) -> Random:
        return self._draws.setdefault(symbol, Random(f"{self._seed}:{symbol}:ticks"))  # noqa: S311 - made-up prices

    def _reference(self, symbol: str) -> int:
        return Random(f"{self._seed}:{symbol}").randrange(2_000, 40_000)  # noqa: S311 - a made-up price

    def _walk(self, symbol: str, last: date) -> list[Bar]:
        draws = Random(f"{self._seed}:{symbol}:days")  # noqa: S311 - made-up prices
        bars: list[Bar] = []
        closed, reference = self._reference(symbol), self._reference(symbol)
        for number in range((last - BEGINS).days + 1):
            day = BEGINS + timedelta(days=number)
            if day.weekday() < SATURDAY:
                bars.append(_day_bar(draws, day, closed, reference))
                closed = bars[-1].close
        return bars

    def _within(self, symbol: str, day: Bar) -> list[Bar]:
        """Return the minutes of a day: they begin and end as it does, stay within it and share its volume."""
        draws = Random(f"{self._seed}:{symbol}:{day.starts.date()}")  # noqa: S311 - made-up prices
        steps = list(accumulate(draws.gauss(0, 1) for _ in range(MINUTES)))
        bridge = [step - steps[-1] * (minute + 1) / MINUTES for minute, step in enumerate(steps)]
        scale = 0.2 * (day.high - day.low) / max(1.0, *map(abs, bridge))
        line = [day.open + (day.close - day.open) * (minute + 1) / MINUTES for minute in range(MINUTES)]
        ends = [min(max(round(a + b * scale), day.low), day.high) for a, b in zip(line, bridge, strict=True)]
        opened = datetime.combine(day.starts.date(), OPENS)
        return [
            Bar(
                starts=opened + timedelta(minutes=minute),
                open=begin,
                high=max(begin, end),
                low=min(begin, end),
                close=end,
                volume=day.volume // MINUTES,
            )
            for minute, (begin, end) in enumerate(zip([day.open, *ends], ends, strict=False))
        ]


def newest(bars: Sequence[Bar], count: int) -> list[Bar]:
    """Return the last bars, or all when the count is 0."""
    return list(bars[-count:]) if count else list(bars)


def labelled_by_end(bar: Bar, seconds: int) -> Bar:
    """Return the bar with the moment at which it ends in the place of that at which it starts."""
    return replace(bar, starts=bar.starts + timedelta(seconds=seconds))


def _day_bar(draws: Random, day: date, closed: int, reference: int) -> Bar:
    drift = 0.02 * math.log(reference / closed)  # pulled back, so that no symbol dies
    opens = max(2, round(closed * math.exp(draws.gauss(0, 0.004))))
    closes = max(2, round(opens * math.exp(drift + draws.gauss(0, 0.012))))
    swing = abs(draws.gauss(0, 0.006))
    return Bar(
        starts=datetime.combine(day, time()),
        open=opens,
        high=round(max(opens, closes) * (1 + swing)),
        low=max(1, math.floor(min(opens, closes) * (1 - swing))),
        close=closes,
        volume=draws.randint(1_000_000, 50_000_000),
    )
