"""Moves of prices from bar to bar: which are explained by corporate actions, and which look like a defect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bars import FetchedBars, PriceBasis
from trading.market.corporate_actions import CashDividend, CorporateAction, Relisting, Split
from trading.market.quality import QualityPolicy

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# A defect and a corporate action take effect at once: they show at the open, before the market has moved much. The
# close may lie further off: TSLA rose 12.6 % on the day of its 5-for-1 split (2020-08-31).
_AT_OPEN, _AT_CLOSE = 0.03, 0.15
_USUAL_SPLITS = np.log([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50])
_LEAST_SPLIT = np.log(1.5) - _AT_OPEN
_HALVED = np.log(2) - _AT_OPEN
_CERTAIN_SPLIT = np.log(2.5)  # a market halves or doubles by itself now and then
_ALARMING_GAP = np.log(3)
_UNIT, _UNIT_TOLERANCE = np.log(100), np.log(1.3)
_LARGE_DIVIDEND = 0.1  # of the price; a smaller one is lost in what the market does that day
_BORNE_OUT = 0.5  # the least part of a large dividend by which the price falls, at the open or the close
_SAME_DIVIDEND, _NOTABLE_DIVIDEND, _DIVIDEND_APART = 2.0, 0.005, 3  # twice the amount, of the price, sessions
_KEY_STEP = 2**32  # more than there are days


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Regular bars by symbol and session, each seen as the step from the bar before it.

    Attributes:
        rows: columns of bars, `highest_px` and `lowest_px`.
        codes: for each row, the place of its symbol in `symbols`; ascending.
        actions: corporate actions of these symbols.
    """

    rows: pd.DataFrame
    codes: IntArray
    symbols: tuple[str, ...]
    price_basis: PriceBasis
    actions: tuple[CorporateAction, ...]

    @classmethod
    def of(cls, fetched: FetchedBars, rows: pd.DataFrame, codes: IntArray, symbols: tuple[str, ...]) -> "Steps":
        """Return the steps of bars that were fetched, with those of the actions that are about them."""
        known = set(symbols)
        actions = tuple(a for a in fetched.actions if a.symbol in known)
        return cls(rows=rows, codes=codes, symbols=symbols, price_basis=fetched.bars.price_basis, actions=actions)

    def codes_of(self, names: Sequence[str]) -> IntArray:
        """Return for each symbol its place in `symbols`; every one must be there."""
        place = {symbol: code for code, symbol in enumerate(self.symbols)}
        return np.array([place[name] for name in names], dtype=np.int64)

    def rows_of(self, actions: Sequence[CorporateAction]) -> tuple[IntArray, BoolArray]:
        """Return for each action the row of its symbol's first bar from the ex-date on, and whether there is one."""
        codes = self.codes_of([a.symbol for a in actions])
        ex_dates = _days(np.array([a.ex_date for a in actions], dtype="datetime64[D]"))
        # Symbol and day as one ascending number: a single search finds them all.
        at = (self.codes * _KEY_STEP + _days(self.rows["session"].to_numpy())).searchsorted(
            codes * _KEY_STEP + ex_dates
        )
        found = at < len(self.codes)
        found[found] = self.codes[at[found]] == codes[found]
        return at, found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Returns:
    """Log returns that no corporate action explains, one for each step; 0 where it cannot be known.

    Attributes:
        prev_close: close of the bar before; NaN on the first bar of a symbol.
        at_open: from the close before to the open, or to the close where there is no open.
        at_close: from close to close.
        paid: dividends per share, as the close before counts shares.
        lowest: the lesser of the two, dividends left in.
    """

    prev_close: FloatArray
    at_open: FloatArray
    at_close: FloatArray
    paid: FloatArray
    lowest: FloatArray


