"""Prices adjusted for corporate actions, as of a date."""

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.errors import BarsInvalid
from trading.market.corporate_actions import CashDividend, CorporateAction, Relisting, Rename, Split

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


def wide_closes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the closes as they are: one row per session, ascending, one column per symbol, NaN where there is no bar.

    Args:
        frame: the frame of DailyBars.

    Raises:
        BarsInvalid: a symbol has two bars for one session.
    """
    rows, sessions = pd.factorize(frame["session"], sort=True)
    columns, symbols = pd.factorize(frame["symbol"], sort=True)
    cells = rows * max(len(symbols), 1) + columns
    if len(cells) and np.bincount(cells).max() > 1:
        twice = frame[frame.duplicated(["symbol", "session"])].iloc[0]
        raise BarsInvalid("the frame", f"{twice['symbol']} has two bars for {twice['session']:%Y-%m-%d}")
    closes = np.full(len(sessions) * len(symbols), np.nan)
    closes[cells] = frame["close"].to_numpy()
    return pd.DataFrame(
        closes.reshape(len(sessions), len(symbols)),
        index=pd.DatetimeIndex(sessions, name="session"),
        columns=pd.Index(symbols, name="symbol"),
    )


def split_adjusted_closes(frame: pd.DataFrame, actions: Iterable[CorporateAction], as_of: date) -> pd.DataFrame:
    """Return raw closes as if all splits up to `as_of` had always been; wide, as `adjusted_closes` returns them."""
    return adjusted_closes(frame, [a for a in actions if isinstance(a, Split)], as_of)


def adjusted_closes(frame: pd.DataFrame, actions: Iterable[CorporateAction], as_of: date) -> pd.DataFrame:
    """Return raw closes adjusted backwards for the splits and dividends whose ex-date is not after `as_of`.

    A close before an ex-date is multiplied by 1 / new_per_old for a split, and by 1 - dividend / (last close before
    the ex-date) for dividends, all dividends of one ex-date together. A 7-for-1 split turns a close of 645.57 before it
    into 92.22; a dividend of 2.00 after a close of 100 turns that 100 into 98. The last close is never changed.

    A symbol that was given to another company has no closes from before: they are not its own. A company that took
    another symbol brings along, adjusted, what it traded under the old one, where the new one has no closes itself;
    the old one is left out.

    Args:
        frame: the frame of DailyBars with raw prices; bars after `as_of` are left out, as nobody knew them then.
        actions: those of other symbols and after `as_of` do nothing.
        as_of: the day from which one looks back.

    Returns:
        Wide frame: sessions ascending, one column per symbol, NaN where there is no bar. Where dividends are not
        smaller than the close they were paid out of, one of the two is wrong: all closes of that symbol before that
        ex-date are NaN.

    Raises:
        BarsInvalid: a symbol has two bars for one session.

    Source: Yahoo Finance help, "What is the adjusted close?" (which follows the standards of CRSP).
    """
    closes = wide_closes(frame[frame["session"] <= pd.Timestamp(as_of)])
    known = [a for a in actions if a.ex_date <= as_of]
    closes = _of_companies(closes, known)
    known = [a for a in known if a.symbol in closes.columns]
    factors = _split_factors(closes, [a for a in known if isinstance(a, Split)])
    factors *= _dividend_factors(closes, [a for a in known if isinstance(a, CashDividend)])
    # Row i stands for "before the session i": the closes before it are those of the rows above.
    back_to_front = np.multiply.accumulate(factors[::-1])[::-1]
    return closes * back_to_front[1:]


def _of_companies(closes: pd.DataFrame, actions: Iterable[CorporateAction]) -> pd.DataFrame:
    """Return the closes by company: without those of a symbol's former owner, with those of a company's old symbol.

    They are followed in the order of time, so that a symbol may be left by one company and taken by another.
    """
    known = sorted(actions, key=lambda a: (a.ex_date, isinstance(a, Rename)))
    for action in known:
        if action.symbol not in closes.columns or not isinstance(action, Relisting | Rename):
            continue
        before = closes.index < pd.Timestamp(action.ex_date)
        if isinstance(action, Rename):
            old = closes[action.symbol].where(before)
            there = closes.get(action.new_symbol)
            closes[action.new_symbol] = old if there is None else there.fillna(old)
        closes[action.symbol] = closes[action.symbol].mask(before)
        if isinstance(action, Rename) and closes[action.symbol].isna().all():
            closes = closes.drop(columns=action.symbol)
    return closes


def _split_factors(closes: pd.DataFrame, splits: Sequence[Split]) -> FloatArray:
    factors = np.ones((len(closes) + 1, len(closes.columns)))
    if splits:
        np.multiply.at(factors, _cells(closes, splits), 1.0 / np.array([float(s.new_per_old) for s in splits]))
    return factors


def _dividend_factors(closes: pd.DataFrame, dividends: Sequence[CashDividend]) -> FloatArray:
    paid = np.zeros((len(closes) + 1, len(closes.columns)))
    if not dividends:
        return paid + 1.0
    np.add.at(paid, _cells(closes, dividends), np.array([float(d.amount_per_share) for d in dividends]))
    rows, columns = np.nonzero(paid)
    close_before = closes.ffill().to_numpy()[rows - 1, columns]
    with np.errstate(divide="ignore"):  # a close of 0 leaves no share, as below
        share_left = 1.0 - paid[rows, columns] / close_before
    share_left[~(share_left > 0)] = np.nan
    share_left[rows == 0] = 1.0  # nothing lies before the first session
    factors = np.ones_like(paid)
    factors[rows, columns] = np.where(np.isnan(close_before), 1.0, share_left)
    return factors


def _cells(closes: pd.DataFrame, actions: Sequence[CorporateAction]) -> tuple[IntArray, IntArray]:
    """Return for each action the row of the first session not before its ex-date, and the column of its symbol."""
    ex_dates = np.array([a.ex_date for a in actions], dtype=closes.index.dtype)
    return closes.index.to_numpy().searchsorted(ex_dates), closes.columns.get_indexer([a.symbol for a in actions])
