"""Bars unlike the others of their symbol: moves and volumes that are rare for it, and bars that are copies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trading.market.bar_moves import BoolArray, FloatArray, IntArray
from trading.market.bars import PRICE_COLUMNS
from trading.market.quality import QualityPolicy

AROUND = 20  # bars before and after that tell what is usual
LEAST_KNOWN = 10  # of them; with fewer, nothing is called unusual
_RARE, _OFTEN = 0.05, 0.5  # a trait of so few, or so many, of a symbol's bars
_AT_ONCE = 100_000
_LARGEST_MOVE, _LARGEST_VOLUME_STEP = 0.1, 2.0  # each counts at most this much in what is usual


def usual_size(steps: FloatArray, codes: IntArray, at: IntArray, largest: float) -> FloatArray:
    """Return for some rows the mean absolute step of the rows around, of the same symbol; infinite where unknown.

    The row itself and its two neighbours are left out: one wrong bar makes two large steps.

    Args:
        steps: of all rows; NaN where there is none.
        codes: for each row, the number of its symbol.
        at: the rows wanted.
        largest: what a step counts at most, so that one defect does not hide the next.
    """
    parts = np.array_split(at, 1 + len(at) // _AT_ONCE)  # bars that are all wrong must not take all memory
    return np.concatenate([_usual_size(steps, codes, part, largest) for part in parts])


def _usual_size(steps: FloatArray, codes: IntArray, at: IntArray, largest: float) -> FloatArray:
    rows = at[:, np.newaxis] + np.r_[-AROUND:-1, 2 : AROUND + 1]
    around = np.clip(rows, 0, len(steps) - 1)
    sizes = np.abs(steps[around])
    known = (rows == around) & (codes[around] == codes[at][:, np.newaxis]) & np.isfinite(sizes)
    count = known.sum(axis=1)
    total = np.where(known, np.minimum(sizes, largest), 0.0).sum(axis=1)
    return np.where(count >= LEAST_KNOWN, total / np.maximum(count, 1), np.inf)


def _unusual(steps: FloatArray, codes: IntArray, large: BoolArray, times: float, largest: float) -> BoolArray:
    """Tell which of the large steps are more than so many times the usual one."""
    at = np.flatnonzero(large)
    unusual = np.zeros(len(steps), dtype=np.bool_)
    unusual[at] = np.abs(steps[at]) > times * usual_size(steps, codes, at, largest)
    return unusual


def habit_facts(
    rows: pd.DataFrame,
    codes: IntArray,
    moves: Mapping[str, npt.NDArray[Any]],
    recent: BoolArray,
    policy: QualityPolicy,
) -> dict[str, npt.NDArray[Any]]:
    """Return the facts about habits, named as in BarFacts.

    Args:
        rows: bars by symbol and session.
        codes: for each row, the number of its symbol; ascending.
        moves: `jump_ret` and `unit_error` as in BarFacts.
        recent: as in BarFacts.
    """
    starts = np.ones(len(rows), dtype=np.bool_)
    starts[1:] = codes[1:] != codes[:-1]
    volume_step = _steps(_log(rows["volume"].to_numpy()), starts)
    large_step = np.abs(volume_step) > np.log(policy.unusual_volume)
    volume_jump = _unusual(volume_step, codes, large_step, policy.unusual_times, _LARGEST_VOLUME_STEP)
    jump_ret = moves["jump_ret"]
    large_move = np.abs(np.expm1(jump_ret)) > policy.unusual_return
    unusual = _unusual(jump_ret, codes, large_move, policy.unusual_times, _LARGEST_MOVE)
    return {
        "unusual_move": unusual.astype(np.int8),
        "volume_step": np.nan_to_num(volume_step).astype(np.float32),
        "volume_doubt": (volume_jump | _no_volume(rows, codes) | np.isinf(rows["volume"].to_numpy())).astype(np.int8),
        "copied": _copied(rows, starts, recent),
        "rounded": (_rounded(rows, codes) & (moves["unit_error"] == 0)).astype(np.int8),
    }


def _steps(values: FloatArray, starts: BoolArray) -> FloatArray:
    steps = np.full(len(values), np.nan)
    steps[1:] = np.where(starts[1:], np.nan, values[1:] - values[:-1])
    return steps


def _no_volume(rows: pd.DataFrame, codes: IntArray) -> BoolArray:
    """Tell which bars have no volume, though they have a range, or though their symbol trades nearly always."""
    none = np.asarray(rows["volume"].to_numpy() == 0)
    if not none.any():
        return none
    ranged = rows["high"].to_numpy() > rows["low"].to_numpy()
    share, known = _share(none, codes)
    return np.asarray(none & ((ranged & (share < _OFTEN)) | ((share <= _RARE) & known)))


def _rounded(rows: pd.DataFrame, codes: IntArray) -> BoolArray:
    """Tell which bars have only whole prices, though nearly all of their symbol have fractions."""
    whole = np.ones(len(rows), dtype=np.bool_)
    for name in PRICE_COLUMNS:
        prices = rows[name].to_numpy()
        whole &= prices == np.rint(prices)
    share, known = _share(whole, codes)
    return np.asarray(whole & (share <= _RARE) & known)


def _share(trait: BoolArray, codes: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return for each row the share of its symbol's bars that have the trait, and whether there are enough bars."""
    count = np.bincount(codes)
    share = np.bincount(codes, weights=trait) / np.maximum(count, 1)
    return share[codes], (count >= 2 * LEAST_KNOWN)[codes]


def _copied(rows: pd.DataFrame, starts: BoolArray, recent: BoolArray) -> npt.NDArray[np.int8]:
    """Grade bars that are the bar before once more, volume included: 2 for a recent one, else 1.

    A bar without a range is no copy: one that hardly trades comes back to the same price.
    """
    close, volume = rows["close"].to_numpy(), rows["volume"].to_numpy()
    at = 1 + np.flatnonzero((close[1:] == close[:-1]) & ~starts[1:])  # closes differ nearly always
    for name in ("open", "high", "low"):
        prices = rows[name].to_numpy()
        at = at[prices[at] == prices[at - 1]]
    at = at[(volume[at] == volume[at - 1]) | (np.isnan(volume[at]) & np.isnan(volume[at - 1]))]
    at = at[rows["high"].to_numpy()[at] > rows["low"].to_numpy()[at]]
    graded = np.zeros(len(rows), dtype=np.int8)
    graded[at] = 1 + recent[at]
    return graded


def _log(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((values > 0) & np.isfinite(values), np.log(values), np.nan)
