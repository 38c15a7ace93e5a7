"""Where prices come from: a random walk that depends on nothing but the seed, the contract and the time.

A session's close is a walk that is pulled back to the reference price; between its ends a session is a random bridge
over fixed nodes, and the price between two nodes is on the line between them. So a bar of any size is exact: its high
and low are those of the line, and a day's bar holds the bars of its minutes.
"""

import math
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Protocol

from ib_gateway.market_hours import Period, is_weekday, latest_period, periods

WALK_BEGINS = date(1999, 1, 4)
_PULL_BACK = 0.02
_EXTENDED_SHARE = 0.25  # of a session's volatility, in each of the two extended stretches


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBar:
    """Prices over a piece of a trading day, not yet rounded to the contract's increment."""

    opens_at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class PriceSource(Protocol):
    """Where the prices of one contract come from."""

    def price(self, at: datetime) -> float:
        """Return the price at an instant; while closed, the last one."""

    def bar(self, period: Period, first: datetime, last: datetime) -> RawBar | None:
        """Return what happened from first to last, both within the stretch; None if nothing is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The price over one stretch: nodes `step` seconds apart, joined by lines."""

    opens: float
    step: int
    nodes: tuple[float, ...]

    def at(self, second: float) -> float:
        """Return the price at a unix time, that of the nearest end outside the stretch."""
        place = (second - self.opens) / self.step
        left = min(max(int(place), 0), len(self.nodes) - 2)
        share = min(max(place - left, 0.0), 1.0)
        return self.nodes[left] + (self.nodes[left + 1] - self.nodes[left]) * share

    def between(self, first: float, last: float) -> list[float]:
        """Return the price at both unix times and at every node between."""
        left = math.floor((first - self.opens) / self.step) + 1
        right = math.ceil((last - self.opens) / self.step)
        return [self.at(first), *self.nodes[max(left, 0) : max(right, 0)], self.at(last)]


@dataclass(slots=True, kw_only=True)
class RandomWalk:
    """The prices of one underlying, for ever, from a seed.

    Attributes:
        key: names the walk beside the seed, such as a symbol; contracts of one key move together.
        sec_type: whose timetable it follows.
    """

    seed: int
    key: str
    sec_type: str
    reference_px: float
    daily_volatility: float
    daily_volume: int
    _closes: list[float] = field(default_factory=list)
    _paths: dict[datetime, Path] = field(default_factory=dict)

    def price(self, at: datetime) -> float:
        """Return the price at an instant; while closed, the last one."""
        return self.path(latest_period(self.sec_type, at)).at(at.timestamp())

    def bar(self, period: Period, first: datetime, last: datetime) -> RawBar:
        """Return what happened from first to last, both within the stretch."""
        prices = self.path(period).between(first.timestamp(), last.timestamp())
        return RawBar(
            opens_at=first,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=float(self._traded_by(period, last) - self._traded_by(period, first)),
        )

    def _traded_by(self, period: Period, at: datetime) -> int:
        """The volume since the stretch opened: of a day's own size, and brisker near open and close."""
        noise = drawn(self.seed, self.key, "volume", period.opens.timestamp()).random()
        total = self.daily_volume * (0.5 + noise) * (1.0 if period.regular else 0.02)
        place = (at - period.opens) / (period.closes - period.opens)
        return math.floor(total * (place + 0.6 * math.sin(2 * math.pi * place) / (2 * math.pi)) + 1e-6)

    def path(self, period: Period) -> Path:
        """Return the line of prices over a stretch; the last few hundred are kept."""
        if period.opens not in self._paths:
            if len(self._paths) >= 512:
                self._paths.pop(next(iter(self._paths)))
            self._paths[period.opens] = self._made_path(period)
        return self._paths[period.opens]

    def close_of(self, day: date) -> float:
        """Return the price at the end of regular hours of a weekday."""
        number = _weekday_number(day)
        while len(self._closes) <= number:
            self._add_year_of_closes()
        return self._closes[number]

    def _add_year_of_closes(self) -> None:
        chance = drawn(self.seed, self.key, "closes", len(self._closes))
        off = math.log(self._closes[-1] / self.reference_px) if self._closes else 0.0
        for _ in range(261):
            off += -_PULL_BACK * off + self.daily_volatility * _normal(chance)
            self._closes.append(self.reference_px * math.exp(off))

    def _made_path(self, period: Period) -> Path:
        """A bridge between where the stretch must begin and where it must end."""
        length = int((period.closes - period.opens).total_seconds())
        step = 30 if length <= 8 * 3600 else 60
        begin, end, volatility = self._ends(period)
        chance = drawn(self.seed, self.key, period.opens.timestamp()).random
        count = length // step
        scale = begin * volatility * math.sqrt(12 / count)  # 1/12 is the variance of an even draw from one unit
        walk = list(accumulate([(chance() - 0.5) * scale for _ in range(count)], initial=begin))
        drift = (end - walk[-1]) / count
        nodes = [price + drift * place for place, price in enumerate(walk)]
        return Path(opens=period.opens.timestamp(), step=step, nodes=(begin, *nodes[1:-1], end))

    def _ends(self, period: Period) -> tuple[float, float, float]:
        """Where a stretch begins and ends, and how far it strays: the regular one ends at the day's close."""
        if period.regular:
            return self._open_of(period), self.close_of(period.day), self.daily_volatility * 0.8
        volatility = self.daily_volatility * _EXTENDED_SHARE
        regular = next(other for other in periods(self.sec_type, period.day) if other.regular)
        if period.closes <= regular.opens:
            return self._evening_close(_weekday_before(period.day)), self._open_of(regular), volatility
        return self.close_of(period.day), self._evening_close(period.day), volatility

    def _open_of(self, period: Period) -> float:
        """The last session's close and the night's move, which is small where the night is a pause of an hour."""
        chance = drawn(self.seed, self.key, period.day, "open")
        share = 0.5 if period.closes - period.opens < timedelta(hours=12) else 0.05
        return self.close_of(_weekday_before(period.day)) * math.exp(self.daily_volatility * share * _normal(chance))

    def _evening_close(self, day: date) -> float:
        chance = drawn(self.seed, self.key, day, "evening")
        return self.close_of(day) * math.exp(self.daily_volatility * _EXTENDED_SHARE * 0.5 * _normal(chance))


def drawn(*key: object) -> Random:
    """Return the sequence of chance that belongs to a key, the same in every process."""
    return Random(":".join(str(part) for part in key))  # noqa: S311 - prices, not secrets


def _normal(chance: Random) -> float:
    """Near enough to a normal draw; `random()` is the one method whose sequence every Python keeps."""
    return sum(chance.random() for _ in range(12)) - 6.0


def _weekday_before(day: date) -> date:
    day -= timedelta(days=1)
    while not is_weekday(day):
        day -= timedelta(days=1)
    return day


def _weekday_number(day: date) -> int:
    weeks, weekday = divmod(day.toordinal() - WALK_BEGINS.toordinal(), 7)
    return max(weeks * 5 + min(weekday, 4), 0)
