"""The quality gate on real bars: recorded defects are found, and what is right is left alone."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from tests.bar_builders import (
    NOW,
    check,
    data_file,
    fetched,
    key,
    the_only,
    yahoo_download,
)
from trading.market.adjustments import CashDividend, CorporateAction, Split
from trading.market.bars import bars_frame
from trading.market.calendars import TradingCalendar
from trading.market.quality import (
    FindingSeverity,
    Rule,
)

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING


@pytest.mark.parametrize(
    ("name", "symbol", "mic", "rule", "session"),
    [
        ("AET-L-1d-100x-error", "AET.L", "XLON", Rule.UNIT_ERROR, date(2022, 5, 9)),
        ("4063-T-1d-bad-stock-split", "4063.T", "XTKS", Rule.SPLIT_NOT_APPLIED, date(2023, 3, 29)),
        ("CNE-L-1d-bad-stock-split", "CNE.L", "XLON", Rule.SPLIT_NOT_APPLIED, date(2023, 5, 9)),
        ("ALPHA-PA-1d-bad-stock-split", "ALPHA.PA", "XPAR", Rule.SPLIT_NOT_APPLIED, date(2023, 5, 9)),
    ],
)
def test_real_downloads_with_defects_are_quarantined_and_their_corrected_twins_are_not(
    name: str, symbol: str, mic: str, rule: Rule, session: date
) -> None:
    verdicts = {}
    for twin in (name, f"{name}-fixed"):
        download = yahoo_download(twin, symbol)
        days = download.bars.frame["session"]
        verdicts[twin] = check(
            download, calendar=TradingCalendar(mic), first=days.min().date(), session=days.max().date()
        )

    assert (rule, CRITICAL, symbol, session) in map(key, verdicts[name].findings)
    assert verdicts[f"{name}-fixed"].quarantined() == {}


def test_a_real_download_that_looks_odd_and_is_right_passes() -> None:
    report = check(
        yahoo_download("CALM-1d-no-bad-divs", "CALM"), first=date(2022, 1, 3), session=date(2024, 8, 21), now=NOW
    )

    assert report.findings == ()


def test_real_raw_prices_pass_with_their_splits_and_only_with_them() -> None:
    first, last = date(2014, 1, 2), date(2020, 12, 31)
    frame = _lean_bars(["AAPL", "BAC", "IBM", "SPY"], first, last)
    actions = _lean_actions(first, last)
    no_splits = [action for action in actions if not isinstance(action, Split)]

    with_splits = check(fetched(frame, actions=actions), first=first, session=last)
    without = check(fetched(frame, actions=no_splits), first=first, session=last)

    assert with_splits.findings == ()
    assert the_only(without) == (Rule.SPLIT_NOT_APPLIED, CRITICAL, "AAPL", date(2014, 6, 9))
    assert "2 times in all" in without.findings[0].text  # 7-for-1 in 2014, 4-for-1 in 2020


def test_every_real_split_of_threefold_or_more_is_found_when_it_is_withheld() -> None:
    first, last = date(1998, 1, 2), date(2021, 3, 31)
    splits = [
        a
        for a in _lean_actions(first, last)
        if isinstance(a, Split) and not Decimal("0.4") < a.new_per_old < 3 - Decimal("0.1")
    ]

    found = {}
    for split in splits:
        frame = _lean_bars([split.symbol], first, last)
        window = frame[(frame["session"] - pd.Timestamp(split.ex_date)).abs() < pd.Timedelta(days=30)]
        newest = window["session"].max().date()
        found[split] = check(window, first=newest, session=newest, now=NOW).quarantined()

    assert len(found) == 6  # AAPL twice, EEM twice, AIG and USO
    assert all(found.values())


def _lean_bars(symbols: Iterable[str], first: date, last: date) -> pd.DataFrame:
    rows = pd.read_parquet(data_file("equity", "us_equity_daily_raw.parquet")).rename(columns={"date": "session"})
    rows = rows[rows["symbol"].isin(list(symbols))]
    frame = bars_frame(rows)
    return frame[frame["session"].between(pd.Timestamp(first), pd.Timestamp(last))].reset_index(drop=True)


def _lean_actions(first: date, last: date) -> list[CorporateAction]:
    rows = pd.read_csv(data_file("equity", "us_equity_events_derived.csv")).dropna(subset=["ex_date"])
    actions: list[CorporateAction] = []
    for row in rows.itertuples():
        ex_date = date.fromisoformat(row.ex_date)
        if not first <= ex_date <= last:
            continue
        if np.isnan(row.split_ratio_new_per_old):
            paid = Decimal(str(row.cash_per_share))
            actions.append(CashDividend(symbol=row.file_symbol, ex_date=ex_date, amount_per_share=paid))
        else:
            ratio = Decimal(str(row.split_ratio_new_per_old))
            actions.append(Split(symbol=row.file_symbol, ex_date=ex_date, new_per_old=ratio))
    return actions
