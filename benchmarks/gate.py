"""The quality gate over a million and ten million bars, beside the same rules written down in plain numpy."""

import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from adapters.gx_bar_suite import GxBarSuite
from benchmarks.markets import CALENDAR, LAST, Market, make_market
from benchmarks.measurement import Measurement, Run, at_most, seconds
from trading.market.bar_checks import assess_bars
from trading.market.bars import FetchedBars
from trading.market.quality import QualityPolicy

_NOW = datetime(LAST.year, LAST.month, LAST.day, 22, tzinfo=UTC)
_SPLITS = np.log([1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50])
_AROUND = np.r_[-20:-1, 2:21]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def million(run: Run) -> Iterator[Measurement]:
    """Hold a million bars against the rules."""
    symbols, sessions = (20, 300) if run.quick else (500, 2000)
    yield from _measured(run, "gate.1m", make_market(symbols, sessions, run.seed), repeats=5, with_gx=True)


def ten_million(run: Run) -> Iterator[Measurement]:
    """Hold ten million bars against the rules."""
    symbols, sessions = (20, 300) if run.quick else (5000, 2000)
    yield from _measured(run, "gate.10m", make_market(symbols, sessions, run.seed), repeats=2, with_gx=False)


def _measured(run: Run, name: str, market: Market, *, repeats: int, with_gx: bool) -> Iterator[Measurement]:
    fetched, policy, first = market.fetched(), QualityPolicy(), market.day(0)

    def check() -> int:
        assessed = assess_bars(fetched, calendar=CALENDAR, first=first, session=LAST, policy=policy, now=_NOW)
        return len(assessed.low_bars)

    def plainly() -> int:
        return int(plain_findings(fetched, market.sessions).sum())

    if check() != plainly():
        raise RuntimeError("the two find different bars, so they cannot be compared")

    took, baseline = _median(run, check, repeats), _median(run, plainly, repeats)
    rows = len(fetched.bars.frame)
    yield Measurement(
        name=name,
        value=took,
        unit="s",
        baseline=baseline,
        aim=at_most(took / baseline, 3, "ratio <= 3"),
        note=f"`assess_bars` over {rows:,} bars: facts, every rule, scores, verdicts and content hash; baseline: the "
        "rules by hand in numpy, which find the same rows and say no more",
    )
    if with_gx:
        suite = GxBarSuite(policy, CALENDAR)
        small = make_market(2, 30, run.seed)
        suite.validate(small.fetched(), small.day(0), LAST, now=_NOW)  # imports it
        again = _median(run, lambda: suite.validate(fetched, first, LAST, now=_NOW), min(repeats, 3))
        yield Measurement(
            name=f"{name}.gx",
            value=again,
            unit="s",
            baseline=took,
            note=f"what Great Expectations takes as the second reader of the same {rows:,} bars, facts included; "
            "baseline: `assess_bars`",
        )


def plain_findings(fetched: FetchedBars, sessions: npt.NDArray[np.datetime64]) -> Bools:
    """Return which rows break a rule; bars in order of symbol and session, without corporate actions."""
    frame = fetched.bars.frame
    names, days = frame["symbol"].to_numpy(), frame["session"].to_numpy()
    opened, high, low, close, volume = (frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    begins = np.ones(len(names), dtype=np.bool_)
    begins[1:] = names[1:] != names[:-1]
    at = sessions.searchsorted(days)
    step = np.where(begins[1:], 1, np.diff(at))
    bad = sessions[np.minimum(at, len(sessions) - 1)] != days
    bad[1:] |= step != 1
    bad[np.append(begins[1:], True)] |= (at != len(sessions) - 1)[np.append(begins[1:], True)]
    bad |= ~(np.isfinite(opened) & np.isfinite(high) & np.isfinite(low) & np.isfinite(close))
    slack = 1e-6 * np.abs(close)
    lowest, highest = np.minimum(np.minimum(opened, close), low), np.maximum(np.maximum(opened, close), high)
    bad |= (lowest <= 0) | (highest > high + slack) | (lowest < low - slack) | (high < low) | (volume < 0)
    bad |= np.abs(np.log(highest / lowest) - np.log(100)) <= np.log(1.3)
    bad |= _bad_moves(opened, close, begins) | _bad_volumes(volume, begins)
    bad |= (volume == 0) & (high > low)
    whole = (close == np.rint(close)) & (opened == np.rint(opened)) & (high == np.rint(high)) & (low == np.rint(low))
    bad |= whole & _rare(whole, begins)
    return bad | _copies((opened, high, low, close, volume), begins)


def _bad_moves(opened: Floats, close: Floats, begins: Bools) -> Bools:
    before = np.append(np.nan, close[:-1])
    moved, gap = (np.where(begins, 0.0, np.log(prices / before)) for prices in (close, opened))
    size = np.abs(gap)
    large = np.flatnonzero(size > _SPLITS[0] - 0.03)
    bad = (moved > np.log(1.5)) | (moved < np.log(0.5)) | (np.abs(np.abs(moved) - np.log(100)) <= np.log(1.3))
    near = np.abs(size[large, None] - _SPLITS) <= 0.03
    near &= np.abs(np.abs(moved[large, None]) - _SPLITS) <= 0.15
    bad[large] |= near.any(axis=1)
    return bad | _unusual(moved, np.abs(np.expm1(moved)) > 0.2, begins, 0.1)


def _bad_volumes(volume: Floats, begins: Bools) -> Bools:
    logs = np.log(np.where(volume > 0, volume, np.nan))
    steps = np.where(begins, np.nan, logs - np.append(np.nan, logs[:-1]))
    return _unusual(steps, np.abs(steps) > np.log(20), begins, 2.0)


def _unusual(steps: Floats, large: Bools, begins: Bools, largest: float) -> Bools:
    symbol, at = begins.cumsum(), np.flatnonzero(large)
    around = np.clip(at[:, None] + _AROUND, 0, len(steps) - 1)
    own = (symbol[around] == symbol[at][:, None]) & (around == at[:, None] + _AROUND) & np.isfinite(steps[around])
    usual = np.where(own, np.minimum(np.abs(steps[around]), largest), 0).sum(axis=1) / np.maximum(own.sum(axis=1), 1)
    large[at] = (np.abs(steps[at]) > 6 * usual) & (own.sum(axis=1) >= 10)
    return large


def _rare(trait: Bools, begins: Bools) -> Bools:
    symbol = begins.cumsum() - 1
    return (np.bincount(symbol, weights=trait) / np.bincount(symbol) <= 0.05)[symbol]


def _copies(columns: tuple[Floats, ...], begins: Bools) -> Bools:
    """Tell which rows repeat the row before though they have a range, or stand still for eleven rows."""
    same = ~begins
    for values in columns:
        same[1:] &= values[1:] == values[:-1]
    run = (~same).cumsum()
    return (same & (columns[1] > columns[2])) | (np.bincount(run)[run] > 10)


def _median(run: Run, work: Callable[[], object], repeats: int) -> float:
    return statistics.median(seconds(work) for _ in range(run.repeats(repeats)))
