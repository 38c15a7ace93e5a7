"""What yfinance makes of Yahoo's charts, brought back from split-adjusted to what was traded and paid."""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bars import PRICE_COLUMNS, bars_frame
from trading.market.corporate_actions import CashDividend, CorporateAction, Split
from trading.market.minute_bars import minute_frame

LARGEST_TERM = 10_000
SINGLE_PRECISION_DIGITS = 7

FloatArray = npt.NDArray[np.float64]


def chart_bars(chart: pd.DataFrame, symbol: str, first: date, last: date) -> pd.DataFrame:
    """Return the raw bars of a chart between two sessions, as DailyBars holds them.

    Rows without any price are no bars and left out; a row with some keeps NaN for the others. Prices come in single
    precision (129.03999328613281), so they are given to seven significant digits (129.04).

    Args:
        chart: of `yfinance.Ticker.history(auto_adjust=False, actions=True)`, up to the newest split.
    """
    rows, traded = _raw_rows(chart)
    rows["session"] = _days(chart)
    asked = rows["session"].between(pd.Timestamp(first), pd.Timestamp(last))
    return bars_frame(rows[traded & asked].assign(symbol=symbol))


def chart_minutes(chart: pd.DataFrame, symbol: str, first: date, last: date, ended_by: datetime) -> pd.DataFrame:
    """Return the raw minute bars of a chart between two sessions, as MinuteBars holds them.

    Args:
        chart: as above, of minutes.
        ended_by: a minute that ends later is left out, and what Yahoo adds as the price of this moment.
    """
    rows, traded = _raw_rows(chart)
    starts = pd.DatetimeIndex(chart.index).tz_convert("UTC")
    rows["bar_start"] = starts
    asked = _days(chart).to_series(index=rows.index).between(pd.Timestamp(first), pd.Timestamp(last))
    whole = (starts == starts.floor("min")) & (starts + pd.Timedelta(minutes=1) <= pd.Timestamp(ended_by))
    return minute_frame(rows[traded & asked & whole].assign(symbol=symbol))


def _raw_rows(chart: pd.DataFrame) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """Return prices and volumes before all later splits, and which rows have any price."""
    undone = _later_splits(chart)
    rows = pd.DataFrame(
        {name: to_single_precision(chart[name.capitalize()].to_numpy(np.float64) * undone) for name in PRICE_COLUMNS}
    )
    rows["volume"] = np.round(chart["Volume"].to_numpy(np.float64) / undone)
    return rows, rows[list(PRICE_COLUMNS)].notna().any(axis=1)


def chart_actions(chart: pd.DataFrame, symbol: str, currency: str, first: date, last: date) -> list[CorporateAction]:
    """Return splits and dividends (in old shares, as they were paid) with ex-dates between two days."""
    days, undone = _days(chart), _later_splits(chart)
    found: list[CorporateAction] = []
    for at in np.flatnonzero(_column(chart, "Stock Splits") > 0):
        ratio = Fraction(float(chart["Stock Splits"].iloc[at])).limit_denominator(LARGEST_TERM)
        new_per_old = Decimal(ratio.numerator) / Decimal(ratio.denominator)
        found.append(Split(symbol=symbol, ex_date=days[at].date(), new_per_old=new_per_old))
    for at in np.flatnonzero(_column(chart, "Dividends") > 0):
        paid = Decimal(str(round(float(chart["Dividends"].iloc[at]) * float(undone[at]), 6)))
        if paid > 0:
            found.append(CashDividend(symbol=symbol, ex_date=days[at].date(), amount_per_share=paid, currency=currency))
    return [action for action in found if first <= action.ex_date <= last]


def to_single_precision(prices: FloatArray) -> FloatArray:
    """Return the prices to seven significant digits, all that single precision holds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = SINGLE_PRECISION_DIGITS - 1 - np.floor(np.log10(np.abs(prices)))
        scale = 10.0 ** np.where(np.isfinite(digits), digits, 0.0)
    return np.asarray(np.round(prices * scale) / scale, dtype=np.float64)


def _later_splits(chart: pd.DataFrame) -> FloatArray:
    """Return for each row the product of all splits after it: what Yahoo divided its prices by."""
    splits = _column(chart, "Stock Splits")
    factors = np.where(splits > 0, splits, 1.0)
    after = np.append(factors[1:], 1.0)
    return np.asarray(np.multiply.accumulate(after[::-1])[::-1], dtype=np.float64)


def _column(chart: pd.DataFrame, name: str) -> FloatArray:
    if name not in chart:
        return np.zeros(len(chart))
    values: FloatArray = chart[name].to_numpy(np.float64)
    return np.nan_to_num(values)


def _days(chart: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(chart.index).tz_localize(None).normalize()
