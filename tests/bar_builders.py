"""Daily bars for tests of the quality gate: calm ones, to be damaged; and real ones from the test data."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trading.market.bar_checks import assess_bars
from trading.market.bars import DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.calendars import TradingCalendar
from trading.market.corporate_actions import CashDividend, CorporateAction, Split
from trading.market.quality import Finding, FindingSeverity, QualityPolicy, QualityReport, Rule

XNYS = TradingCalendar("XNYS")
# 30 sessions of New York: 22 in May (23 weekdays less Memorial Day, the 27th) and 8 in June.
FIRST, LAST = date(2024, 5, 1), date(2024, 6, 12)
NOW = datetime(2024, 6, 13, 1, 0, tzinfo=UTC)  # 21:00 in New York, after the close of LAST

_BESIDE_REPOSITORY = Path(__file__).parents[1] / ".." / "shared" / "data"


def calm_bars(*symbols: str) -> pd.DataFrame:
    """Return bars of all sessions from FIRST to LAST that break no rule: closes 100.0, 100.5, 101.0, ..."""
    days = XNYS.sessions(FIRST, LAST)
    rows = [
        {
            "symbol": symbol,
            "session": day,
            "open": 99.8 + 0.5 * i,
            "high": 101.0 + 0.5 * i,
            "low": 99.0 + 0.5 * i,
            "close": 100.0 + 0.5 * i,
            "volume": 1_000_000.0 + i,
        }
        for symbol in symbols or ("AAPL",)
        for i, day in enumerate(days)
    ]
    return bars_frame(pd.DataFrame(rows))


def with_bar(frame: pd.DataFrame, day: date, symbol: str = "AAPL", **values: float) -> pd.DataFrame:
    """Return the bars with some values of one bar changed."""
    frame = frame.copy()
    frame.loc[_is(frame, day, symbol), list(values)] = list(values.values())
    return frame


def without_bars(frame: pd.DataFrame, *days: date, symbol: str = "AAPL") -> pd.DataFrame:
    """Return the bars without those of some days."""
    return frame[~((frame["symbol"] == symbol) & frame["session"].isin(pd.to_datetime(list(days))))]


def scaled(frame: pd.DataFrame, factor: float, first: date, last: date = LAST, symbol: str = "AAPL") -> pd.DataFrame:
    """Return the bars with the prices from one day to another multiplied."""
    frame = frame.copy()
    rows = (frame["symbol"] == symbol) & frame["session"].between(pd.Timestamp(first), pd.Timestamp(last))
    frame.loc[rows, ["open", "high", "low", "close"]] *= factor
    return frame


def one_more_bar(
    frame: pd.DataFrame, day: date, like: date = LAST, symbol: str = "AAPL", **values: Any
) -> pd.DataFrame:
    """Return the bars with one more, the same as that of another day but for its date and some values."""
    more = frame[_is(frame, like, symbol)].assign(session=pd.Timestamp(day).as_unit("us"), **values)
    return bars_frame(pd.concat([frame, more]))


def fetched(
    frame: pd.DataFrame,
    *,
    actions: Sequence[CorporateAction] = (),
    price_basis: PriceBasis = PriceBasis.RAW,
    statuses: Mapping[str, FetchStatus] | None = None,
) -> FetchedBars:
    """Return the bars as a source would give them, with an outcome for every symbol."""
    asked = {str(symbol): FetchStatus.OK for symbol in frame["symbol"].unique()} | dict(statuses or {})
    outcomes = tuple(FetchOutcome(symbol=symbol, status=status) for symbol, status in asked.items())
    bars = DailyBars(frame=frame, source="test", price_basis=price_basis)
    return FetchedBars(bars=bars, outcomes=outcomes, actions=tuple(actions))


def check(bars: FetchedBars | pd.DataFrame, **arguments: Any) -> QualityReport:
    """Return the verdict of the gate for LAST."""
    bars = bars if isinstance(bars, FetchedBars) else fetched(bars)
    defaults = {"calendar": XNYS, "first": FIRST, "session": LAST, "policy": QualityPolicy(), "now": NOW}
    return assess_bars(bars, **(defaults | arguments)).report


def the_only(report: QualityReport) -> tuple[Rule, FindingSeverity, str, date | None]:
    """Return what a report finds, which must be one thing."""
    (finding,) = report.findings
    return key(finding)


def key(finding: Finding) -> tuple[Rule, FindingSeverity, str, date | None]:
    """Return what a finding is about."""
    return finding.rule, finding.severity, finding.symbol, finding.session


def data_file(*parts: str) -> Path:
    """Return a file of the test data, or skip the test where there is none."""
    path = Path(os.environ.get("OPENBELL_TEST_DATA", _BESIDE_REPOSITORY)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no test data at {path}")
    return path


def yahoo_download(name: str, symbol: str) -> FetchedBars:
    """Return a recorded download of Yahoo, whose closes and dividends are adjusted for splits."""
    rows = pd.read_csv(data_file("dirty", "yfinance", f"{name}.csv"))
    days = [date.fromisoformat(stamp[:10]) for stamp in rows.iloc[:, 0]]
    splits = [(day, ratio) for day, ratio in zip(days, rows["Stock Splits"], strict=True) if ratio]
    actions: list[CorporateAction] = [
        Split(symbol=symbol, ex_date=day, new_per_old=Decimal(str(ratio))) for day, ratio in splits
    ]
    for day, amount in zip(days, rows["Dividends"], strict=True):
        if amount:
            old_shares = amount * prod(ratio for split_day, ratio in splits if split_day >= day)
            actions.append(CashDividend(symbol=symbol, ex_date=day, amount_per_share=Decimal(str(old_shares))))
    columns = {name.lower(): rows[name] for name in ("Open", "High", "Low", "Close", "Volume")}
    frame = bars_frame(pd.DataFrame({"symbol": symbol, "session": days} | columns))
    return fetched(frame, actions=actions, price_basis=PriceBasis.SPLIT_ADJUSTED)


def _is(frame: pd.DataFrame, day: date, symbol: str) -> pd.Series:
    return (frame["symbol"] == symbol) & (frame["session"] == pd.Timestamp(day))