def unexplained_returns(steps: Steps) -> Returns:
    """Return what is left of each move when the symbol's splits and dividends are taken out.

    A split must show in raw prices and must not show in adjusted ones: a difference either way is left over. A dividend
    explains a fall, but no fall is asked for, as the market may take it back the same day.
    """
    close, opened = steps.rows["close"].to_numpy(), steps.rows["open"].to_numpy()
    prev_close = np.full(len(close), np.nan)
    prev_close[1:] = np.where(steps.codes[1:] == steps.codes[:-1], close[:-1], np.nan)
    relistings = [action for action in steps.actions if isinstance(action, Relisting)]
    at, found = steps.rows_of(relistings)
    prev_close[at[found]] = np.nan  # it was another company's
    splits, paid = _split_logs(steps), _dividends(steps)
    at_close = _log_returns(prev_close, close, splits, paid)
    at_open = np.where(np.isnan(opened), at_close, _log_returns(prev_close, opened, splits, paid))
    none = np.zeros(len(paid))
    lowest = np.fmin(_log_returns(prev_close, close, splits, none), _log_returns(prev_close, opened, splits, none))
    return Returns(prev_close=prev_close, at_open=at_open, at_close=at_close, paid=paid, lowest=lowest)


def classify_moves(steps: Steps, young: BoolArray, policy: QualityPolicy) -> dict[str, npt.NDArray[Any]]:
    """Return the facts about moves, named as in BarFacts; `young` marks the bars of the last few sessions."""
    returns = unexplained_returns(steps)
    accepted, gap = _accepted(steps, policy), np.abs(returns.at_open)
    listed, usual = _near_listed_split(steps, returns), _near_usual_split(returns)
    unit_error = _near_unit(steps, returns) & ~listed & ~accepted
    certain = listed | (usual & ((gap > _CERTAIN_SPLIT) | (young & (gap > _HALVED))))
    split_like = np.where(accepted | unit_error, 0, np.where(certain, 2, np.where(usual, 1, 0)))
    jump_ret = np.where(accepted | unit_error | (split_like > 0), 0.0, returns.at_close)
    return {
        "prev_close": returns.prev_close,
        "log_ret": returns.at_close,
        "unit_error": unit_error.astype(np.int8),
        "split_like": split_like.astype(np.int8),
        "jump_ret": jump_ret,
        "alarming_ret": np.where(young | (gap > _ALARMING_GAP), jump_ret, 0.0),
        "paid": returns.paid,
        "dividend_doubt": np.where(accepted, 0, _dividend_doubt(steps, returns)).astype(np.int8),
    }


def _dividend_doubt(steps: Steps, returns: Returns) -> npt.NDArray[np.int8]:
    """Return 1 for a large dividend that the price does not bear out, 2 for one that repeats one just before."""
    at = np.flatnonzero(returns.paid > 0)
    before = returns.prev_close[at]
    share = returns.paid[at] / np.where(before > 0, before, np.nan)  # a close of 0 has a finding of its own
    fall = np.log1p(-np.minimum(share, 1 - 1e-9))
    unborne = (share >= _LARGE_DIVIDEND) & (returns.lowest[at] > _BORNE_OUT * fall)
    close_by = (np.diff(at) <= _DIVIDEND_APART) & (np.diff(steps.codes[at]) == 0)
    alike = np.abs(np.diff(np.log(returns.paid[at]))) <= np.log(_SAME_DIVIDEND)
    again = np.zeros(len(at), dtype=np.bool_)
    again[1:] = close_by & alike & (share[1:] >= _NOTABLE_DIVIDEND)
    doubt = np.zeros(len(returns.paid), dtype=np.int8)
    doubt[at] = np.where(again, 2, unborne)
    return doubt


def _log_returns(before: FloatArray, after: FloatArray, splits: FloatArray, paid: FloatArray) -> FloatArray:
    # Prices that are absent or not positive have findings of their own.
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.log(after / before) + splits
        if paid.any():
            with_dividend = np.log(after / (before - paid)) + splits
            plain = np.where(np.abs(with_dividend) < np.abs(plain), with_dividend, plain)
    return np.where(np.isfinite(plain), plain, 0.0)


def _split_logs(steps: Steps) -> FloatArray:
    """Return for each step the log ratio of the splits that raw prices must show; adjusted ones none."""
    logs = np.zeros(len(steps.codes))
    splits = [a for a in steps.actions if isinstance(a, Split)]
    if splits and steps.price_basis is PriceBasis.RAW:
        rows, found = steps.rows_of(splits)
        np.add.at(logs, rows[found], np.log([float(s.new_per_old) for s in splits])[found])
    return logs


