"""Economic indicators and dates of companies' results from Alpha Vantage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import pandas as pd

from adapters.alpha_vantage_api import AlphaVantageApi
from adapters.quoted_rows import quoted
from adapters.quoted_values import Unusable, quoted_day, quoted_number, quoted_objects
from adapters.us_symbols import dashed
from trading.errors import InvalidValue
from trading.market.reference import EconomicEvent

DAILY, MONTHLY, QUARTERLY = "daily", "monthly", "quarterly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """An indicator of the USA, and how it is asked for."""

    interval: str
    parameters: Mapping[str, str]


INDICATORS: Mapping[str, Indicator] = {
    "CPI": Indicator(interval=MONTHLY, parameters={"interval": MONTHLY}),
    "DURABLES": Indicator(interval=MONTHLY, parameters={}),
    "FEDERAL_FUNDS_RATE": Indicator(interval=DAILY, parameters={"interval": DAILY}),
    "NONFARM_PAYROLL": Indicator(interval=MONTHLY, parameters={}),
    "REAL_GDP": Indicator(interval=QUARTERLY, parameters={"interval": QUARTERLY}),
    "RETAIL_SALES": Indicator(interval=MONTHLY, parameters={}),
    "TREASURY_YIELD": Indicator(interval=DAILY, parameters={"interval": DAILY, "maturity": "10year"}),
    "UNEMPLOYMENT": Indicator(interval=MONTHLY, parameters={}),
}
# From the first day of a period to when its number was out for certain, the shutdown of 2025 included: the jobs of
# September came on 20 November (80 days), the product of the third quarter on 23 December (175 days).
KNOWN_AFTER: Mapping[str, timedelta] = {
    DAILY: timedelta(days=7),
    MONTHLY: timedelta(days=90),
    QUARTERLY: timedelta(days=180),
}
EARNINGS = ("symbol", "reportDate", "fiscalDateEnding", "estimate", "currency")
HORIZONS = ((timedelta(days=89), "3month"), (timedelta(days=179), "6month"))


class AlphaVantageIndicators:
    """Published numbers of the US economy, one GET for each indicator.

    Alpha Vantage tells the period that a number is of, and neither the day of its release nor what was said then: the
    numbers are as revised since. So `on` is not the release but KNOWN_AFTER the period began, lest a backtest sees the
    number too early; the period is in the name. Of the future there is nothing.

    Args:
        indicators: of INDICATORS; each costs a request.
        api: how it is asked.

    Source: alphavantage.co/documentation, "Economic Indicators".
    """

    def __init__(self, api: AlphaVantageApi, indicators: Sequence[str] = tuple(INDICATORS)) -> None:
        if strange := set(indicators) - set(INDICATORS):
            raise InvalidValue("indicators", ", ".join(sorted(strange)), f"among {', '.join(INDICATORS)}")
        self._api, self._indicators = api, tuple(indicators)

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self._api.name

    def events(self, first: date, last: date) -> tuple[EconomicEvent, ...]:
        """Return the numbers that became known from `first` to `last`, both included, by day.

        Raises:
            SourceUnavailable: Alpha Vantage limits or refuses us, or does not answer properly.
        """
        found = [event for function in self._indicators for event in self._numbers(function)]
        return _within(found, first, last)

    def _numbers(self, function: str) -> list[EconomicEvent]:
        indicator = INDICATORS[function]
        answer = self._api.ask(function, indicator.parameters)
        try:
            name, unit, interval = (answer.get(field) for field in ("name", "unit", "interval"))
            if not isinstance(name, str) or interval != indicator.interval:
                raise Unusable(f"no {indicator.interval} numbers: {quoted(answer, self._api.key)}")
            rows = quoted_objects("data", answer.get("data"))
            told = {quoted_day("date", row.get("date")): quoted_number("value", row.get("value")) for row in rows}
        except Unusable as exc:
            raise self._api.unavailable(function, exc) from None
        values = sorted((period, value) for period, value in told.items() if not pd.isna(value))
        return [
            EconomicEvent(
                provider=self.name,
                name=f"{name}, {_label(period, indicator.interval)}",
                subject="US",
                on=period + KNOWN_AFTER[indicator.interval],
                actual=value,
                previous=previous,
                unit=str(unit or ""),
            )
            for (_, previous), (period, value) in pairwise([(None, None), *values])
            if period is not None
        ]


class AlphaVantageEarnings:
    """The days on which companies will publish their results, EARNINGS_CALENDAR: up to a year ahead, by one GET.

    Args:
        symbols: whose results; those of all companies when empty.
        mic: ISO 10383 code of the exchange of all symbols; in the USA a dot is a share class.
        api: how it is asked.

    Source: alphavantage.co/documentation, "Earnings Calendar".
    """

    def __init__(
        self, api: AlphaVantageApi, symbols: Sequence[str] = (), *, now: Callable[[], datetime], mic: str = "XNYS"
    ) -> None:
        self._api, self._now = api, now
        self._ours = {dashed(symbol, mic): symbol for symbol in symbols}

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self._api.name

    def events(self, first: date, last: date) -> tuple[EconomicEvent, ...]:
        """Return the announced results from `first` to `last`, both included, by day; of the past there are none.

        Raises:
            SourceUnavailable: Alpha Vantage limits or refuses us, or does not answer properly.
        """
        ahead = last - self._now().date()
        horizon = next((word for most, word in HORIZONS if ahead <= most), "12month")
        rows = self._api.table("EARNINGS_CALENDAR", {"horizon": horizon}, EARNINGS)
        try:
            return _within(self._announced(rows), first, last)
        except Unusable as exc:
            raise self._api.unavailable("EARNINGS_CALENDAR", exc) from None

    def _announced(self, rows: Sequence[Mapping[str, str]]) -> Iterator[EconomicEvent]:
        for row in rows:
            estimate = quoted_number("estimate", row["estimate"])
            when = row.get("timeOfTheDay") or ""
            event = EconomicEvent(
                provider=self.name,
                name=f"results to {quoted_day('fiscalDateEnding', row['fiscalDateEnding'])}{when and ', ' + when}",
                subject=self._ours.get(row["symbol"], row["symbol"]),
                on=quoted_day("reportDate", row["reportDate"]),
                forecast=None if pd.isna(estimate) else estimate,
                unit=f"{row['currency']} per share",
            )
            if not self._ours or row["symbol"] in self._ours:
                yield event


def _within(
    events: Sequence[EconomicEvent] | Iterator[EconomicEvent], first: date, last: date
) -> tuple[EconomicEvent, ...]:
    within = [event for event in events if first <= event.on <= last]
    return tuple(sorted(within, key=lambda event: (event.on, event.subject, event.name)))


def _label(period: date, interval: str) -> str:
    if interval == QUARTERLY:
        return f"{period.year} Q{(period.month + 2) // 3}"
    return f"{period:%Y-%m}" if interval == MONTHLY else period.isoformat()
