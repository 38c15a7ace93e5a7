"""The catalogue of corruptions: how much of what goes wrong the quality gate finds, and how often it cries for nothing.

`python -m benchmarks.corruptions [COUNT]` prints Markdown, `python -m benchmarks gate.catalogue` lines of JSON.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.corruption_kinds import KINDS, LENGTH, Draw, Kind, Window
from benchmarks.markets import CALENDAR, YEAR
from benchmarks.measurement import SEED, Measurement, Run, at_least, at_most
from trading.market.bar_checks import assess_bars
from trading.market.bar_facts import bar_facts
from trading.market.bar_rules import BAR_RULES
from trading.market.bars import DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.corporate_actions import CashDividend, CorporateAction, Split
from trading.market.quality import Finding, FindingSeverity, QualityPolicy, QualityReport

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
AT_ONCE = 1000
_LAST = date(2021, 3, 31)
_NOW = datetime(2021, 4, 1, 1, tzinfo=UTC)
_NEAR = np.timedelta64(10, "D")  # a finding within a few sessions is about the corruption
_COLUMNS = ("open", "high", "low", "close", "volume")
_EVENT = ["file_symbol", "ex_date", "cash_per_share", "split_ratio_new_per_old"]
_SPARE = 5  # one in so many is drawn beyond those wanted
# Without a gap, without another company under the same ticker: whatever is found in them is no defect.
_COMPLETE = ("AAPL", "AIG", "BAC", "GOOG", "GOOGL", "IBM", "IWM", "SPY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How many corruptions of one kind were found, and how many of them so that the symbol is quarantined."""

    kind: Kind
    made: int
    found: int
    critical: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """What the gate says of bars that are right.

    Attributes:
        flagged: bars with a warning at least.
        critical: bars with a critical grade.
        symbol_years: of 252 bars.
    """

    bars: int
    flagged: int
    critical: int
    symbol_years: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealBars:
    """Real bars, with their corporate actions, and where they are from.

    Attributes:
        runs: the same bars, each symbol cut where a session is missing.
    """

    frame: pd.DataFrame
    actions: tuple[CorporateAction, ...]
    runs: tuple[Window, ...]
    origin: str


def real_bars(folder: Path = DATA) -> RealBars:
    """Return raw bars of US stocks and funds where the test data is there, else the closes of the sample."""
    path = folder / "equity" / "us_equity_daily_raw.parquet"
    if path.exists():
        frame = bars_frame(pd.read_parquet(path).rename(columns={"date": "session"}))
        events = pd.read_csv(folder / "equity" / "us_equity_events_derived.csv").dropna(subset=["ex_date"])
        actions = tuple(_action(*row) for row in events[_EVENT].itertuples(index=False))
        runs = tuple(_runs(frame, actions))
        return RealBars(frame=frame, actions=actions, runs=runs, origin="raw bars of 21 US tickers, 1998 to 2021")
    from skfolio.datasets import load_sp500_dataset

    closes = load_sp500_dataset().rename_axis("session").reset_index()
    frame = bars_frame(closes.melt(id_vars="session", var_name="symbol", value_name="close"))
    for name in ("open", "high", "low"):
        frame[name] = frame["close"]
    frame = frame.assign(volume=1e6)
    runs = tuple(_runs(frame, ()))
    return RealBars(frame=frame, actions=(), runs=runs, origin="closes of skfolio's 20 US stocks made into bars")


def _action(symbol: str, ex_date: str, cash: float, ratio: float) -> CorporateAction:
    day = date.fromisoformat(ex_date)
    if np.isnan(ratio):
        return CashDividend(symbol=symbol, ex_date=day, amount_per_share=Decimal(str(cash)))
    return Split(symbol=symbol, ex_date=day, new_per_old=Decimal(str(ratio)))


def windows(real: RealBars, count: int, random: np.random.Generator) -> list[Window]:
    """Return windows of LENGTH consecutive sessions of a random symbol, moved to the sessions that end with _LAST."""
    runs = [run for run in real.runs if len(run.days) >= LENGTH]
    starts = np.array([len(run.days) - LENGTH + 1 for run in runs])
    days = CALENDAR.session_index(CALENDAR.sessions_before(_LAST, LENGTH - 1), _LAST).to_numpy()
    drawn = []
    for number, which in enumerate(random.choice(len(runs), count, p=starts / starts.sum())):
        begin = int(random.integers(starts[which]))
        drawn.append(_moved(runs[which], begin, days, f"W{number:05d}"))
    return drawn


