"""What a price of an option stands on beside the market's prices: rates, dividends and the moment of expiry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from trading.errors import InvalidValue
from trading.market.corporate_actions import CashDividend
from trading.options.chains import OptionChain
from trading.options.vanilla import CashFlow, FloatArray, VanillaOptions

_YEAR = pd.Timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroCurve:
    """Zero rates by time to go, continuously compounded: straight lines between the points, flat outside them.

    Attributes:
        years: ascending.
        rates: 0.05 is 5 % a year.
    """

    years: tuple[float, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.years or len(self.years) != len(self.rates):
            raise InvalidValue("rates of a curve", self.rates, "as many as its years, and one at least")
        if any(later <= earlier for earlier, later in pairwise(self.years)):
            raise InvalidValue("years of a curve", self.years, "ascending")
        if not np.isfinite((*self.years, *self.rates)).all():
            raise InvalidValue("rates of a curve", self.rates, "finite, as its years")

    def at(self, years: FloatArray) -> FloatArray:
        """Return the rates for those times to go."""
        return np.interp(years, self.years, self.rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryTime:
    """When options expire on the day of their expiry.

    Attributes:
        at: local time: the close, or the open for an index option that is settled in the morning.
        exceptions: moments, with their zone, of the expiries that have another: half days; and Saturdays, on which
            options expired in law until 2015, the day after their last session.
    """

    at: time = time(16)
    zone: str = "America/New_York"
    exceptions: Mapping[date, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as exc:
            raise InvalidValue("zone", self.zone, "a time zone such as America/New_York") from exc
        for moment in self.exceptions.values():
            if moment.tzinfo is None:
                raise InvalidValue("exceptions", moment, "a time with its zone")

    def moment(self, expiry: date) -> datetime:
        """Return when options of that expiry cease to be."""
        return self.exceptions.get(expiry) or datetime.combine(expiry, self.at, ZoneInfo(self.zone))

    def years(self, expiries: pd.Series, now: datetime) -> FloatArray:
        """Return the time to go, ACT/365; not above 0 when expired, NaN without an expiry."""
        codes, days = pd.factorize(expiries)
        to_go = [(self.moment(day.date()) - now) / _YEAR for day in days]
        years: FloatArray = np.array([*to_go, np.nan])[codes]  # the last one for the code -1 of what has no expiry
        return years

    def years_to_ex_date(self, ex_date: date, now: datetime) -> float:
        """Return the time until that day begins; not above 0 once it has."""
        return float((datetime.combine(ex_date, time(), ZoneInfo(self.zone)) - now) / _YEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingTerms:
    """Rates, dividends and expiry times for the options of one underlying.

    Attributes:
        rate, dividend_yield: continuously compounded, 0.05 is 5 % a year; one for all expiries, or by time to go.
        dividends: in cash, those to come; those gone ex are left out by themselves.
    """

    rate: float | ZeroCurve
    dividend_yield: float | ZeroCurve = 0.0
    dividends: tuple[CashDividend, ...] = ()
    expires: ExpiryTime = field(default_factory=ExpiryTime)

    def __post_init__(self) -> None:
        for name in ("rate", "dividend_yield"):
            value = getattr(self, name)
            if not (isinstance(value, ZeroCurve) or np.isfinite(value)):
                raise InvalidValue(name, value, "finite")

    def options(self, frame: pd.DataFrame, spot: float, now: datetime) -> VanillaOptions:
        """Return the options of a chain's frame as formulas take them.

        Raises:
            InvalidValue: a strike is not above 0, or the dividends are worth more than the spot.
        """
        years = self.expires.years(frame["expiry"], now)
        flows = [(self.expires.years_to_ex_date(d.ex_date, now), float(d.amount_per_share)) for d in self.dividends]
        return VanillaOptions.of(
            frame["right"].to_numpy(dtype=object),
            spot=spot,
            strike=frame["strike"].to_numpy(),
            years=years,
            rate=_rates(self.rate, years),
            dividend_yield=_rates(self.dividend_yield, years),
            dividends=[CashFlow(years=years_to, amount=amount) for years_to, amount in flows if years_to > 0],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptChain:
    """A chain in store, and the terms that it was checked by; None where they were not kept."""

    chain: OptionChain
    terms: PricingTerms | None


def _rates(given: float | ZeroCurve, years: FloatArray) -> FloatArray:
    return given.at(years) if isinstance(given, ZeroCurve) else np.full(years.shape, given)
