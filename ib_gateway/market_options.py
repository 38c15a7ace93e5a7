"""Option and future prices from their underlying: Black-Scholes without dividends, and cost of carry."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from ib_gateway.market_hours import Period, wall_time
from ib_gateway.market_prices import PriceSource, RawBar

INTEREST_RATE = 0.04
_YEAR_SECONDS = 365 * 24 * 3600
_CLOSE = 960


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeks:
    """An option's model values.

    Attributes:
        vega: price change for one volatility point (0.01).
        theta: price change for one calendar day, mostly < 0.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def black_scholes(
    *, spot: float, strike: float, years: float, volatility: float, call: bool, rate: float = INTEREST_RATE
) -> Greeks:
    """Return price and greeks of a European option; at or after expiry, what it is worth if exercised.

    Source: Hull, Options, Futures and Other Derivatives, example 15.6: spot 42, strike 40, half a year, rate 0.1,
        volatility 0.2 gives 4.76 for the call and 0.81 for the put.
    """
    sign = 1.0 if call else -1.0
    if years <= 0:
        worth = max(sign * (spot - strike), 0.0)
        return Greeks(price=worth, delta=sign if worth else 0.0, gamma=0.0, vega=0.0, theta=0.0)
    spread = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate + volatility**2 / 2) * years) / spread
    d2 = d1 - spread
    discounted = strike * math.exp(-rate * years)
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    decay = -spot * density * volatility / (2 * math.sqrt(years)) - sign * rate * discounted * _cumulative(sign * d2)
    return Greeks(
        price=sign * (spot * _cumulative(sign * d1) - discounted * _cumulative(sign * d2)),
        delta=sign * _cumulative(sign * d1),
        gamma=density / (spot * spread),
        vega=spot * density * math.sqrt(years) / 100,
        theta=decay / 365,
    )


def _cumulative(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2


def years_until(expiry: date, at: datetime) -> float:
    """Return the time to the close of the expiry day, in years of 365 days; negative after it."""
    return (wall_time(expiry, _CLOSE) - at.astimezone(UTC)).total_seconds() / _YEAR_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionPrices:
    """Prices of one option, from those of its underlying.

    Attributes:
        volatility: of a year, as a fraction; the one number of a flat surface.
    """

    underlying: PriceSource
    strike: float
    call: bool
    expiry: date
    volatility: float

    def greeks(self, spot: float, at: datetime) -> Greeks:
        """Return the model's values at a price of the underlying."""
        years = years_until(self.expiry, at)
        return black_scholes(spot=spot, strike=self.strike, years=years, volatility=self.volatility, call=self.call)

    def price(self, at: datetime) -> float:
        """Return the model price at an instant."""
        return self.greeks(self.underlying.price(at), at).price

    def bar(self, period: Period, first: datetime, last: datetime) -> RawBar | None:
        """Return the underlying's bar, each price of it as the option's; a put is dear when the stock is low."""
        under = self.underlying.bar(period, first, last)
        if under is None:
            return None
        opening, closing = self.greeks(under.open, first).price, self.greeks(under.close, last).price
        reached = [self.greeks(spot, first).price for spot in (under.high, under.low)]
        prices = (opening, closing, *reached)
        volume = math.floor(under.volume / 100_000)
        return RawBar(
            opens_at=first, open=opening, high=max(prices), low=min(prices), close=closing, volume=float(volume)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedPrices:
    """Prices of a future: those of its index, with interest to the expiry."""

    underlying: PriceSource
    expiry: date

    def price(self, at: datetime) -> float:
        """Return the fair price at an instant."""
        return self.underlying.price(at) * self._carry(at)

    def bar(self, period: Period, first: datetime, last: datetime) -> RawBar | None:
        """Return the underlying's bar, carried."""
        bar, carry = self.underlying.bar(period, first, last), self._carry(first)
        if bar is None:
            return None
        return replace(bar, open=bar.open * carry, high=bar.high * carry, low=bar.low * carry, close=bar.close * carry)

    def _carry(self, at: datetime) -> float:
        return math.exp(INTEREST_RATE * max(years_until(self.expiry, at), 0.0))