def _runs(frame: pd.DataFrame, actions: Sequence[CorporateAction]) -> Iterator[Window]:
    sessions = CALENDAR.session_index(date(1990, 1, 1), _LAST).to_numpy()
    for symbol, rows in frame.groupby("symbol"):
        days = rows["session"].to_numpy()
        values = rows[list(_COLUMNS)].to_numpy()
        own = tuple(a for a in actions if a.symbol == symbol)
        edges = [0, *(1 + np.flatnonzero(np.diff(sessions.searchsorted(days)) != 1)), len(days)]
        for begin, end in pairwise(edges):
            yield Window(symbol=str(symbol), days=days[begin:end], values=values[begin:end], actions=own)


def _moved(run: Window, begin: int, days: npt.NDArray[np.datetime64], name: str) -> Window:
    old = run.days[begin : begin + LENGTH].astype("datetime64[D]").tolist()
    new = dict(zip(old, days.astype("datetime64[D]").tolist(), strict=True))
    actions = tuple(_renamed(a, name, new[a.ex_date]) for a in run.actions if a.ex_date in new)
    return Window(symbol=name, days=days, values=run.values[begin : begin + LENGTH], actions=actions)


def _renamed(action: CorporateAction, name: str, day: date) -> CorporateAction:
    if isinstance(action, Split):
        return Split(symbol=name, ex_date=day, new_per_old=action.new_per_old)
    return CashDividend(symbol=name, ex_date=day, amount_per_share=action.amount_per_share)


def draws(kind: Kind, real: RealBars, count: int, seed: int) -> list[Draw]:
    """Return what corruptions of a kind are made from; half begin with the newest bar, the others anywhere."""
    random = np.random.default_rng([seed, *kind.name.encode()])
    base = windows(real, 2 * count, random)
    return [
        Draw(
            window=window,
            other=other,
            at=LENGTH - 1 if number % 2 else int(random.integers(1, LENGTH)),
            random=random,
        )
        for number, (window, other) in enumerate(zip(base[:count], base[count:], strict=True))
    ]


