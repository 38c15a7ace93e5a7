"""Corporate actions, and closes adjusted for them as of a day."""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.errors import BarsInvalid, InvalidValue
from trading.market.adjustments import adjusted_closes, split_adjusted_closes, wide_closes
from trading.market.bars import bars_frame
from trading.market.corporate_actions import CashDividend, CorporateAction, Relisting, Rename, Split

SHARED = Path(os.environ.get("OPENBELL_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
MON, TUE, WED, THU, FRI = (date(2024, 1, day) for day in range(8, 13))


def a_split(ex_date: date, new_per_old: str = "2", symbol: str = "KO") -> Split:
    return Split(symbol=symbol, ex_date=ex_date, new_per_old=Decimal(new_per_old))


def a_dividend(ex_date: date, amount: str = "2", symbol: str = "KO") -> CashDividend:
    return CashDividend(symbol=symbol, ex_date=ex_date, amount_per_share=Decimal(amount))


def closes(*prices: float, symbol: str = "KO", first: date = MON) -> pd.DataFrame:
    sessions = [date.fromordinal(first.toordinal() + n) for n in range(len(prices))]
    return bars_frame(pd.DataFrame({"symbol": symbol, "session": sessions, "close": prices}))


def ko(frame: pd.DataFrame, actions: list[CorporateAction], as_of: date = FRI) -> list[float]:
    return list(adjusted_closes(frame, actions, as_of)["KO"])


def test_closes_before_a_split_are_divided_by_it():
    # Apple, 7-for-1 on 2014-06-09: 645.57 on the Friday before is 92.22 in new shares.
    adjusted = ko(closes(645.57, 93.70), [a_split(TUE, "7")])

    assert adjusted == pytest.approx([92.22, 93.70], abs=0.005)


def test_closes_before_a_dividend_lose_its_share_of_the_last_close():
    # Yahoo's own example: 0.08 paid after a close of 24.96 multiplies earlier prices by 1 - 0.08 / 24.96 = 0.9968.
    adjusted = ko(closes(25.02, 24.96, 24.90), [a_dividend(WED, "0.08")])

    assert adjusted == pytest.approx([25.02 * 0.9968, 24.96 * 0.9968, 24.90], rel=1e-5)


def test_a_renamed_company_brings_its_old_closes_along_adjusted():
    frame = pd.concat([closes(100, 98, symbol="FB"), closes(49, 50, symbol="META", first=WED)])
    actions = [
        Rename(symbol="FB", ex_date=WED, new_symbol="META"),
        a_split(WED, "2", symbol="META"),
    ]

    after, before = adjusted_closes(frame, actions, FRI), adjusted_closes(frame, actions, TUE)

    assert list(after.columns) == ["META"]
    assert list(after["META"]) == [50, 49, 49, 50]
    assert list(before.columns) == ["FB"]  # nobody knew of it then
    assert list(before["FB"]) == [100, 98]


def test_a_new_symbol_that_has_old_closes_itself_keeps_them():
    frame = pd.concat([closes(1, 1, symbol="FB"), closes(100, 98, 49, 50, symbol="META")])

    adjusted = adjusted_closes(frame, [Rename(symbol="FB", ex_date=WED, new_symbol="META")], FRI)

    assert list(adjusted["META"]) == [100, 98, 49, 50]


def test_a_symbol_given_to_another_company_begins_there():
    adjusted = ko(closes(1.5, 1.4, 30, 31), [Relisting(symbol="KO", ex_date=WED)])

    assert np.isnan(adjusted[:2]).all()
    assert adjusted[2:] == [30, 31]


def test_a_symbol_that_one_company_left_and_another_took_is_told_apart():
    frame = pd.concat([closes(10, 11, symbol="A"), closes(12, 13, 14, symbol="B", first=WED)])
    frame = pd.concat([frame, closes(99, 98, symbol="A", first=THU)])
    actions = [Rename(symbol="A", ex_date=WED, new_symbol="B"), Relisting(symbol="A", ex_date=THU)]

    adjusted = adjusted_closes(frame, actions, FRI)

    assert list(adjusted["B"]) == [10, 11, 12, 13, 14]
    assert list(adjusted["A"].dropna()) == [99, 98]


def test_washington_mutual_is_no_past_of_waste_management():
    """WM was the bank's until 2008; Waste Management, until then WMI, has it since 2009-08-05."""
    path = SHARED / "equity" / "us_equity_daily_raw.parquet"
    if not path.exists():
        pytest.skip(f"no test data at {path}")
    raw = pd.read_parquet(path, filters=[("symbol", "in", ["WM", "WMI"])]).rename(columns={"date": "session"})
    day = date(2009, 8, 5)
    actions = [Relisting(symbol="WM", ex_date=day), Rename(symbol="WMI", ex_date=day, new_symbol="WM")]

    adjusted = adjusted_closes(bars_frame(raw), actions, date(2010, 1, 4))["WM"]

    wmi = raw[raw["symbol"] == "WMI"].set_index(pd.to_datetime(raw.loc[raw["symbol"] == "WMI", "session"]))["close"]
    assert adjusted[: pd.Timestamp("2009-08-04")].dropna().to_list() == wmi[: pd.Timestamp("2009-08-04")].to_list()
    assert 25 < adjusted[pd.Timestamp("2008-09-26")] < 40  # the bank's share closed that day at 0.16


def test_splits_and_dividends_multiply():
    # Before the split 100, then 50; 1.00 is paid after 50: 1/2 x 49/50 = 0.49.
    assert ko(closes(100, 50, 49), [a_split(TUE), a_dividend(WED, "1")]) == pytest.approx([49, 49, 49])


def test_a_dividend_and_a_split_of_one_day_are_both_counted_in_old_shares():
    # 100 less 2 is 98 old, which is 49 new.
    assert ko(closes(100, 49), [a_split(TUE), a_dividend(TUE, "2")]) == pytest.approx([49, 49])


def test_two_dividends_of_one_day_are_taken_off_together():
    assert ko(closes(100, 90), [a_dividend(TUE, "4"), a_dividend(TUE, "6")]) == pytest.approx([90, 90])


def test_the_last_close_is_never_changed():
    assert ko(closes(10, 11, 12), [a_split(MON), a_dividend(MON)]) == [10, 11, 12]


def test_an_action_after_the_day_is_not_yet_known():
    frame = closes(100, 50, 49)
    actions: list[CorporateAction] = [a_split(TUE), a_dividend(WED, "1")]

    assert ko(frame, actions, MON) == [100]
    assert ko(frame, actions, TUE) == [50, 50]
    assert ko(frame, actions, WED) == pytest.approx([49, 49, 49])


def test_an_ex_date_on_a_day_without_a_bar_counts_from_the_next_one():
    friday_and_monday = pd.concat([closes(100, first=FRI), closes(50, first=date(2024, 1, 15))])

    assert ko(friday_and_monday, [a_split(date(2024, 1, 13))], date(2024, 1, 15)) == [50, 50]


def test_a_split_that_is_effective_before_its_first_bar_came_is_applied():
    assert ko(closes(100, 102), [a_split(WED)], WED) == [50, 51]


def test_a_dividend_after_a_missing_close_is_measured_by_the_last_one_there_was():
    assert ko(closes(100, np.nan, 98), [a_dividend(WED, "2")])[0] == pytest.approx(98)


@pytest.mark.parametrize("amount", ["100", "250"])
def test_a_dividend_not_smaller_than_the_price_makes_what_lies_before_unknown(amount: str):
    frame = pd.concat([closes(100, 99, 98), closes(20, 21, 22, symbol="IBM")])

    wide = adjusted_closes(frame, [a_dividend(TUE, amount)], FRI)

    assert np.isnan(wide["KO"].iloc[0])
    assert wide["KO"].to_list()[1:] == [99, 98]
    assert wide["IBM"].to_list() == [20, 21, 22]


def test_actions_of_other_symbols_do_nothing():
    assert ko(closes(100, 99), [a_split(TUE, symbol="IBM")]) == [100, 99]


def test_split_adjusted_closes_leave_dividends_in():
    actions: list[CorporateAction] = [a_split(TUE), a_dividend(WED, "1")]

    assert list(split_adjusted_closes(closes(100, 50, 49), actions, FRI)["KO"]) == [50, 50, 49]


def test_wide_closes_have_a_row_for_each_session_and_a_column_for_each_symbol():
    wide = wide_closes(pd.concat([closes(1, 2, symbol="KO"), closes(3, symbol="IBM", first=TUE)]))

    assert list(wide.columns) == ["IBM", "KO"]
    assert [stamp.date() for stamp in wide.index] == [MON, TUE]
    assert wide["KO"].to_list() == [1, 2]
    assert np.isnan(wide["IBM"].iloc[0])


def test_no_bars_give_an_empty_matrix():
    assert adjusted_closes(closes(), [a_split(TUE)], FRI).empty


def test_two_closes_for_one_session_are_refused_by_name():
    with pytest.raises(BarsInvalid, match="KO has two bars for 2024-01-08"):
        wide_closes(pd.concat([closes(1, 2), closes(3)]))


@given(
    prices=st.lists(st.floats(1, 1000), min_size=2, max_size=5),
    at=st.integers(1, 4),
    ratio=st.sampled_from(["2", "7", "0.05", "1.5"]),
)
def test_a_split_of_a_steady_price_leaves_no_jump(prices: list[float], at: int, ratio: str):
    ex_date = date.fromordinal(MON.toordinal() + at)
    raw = [p if n < at else p / float(ratio) for n, p in enumerate(prices)]

    adjusted = np.array(ko(closes(*raw), [a_split(ex_date, ratio)]))

    assert adjusted[1:] / adjusted[:-1] == pytest.approx(np.array(prices[1:]) / np.array(prices[:-1]))


@pytest.mark.skipif(not SHARED.exists(), reason="the sample market data is not beside the repository")
@pytest.mark.parametrize("symbol", ["AAPL", "SPY", "IBM", "AIG", "IWM"])
def test_22_years_are_adjusted_as_another_engine_adjusts_them(symbol: str):
    """Lean's factor files: adjusted = raw x price_factor x split_factor, rounded to seven digits."""
    raw = pd.read_parquet(SHARED / "equity" / "us_equity_daily_raw.parquet").rename(columns={"date": "session"})
    events = pd.read_csv(SHARED / "equity" / "us_equity_events_derived.csv").dropna(subset="ex_date")
    factors = pd.read_csv(SHARED / "equity" / "us_equity_factors.csv")
    frame = bars_frame(raw[raw["symbol"] == symbol])
    actions: list[CorporateAction] = [
        a_split(date.fromisoformat(e.ex_date), str(e.split_ratio_new_per_old), symbol)
        if e.type == "split"
        else a_dividend(date.fromisoformat(e.ex_date), str(e.cash_per_share), symbol)
        for e in events[events["file_symbol"] == symbol].itertuples()
    ]

    ours = adjusted_closes(frame, actions, date(2021, 3, 31))[symbol]

    of_symbol = factors[factors["file_symbol"] == symbol]
    at = np.searchsorted(pd.to_datetime(of_symbol["date"]).to_numpy(), ours.index.to_numpy())
    factor = (of_symbol["price_factor"] * of_symbol["split_factor"]).to_numpy()[at]
    theirs = frame["close"].to_numpy() * factor / factor[-1]
    assert len(ours) > 5000
    assert ours.to_numpy() == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("ratio", ["0", "-2", "NaN"])
def test_a_split_needs_a_positive_ratio(ratio: str):
    with pytest.raises(InvalidValue, match="new_per_old of KO"):
        a_split(TUE, ratio)


@pytest.mark.parametrize("amount", ["0", "-0.5", "NaN", "Infinity"])
def test_a_dividend_pays_something(amount: str):
    with pytest.raises(InvalidValue, match="amount_per_share of KO"):
        a_dividend(TUE, amount)
