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
_LARGEST_MOVE, _LARGEST_VOLUME_STEP = 0.1, 2.0  # each counts at most this much in what is usual


def usual_size(steps: FloatArray, starts: BoolArray, largest: float) -> FloatArray:
    """Return for each row the mean absolute step of the rows around it, of the same symbol; infinite where unknown.

    The row itself and its two neighbours are left out: one wrong bar makes two large steps.

    Args:
        steps: NaN where there is none.
        starts: whether a symbol begins at the row.
        largest: what a step counts at most, so that one defect does not hide the next.
    """
    known = np.isfinite(steps)
    sizes = np.where(known, np.minimum(np.abs(steps), largest), 0.0)
    first, end = _bounds(starts)
    at = np.arange(len(steps))
    low, high = np.maximum(first, at - AROUND), np.minimum(end, at + AROUND + 1)
    near_low, near_high = np.maximum(first, at - 1), np.minimum(end, at + 2)
    total, count = (
        (sums[high] - sums[low]) - (sums[near_high] - sums[near_low])
        for sums in (np.append(0.0, sizes.cumsum()), np.append(0, known.cumsum()))
    )
    return np.where(count >= LEAST_KNOWN, total / np.maximum(count, 1), np.inf)


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
    usual_volume_step = usual_size(volume_step, starts, _LARGEST_VOLUME_STEP)
    volume_jump = np.abs(volume_step) > np.fmax(np.log(policy.unusual_volume), policy.unusual_times * usual_volume_step)
    jump_ret = moves["jump_ret"]
    usual_move = usual_size(np.where(starts, np.nan, jump_ret), starts, _LARGEST_MOVE)
    unusual = (np.abs(np.expm1(jump_ret)) > policy.unusual_return) & (
        np.abs(jump_ret) > policy.unusual_times * usual_move
    )
    return {
        "unusual_move": unusual.astype(np.int8),
        "volume_step": np.nan_to_num(volume_step).astype(np.float32),
        "volume_doubt": (volume_jump | _no_volume(rows, codes)).astype(np.int8),
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
    """Grade bars with the prices of the bar before: 2 for a recent one with its volume too, else 1.

    A bar without a range is no copy: one that hardly trades comes back to the same price.
    """
    same = ~starts & (rows["high"].to_numpy() > rows["low"].to_numpy())
    at = np.flatnonzero(same)
    for name in PRICE_COLUMNS:
        prices = rows[name].to_numpy()
        at = at[prices[at] == prices[at - 1]]
    volume = rows["volume"].to_numpy()
    graded = np.zeros(len(rows), dtype=np.int8)
    graded[at] = 1 + (recent[at] & (volume[at] == volume[at - 1]) & (volume[at] > 0))
    return graded


def _bounds(starts: BoolArray) -> tuple[IntArray, IntArray]:
    begins = np.flatnonzero(starts)
    run = starts.cumsum() - 1
    return begins[run], np.append(begins[1:], len(starts))[run]


def _log(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log(values), np.nan)
