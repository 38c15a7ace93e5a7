"""Facts of symbols measured from their daily bars: volume, volatility, and what moves together."""

import math
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd

from trading.market.adjustments import adjusted_closes
from trading.market.corporate_actions import CorporateAction, Split
from trading.market.instruments import Instrument
from trading.risk.trading_facts import TradingFacts

LEAST_SESSIONS = 20  # fewer say too little
SESSIONS_A_YEAR = 252


def measured_facts(
    bars: pd.DataFrame,
    actions: Iterable[CorporateAction],
    as_of: date,
    *,
    instruments: Mapping[str, Instrument],
    correlation: float,
) -> dict[str, TradingFacts]:
    """Return the facts of every symbol that has bars or is an instrument.

    What is not known of enough sessions is None; two symbols that share too few count as moving together.

    Args:
        bars: frame of DailyBars with raw prices, of the sessions to measure.
        actions: what adjusts them, as of that day.
        correlation: of daily log returns, above which symbols move together.
    """
    known = list(actions)
    returns = log_returns(bars, known, as_of)
    volatility = returns.std()[returns.count() >= LEAST_SESSIONS] * 100
    volume = _average_volumes(bars, known, as_of)
    together = returns.corr(min_periods=LEAST_SESSIONS)
    names = [*volume.index, *instruments, *returns.columns]
    return {
        symbol: TradingFacts(
            instrument=instruments.get(symbol),
            average_volume=_above_zero(volume.get(symbol)),
            volatility_pct=_number(volatility.get(symbol)),
            correlated=_correlated(symbol, together, correlation) if symbol in volatility.index else None,
        )
        for symbol in dict.fromkeys(names)
    }


def annual_volatility_pct(
    bars: pd.DataFrame, actions: Iterable[CorporateAction], as_of: date, symbol: str
) -> Decimal | None:
    """Return a symbol's volatility over these bars, in per cent a year of 252 sessions; None when not known."""
    returns = log_returns(bars, actions, as_of)
    if symbol not in returns or returns[symbol].count() < LEAST_SESSIONS:
        return None
    return _number(returns[symbol].std() * math.sqrt(SESSIONS_A_YEAR) * 100)


def log_returns(bars: pd.DataFrame, actions: Iterable[CorporateAction], as_of: date) -> pd.DataFrame:
    """Return the daily log returns, adjusted; wide, NaN beside a missing bar."""
    closes = adjusted_closes(bars, actions, as_of)
    return np.log(closes.where(closes > 0)).diff()


def _average_volumes(bars: pd.DataFrame, actions: Iterable[CorporateAction], as_of: date) -> "pd.Series[float]":
    """Return mean daily volumes in the shares of the day, of symbols with enough of them."""
    volume = bars["volume"].copy()
    for action in actions:
        if isinstance(action, Split) and action.ex_date <= as_of:
            before = (bars["symbol"] == action.symbol) & (bars["session"] < pd.Timestamp(action.ex_date))
            volume[before] *= float(action.new_per_old)
    by_symbol = volume.groupby(bars["symbol"])
    return by_symbol.mean()[by_symbol.count() >= LEAST_SESSIONS]


def _correlated(symbol: str, together: pd.DataFrame, correlation: float) -> frozenset[str]:
    of_symbol = together[symbol].drop(symbol)
    return frozenset(of_symbol.index[~(of_symbol <= correlation)])


def _above_zero(value: float | None) -> Decimal | None:
    return _number(value) if value is not None and value > 0 else None


def _number(value: float | None) -> Decimal | None:
    return Decimal(repr(float(value))) if value is not None and math.isfinite(value) else None
