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
from trading.market.bars import bars_frame
from trading.market.calendars import TradingCalendar
from trading.market.corporate_actions import CashDividend, CorporateAction, Split
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
        ("KAP-IL-1d-bad-div", "KAP.IL", "XLON", Rule.DIVIDEND_DOUBTFUL, date(2022, 7, 13)),
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


@pytest.mark.parametrize(
    ("name", "symbol", "mic"),
    [
        ("RGL-L-1d-bad-div", "RGL.L", "XLON"),
        ("8TRA-DE-1d-missing-div-adjust", "8TRA.DE", "XFRA"),
        ("DODFX-1d-cg-double-count", "DODFX", "XNYS"),
    ],
)
def test_defects_of_prices_adjusted_by_a_vendor_do_not_reach_us_since_we_adjust_ourselves(
    name: str, symbol: str, mic: str
) -> None:
    download, fixed = yahoo_download(name, symbol), yahoo_download(f"{name}-fixed", symbol)
    days = download.bars.frame["session"]

    report = check(download, calendar=TradingCalendar(mic), first=days.min().date(), session=days.max().date())

    assert [f for f in report.findings if f.rule is Rule.DIVIDEND_DOUBTFUL] == []
    closes = [each.bars.frame["close"].to_numpy() for each in (download, fixed)]
    assert np.allclose(*closes, rtol=1e-5)


def test_no_real_dividend_is_doubted() -> None:
    first, last = date(1998, 1, 2), date(2021, 3, 31)
    actions = _lean_actions(first, last)
    paying = sorted({a.symbol for a in actions if isinstance(a, CashDividend)})
    frame = _lean_bars(paying, first, last)

    report = check(fetched(frame, actions=actions), first=first, session=last, now=NOW)

    assert len([a for a in actions if isinstance(a, CashDividend)]) > 500
    # The ticker was Washington Mutual's, at 0.16, until it became that of Waste Management, which pays 0.85.
    doubted = [(f.symbol, f.session) for f in report.findings if f.rule is Rule.DIVIDEND_DOUBTFUL]
    assert doubted == [("WM", date(2009, 8, 5))]


def test_dividends_of_a_hundred_times_too_much_are_found_each_and_the_corrected_ones_are_not() -> None:
    found = {}
    for twin in ("SCR-TO-1d-bad-div", "SCR-TO-1d-bad-div-fixed"):
        download = yahoo_download(twin, "SCR.TO")
        days = download.bars.frame["session"]
        report = check(download, calendar=TradingCalendar("XTSE"), first=days.min().date(), session=days.max().date())
        found[twin] = [f for f in report.findings if f.rule is Rule.DIVIDEND_DOUBTFUL]

    (wrong,) = found["SCR-TO-1d-bad-div"]
    assert (wrong.session, wrong.severity) == (date(2023, 3, 14), CRITICAL)
    assert "DIVIDEND_DOUBTFUL, 3 times in all: a dividend of 0.441 after a close of 2.9 (15.2%)" in wrong.text
    assert found["SCR-TO-1d-bad-div-fixed"] == []


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