def _dividends(steps: Steps) -> FloatArray:
    """Return for each step the dividends that may show in it, per share as the price of the bar before counts them."""
    paid = np.zeros(len(steps.codes))
    dividends = [a for a in steps.actions if isinstance(a, CashDividend)]
    if dividends and steps.price_basis is not PriceBasis.ADJUSTED:
        later_splits = _splits_by_symbol(steps) if steps.price_basis is PriceBasis.SPLIT_ADJUSTED else {}
        rows, found = steps.rows_of(dividends)
        amounts = [_per_share(d, later_splits.get(d.symbol, ())) for d in dividends]
        np.add.at(paid, rows[found], np.array(amounts, dtype=np.float64)[found])
    return paid


def _splits_by_symbol(steps: Steps) -> Mapping[str, Sequence[Split]]:
    by_symbol: dict[str, list[Split]] = {}
    for action in steps.actions:
        if isinstance(action, Split):
            by_symbol.setdefault(action.symbol, []).append(action)
    return by_symbol


def _per_share(dividend: CashDividend, splits: Sequence[Split]) -> float:
    later = (float(s.new_per_old) for s in splits if s.ex_date >= dividend.ex_date)
    return float(dividend.amount_per_share) / reduce(mul, later, 1.0)


def _near_usual_split(returns: Returns) -> BoolArray:
    """Tell which steps have the size of a usual split, or of a consolidation of two or more."""
    near = np.zeros(len(returns.at_open), dtype=np.bool_)
    large = np.flatnonzero((returns.at_open < -_LEAST_SPLIT) | (returns.at_open > _HALVED))
    near[large] = _near_any(returns, large, large.repeat(len(_USUAL_SPLITS)), np.tile(_USUAL_SPLITS, len(large)))
    return near


def _near_listed_split(steps: Steps, returns: Returns) -> BoolArray:
    """Tell which steps have the size of a split that the source lists for the symbol on whatever day."""
    near = np.zeros(len(returns.at_open), dtype=np.bool_)
    large = np.flatnonzero(np.abs(returns.at_open) > _LEAST_SPLIT)
    splits = [a for a in steps.actions if isinstance(a, Split)]
    listed = pd.DataFrame(
        {
            "code": steps.codes_of([s.symbol for s in splits]),
            "size": np.abs(np.log([float(s.new_per_old) for s in splits])),
        }
    )
    pairs = pd.DataFrame({"code": steps.codes[large], "row": large}).merge(
        listed[listed["size"] > _LEAST_SPLIT], on="code"
    )
    near[large] = _near_any(returns, large, pairs["row"].to_numpy(), pairs["size"].to_numpy())
    return near


def _near_any(returns: Returns, wanted: IntArray, rows: IntArray, sizes: FloatArray) -> BoolArray:
    """Tell which of the wanted rows lie near one of the sizes that are paired with them."""
    fits = (np.abs(np.abs(returns.at_open[rows]) - sizes) <= _AT_OPEN) & (
        np.abs(np.abs(returns.at_close[rows]) - sizes) <= _AT_CLOSE
    )
    return np.isin(wanted, rows[fits])


def _near_unit(steps: Steps, returns: Returns) -> BoolArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        within_bar = np.log(steps.rows["highest_px"].to_numpy() / steps.rows["lowest_px"].to_numpy())
    off = np.abs(np.abs(returns.at_close) - _UNIT) <= _UNIT_TOLERANCE
    return np.asarray(off | (np.abs(within_bar - _UNIT) <= _UNIT_TOLERANCE))


def _accepted(steps: Steps, policy: QualityPolicy) -> BoolArray:
    known = set(steps.symbols)
    moves = [m for m in policy.accepted_moves if m.symbol in known]
    if not moves:
        return np.zeros(len(steps.codes), dtype=np.bool_)
    keys = steps.codes_of([m.symbol for m in moves]) * _KEY_STEP
    keys += _days(np.array([m.session for m in moves], dtype="datetime64[D]"))
    return np.isin(steps.codes * _KEY_STEP + _days(steps.rows["session"].to_numpy()), keys)


def _days(sessions: npt.NDArray[np.datetime64]) -> IntArray:
    return sessions.astype("datetime64[D]").astype(np.int64)