def detect(kind: Kind, real: RealBars, count: int, seed: int) -> Detection:
    """Spoil so many windows and count what the gate finds that it does not find in them untouched.

    A corruption that leaves the bars as they are, as a swap of equal prices does, is none, and another is drawn.
    """
    drawn = draws(kind, real, count + count // _SPARE, seed)
    pairs = [(draw, bad) for draw, bad in ((draw, kind.spoil(draw)) for draw in drawn) if not _same(draw.window, bad)]
    pairs = pairs[:count]
    if not pairs:  # closes alone have no open and high to swap
        return Detection(kind=kind, made=0, found=0, critical=0)
    before = _by_symbol(_check([draw.window for draw, _ in pairs]))
    after = _by_symbol(_check([bad for _, bad in pairs]))
    found = critical = 0
    for draw, _ in pairs:
        symbol = draw.window.symbol
        usual = {(f.rule, f.severity, f.session) for f in before.get(symbol, [])}
        new = [f for f in after.get(symbol, []) if (f.rule, f.severity, f.session) not in usual and _near(f, draw)]
        found += bool(new)
        critical += any(f.severity is FindingSeverity.CRITICAL for f in new)
    return Detection(kind=kind, made=len(pairs), found=found, critical=critical)


def _same(one: Window, two: Window) -> bool:
    return (
        one.actions == two.actions
        and np.array_equal(one.days, two.days)
        and np.array_equal(one.values, two.values, equal_nan=True)
    )


def _near(finding: Finding, draw: Draw) -> bool:
    # What begins at a row may stand before it (the first day of a frozen run) and reach to the end of the window.
    return finding.session is None or np.datetime64(finding.session) >= draw.window.days[draw.at] - 2 * _NEAR


def _by_symbol(report: QualityReport) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        found.setdefault(finding.symbol, []).append(finding)
    return found


def _check(some: Sequence[Window]) -> QualityReport:
    fetched = _fetched(some)
    first = some[0].days[0].astype("datetime64[D]").item()
    return assess_bars(fetched, calendar=CALENDAR, first=first, session=_LAST, policy=QualityPolicy(), now=_NOW).report


def _fetched(some: Sequence[Window]) -> FetchedBars:
    values = np.concatenate([window.values for window in some])
    columns = {name: values[:, place] for place, name in enumerate(_COLUMNS)}
    names = np.repeat([window.symbol for window in some], [len(window.days) for window in some])
    days = np.concatenate([window.days for window in some])
    frame = bars_frame(pd.DataFrame({"symbol": names, "session": days} | columns))
    outcomes = tuple(FetchOutcome(symbol=window.symbol, status=FetchStatus.OK) for window in some)
    bars = DailyBars(frame=frame, source="catalogue", price_basis=PriceBasis.RAW)
    return FetchedBars(bars=bars, outcomes=outcomes, actions=tuple(a for window in some for a in window.actions))


def false_alarms(real: RealBars) -> FalseAlarms:
    """Count the bars of complete symbols that break a rule.

    In the others what is found is there: gaps, and one company after another under the same ticker.
    """
    named = [(str(symbol), rows) for symbol, rows in real.frame.groupby("symbol")]
    right = [(symbol, rows) for symbol, rows in named if symbol in _COMPLETE] or named
    grades = np.concatenate([_grades(symbol, rows, real) for symbol, rows in right])
    return FalseAlarms(
        bars=len(grades),
        flagged=int((grades > 0).sum()),
        critical=int((grades == 2).sum()),
        symbol_years=len(grades) / YEAR,
    )


def _grades(symbol: str, rows: pd.DataFrame, real: RealBars) -> npt.NDArray[np.int8]:
    bars = DailyBars(frame=rows.reset_index(drop=True), source="catalogue", price_basis=PriceBasis.RAW)
    days, policy = rows["session"], QualityPolicy()
    fetched = FetchedBars(bars=bars, outcomes=(), actions=tuple(a for a in real.actions if a.symbol == symbol))
    facts = bar_facts(
        fetched, calendar=CALENDAR, policy=policy, first=days.min().date(), session=days.max().date(), now=None
    )
    grades: npt.NDArray[np.int8] = np.max([rule.grade(facts.frame, policy) for rule in BAR_RULES], axis=0)
    return grades


def catalogue(run: Run) -> Iterator[Measurement]:
    """Spoil real bars in every way of the catalogue, and count what is found."""
    real, count = real_bars(), 20 if run.quick else AT_ONCE
    for kind in KINDS:
        told = detect(kind, real, count, run.seed)
        if not told.made:
            continue
        found = 100 * told.found / told.made
        yield Measurement(
            name=f"gate.catalogue.{_slug(kind.name)}",
            value=found,
            unit="%",
            aim=None if kind.beyond else at_least(found, 99),
            note=f"{kind.name}: found in {told.made} windows of {LENGTH} sessions of {real.origin}, each spoiled once; "
            f"so that the symbol is quarantined: {100 * told.critical / told.made:.1f} %"
            + (f"; no aim: {kind.beyond}" if kind.beyond else ""),
        )
    alarms = false_alarms(real)
    rate = 100 * alarms.flagged / alarms.bars
    years = f"{alarms.bars:,} bars in {alarms.symbol_years:.0f} symbol-years of {real.origin}, complete and right"
    yield Measurement(
        name="gate.catalogue.false_alarms", value=rate, unit="%", aim=at_most(rate, 0.1), note=f"{years}, in all bars"
    )
    yield Measurement(
        name="gate.catalogue.false_alarms_a_year",
        value=alarms.flagged / alarms.symbol_years,
        unit="1/symbol-year",
        note=f"{years}: {alarms.flagged} bars flagged, {alarms.critical} critically",
    )


def markdown(real: RealBars, count: int, seed: int) -> Iterator[str]:
    """Yield the lines of the catalogue as Markdown."""
    yield f"{count:,} corruptions of each kind, seed {seed}, of {LENGTH} sessions each of {real.origin}."
    yield ""
    yield "| what goes wrong | found | quarantined | why not always |"
    yield "| --- | ---: | ---: | --- |"
    for kind in KINDS:
        told = detect(kind, real, count, seed)
        if not told.made:
            continue
        yield (
            f"| {kind.name} | {100 * told.found / told.made:.1f} % | {100 * told.critical / told.made:.1f} % "
            f"| {kind.beyond} |"
        )
    alarms = false_alarms(real)
    yield ""
    yield (
        f"False alarms: of {alarms.bars:,} bars that are complete and right, {alarms.flagged} are flagged "
        f"({100 * alarms.flagged / alarms.bars:.3f} %, {alarms.flagged / alarms.symbol_years:.3f} a symbol-year), "
        f"{alarms.critical} of them critically."
    )


def _slug(name: str) -> str:
    return re.sub("[^a-z0-9.]+", "_", name.lower()).strip("_")


if __name__ == "__main__":
    for line in markdown(real_bars(), int(sys.argv[1]) if len(sys.argv) > 1 else AT_ONCE, SEED):
        print(line, flush=True)
