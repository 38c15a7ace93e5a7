"""The quality gate. Bars are calm until one thing is wrong with them; then exactly that one thing is found."""

from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from tests.bar_builders import (
    FIRST,
    LAST,
    NOW,
    XNYS,
    calm_bars,
    check,
    fetched,
    key,
    one_more_bar,
    scaled,
    the_only,
    with_bar,
    without_bars,
)
from trading.errors import NotASession
from trading.market import bar_checks
from trading.market.bar_checks import clean_rows
from trading.market.bars import FetchStatus, bars_frame
from trading.market.corporate_actions import CashDividend
from trading.market.quality import (
    AcceptedMove,
    DayVerdict,
    FindingSeverity,
    OnBadSymbol,
    QualityPolicy,
    Rule,
    SymbolVerdict,
)

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
NAN, INF = float("nan"), float("inf")
OLD = date(2024, 5, 14)  # deep in the range
SATURDAY, JULY_4 = date(2024, 5, 18), date(2024, 7, 4)


def test_calm_bars_pass_and_the_day_may_be_traded() -> None:
    report = check(calm_bars("AAPL", "SPY"))

    assert report.findings == ()
    assert report.symbols == (("AAPL", SymbolVerdict.PASS), ("SPY", SymbolVerdict.PASS))
    assert report.day_verdict is DayVerdict.TRADE
    assert (report.rows, report.checked_at) == (60, NOW)


def test_a_source_of_closes_only_passes() -> None:
    closes = calm_bars().assign(open=NAN, high=NAN, low=NAN, volume=NAN)

    report = check(closes)

    assert report.findings == ()


@pytest.mark.parametrize(
    ("status", "rule"),
    [
        (FetchStatus.UNKNOWN_SYMBOL, Rule.UNKNOWN_SYMBOL),
        (FetchStatus.FAILED, Rule.FETCH_FAILED),
        (FetchStatus.NO_BARS, Rule.NO_BARS),
        (FetchStatus.OK, Rule.NO_BARS),  # said to be there, and is not
    ],
)
def test_a_symbol_that_was_not_answered_is_quarantined(status: FetchStatus, rule: Rule) -> None:
    report = check(fetched(calm_bars("SPY"), statuses={"AAPL": status}))

    assert the_only(report) == (rule, CRITICAL, "AAPL", None)
    assert dict(report.symbols) == {"AAPL": SymbolVerdict.QUARANTINE, "SPY": SymbolVerdict.PASS}


def test_a_symbol_without_its_newest_bar_is_stale() -> None:
    report = check(without_bars(calm_bars(), date(2024, 6, 11), LAST))

    assert the_only(report) == (Rule.STALE, CRITICAL, "AAPL", LAST)
    assert report.findings[0].value == "last bar 2024-06-10, 2 sessions behind"


@pytest.mark.parametrize(
    ("day", "severity"),
    [
        (date(2024, 6, 11), CRITICAL),
        (date(2024, 6, 6), CRITICAL),  # the oldest of the last five sessions
        (date(2024, 6, 5), WARNING),
        (OLD, WARNING),
    ],
)
def test_a_gap_is_critical_when_it_is_recent(day: date, severity: FindingSeverity) -> None:
    report = check(without_bars(calm_bars(), day))

    assert the_only(report) == (Rule.MISSING_SESSION, severity, "AAPL", day)


def test_a_gap_is_told_by_its_first_session_and_its_length() -> None:
    report = check(without_bars(calm_bars(), date(2024, 5, 24), date(2024, 5, 28)))  # Memorial Day lies between

    assert the_only(report) == (Rule.MISSING_SESSION, WARNING, "AAPL", date(2024, 5, 24))
    assert report.findings[0].value == "2 sessions missing before 2024-05-29"


def test_a_symbol_may_start_late_unless_it_was_listed_before() -> None:
    late = without_bars(calm_bars(), *XNYS.sessions(FIRST, date(2024, 5, 10)))

    unknown = check(late)
    listed_then = check(late, listed_since={"AAPL": date(2024, 5, 13)})
    listed_before = check(late, listed_since={"AAPL": date(1980, 12, 12)})

    assert unknown.findings == listed_then.findings == ()
    assert the_only(listed_before) == (Rule.MISSING_SESSION, WARNING, "AAPL", FIRST)


@pytest.mark.parametrize("day", [SATURDAY, date(2024, 5, 27)])
def test_a_bar_on_a_closed_day_is_left_out(day: date) -> None:
    frame = one_more_bar(calm_bars(), day, close=NAN)  # what it says is of no interest

    report = check(frame)

    assert the_only(report) == (Rule.NOT_A_SESSION, WARNING, "AAPL", day)
    good, aside = clean_rows(fetched(frame), report)
    assert (len(good.frame), list(aside.frame["session"])) == (30, [pd.Timestamp(day)])


def test_todays_unfinished_bar_is_left_out_and_one_of_tomorrow_is_critical() -> None:
    today, tomorrow = date(2024, 6, 13), date(2024, 6, 14)
    noon = NOW + timedelta(hours=15)
    unfinished, impossible = one_more_bar(calm_bars(), today), one_more_bar(calm_bars(), tomorrow)

    assert the_only(check(unfinished, now=noon)) == (Rule.FUTURE_SESSION, WARNING, "AAPL", today)
    assert the_only(check(impossible, now=noon)) == (Rule.FUTURE_SESSION, CRITICAL, "AAPL", tomorrow)
    assert len(clean_rows(fetched(unfinished), check(unfinished, now=noon))[0].frame) == 30


def test_the_same_bar_twice_is_stored_once() -> None:
    frame = one_more_bar(calm_bars(), OLD, like=OLD)

    report = check(frame)

    assert the_only(report) == (Rule.DUPLICATE, WARNING, "AAPL", OLD)
    good, aside = clean_rows(fetched(frame), report)
    pd.testing.assert_frame_equal(good.frame, calm_bars())
    assert aside.frame.empty


def test_two_bars_that_contradict_each_other_are_both_put_aside() -> None:
    frame = one_more_bar(calm_bars(), OLD, like=OLD, volume=5.0)

    report = check(frame)

    assert the_only(report) == (Rule.DUPLICATE, CRITICAL, "AAPL", OLD)
    good, aside = clean_rows(fetched(frame), report)
    assert (len(good.frame), len(aside.frame)) == (0, 31)


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [NAN, INF])
def test_a_price_that_is_missing_is_critical_however_old(column: str, value: float) -> None:
    report = check(with_bar(calm_bars(), OLD, **{column: value}))

    assert (Rule.PRICE_MISSING, CRITICAL, "AAPL", OLD) in map(key, report.findings)


@pytest.mark.parametrize("value", [0.0, -104.5])
def test_a_price_that_is_not_positive_is_critical(value: float) -> None:
    report = check(with_bar(calm_bars(), OLD, low=value))

    assert the_only(report) == (Rule.PRICE_NOT_POSITIVE, CRITICAL, "AAPL", OLD)


@pytest.mark.parametrize(
    ("day", "values", "severity"),
    [
        (OLD, {"close": 106.0}, CRITICAL),  # above the high of 105.5: the price that signals are made of is in doubt
        (OLD, {"high": 103.0, "low": 103.5}, CRITICAL),
        (OLD, {"open": 106.0}, WARNING),
        (LAST, {"open": 119.0}, CRITICAL),  # the newest bar
    ],
)
def test_a_price_outside_its_bar_is_found(day: date, values: dict[str, float], severity: FindingSeverity) -> None:
    report = check(with_bar(calm_bars(), day, **values))

    assert the_only(report) == (Rule.OHLC_INCOHERENT, severity, "AAPL", day)


def test_prices_that_differ_by_rounding_are_coherent() -> None:
    report = check(with_bar(calm_bars(), OLD, high=104.5 * (1 - 1e-7), close=104.5, open=104.5))

    assert report.findings == ()


def test_a_negative_volume_is_critical() -> None:
    report = check(with_bar(calm_bars(), OLD, volume=-1.0))

    assert the_only(report) == (Rule.VOLUME_NEGATIVE, CRITICAL, "AAPL", OLD)


def test_a_bar_that_stands_still_is_shown() -> None:
    same = {"open": 105.0, "high": 105.0, "low": 105.0, "close": 105.0, "volume": 0.0}
    ten, eleven = calm_bars(), calm_bars()
    for i, day in enumerate(XNYS.sessions(OLD, date(2024, 5, 29))):
        ten = with_bar(ten, day, **same) if i < 10 else ten
        eleven = with_bar(eleven, day, **same)

    assert check(ten).findings == ()
    assert the_only(check(eleven)) == (Rule.FROZEN, WARNING, "AAPL", OLD)
    assert check(eleven).symbols == (("AAPL", SymbolVerdict.WARN),)


@pytest.mark.parametrize(
    ("paid", "close", "doubted"),
    [
        ("12", 104.5, True),  # 11 % of the price, which stays where it is
        ("12", 99.5, True),  # falls by less than half of it
        ("12", 97.2, False),  # by more than half: the market rose meanwhile
        ("10", 104.5, False),  # below a tenth a market may take it back the same day
        ("5000", 104.5, True),
    ],
)
def test_a_large_dividend_that_the_price_does_not_bear_out_is_doubted(paid: str, close: float, doubted: bool) -> None:
    day = XNYS.next_session(OLD)
    dividend = CashDividend(symbol="AAPL", ex_date=day, amount_per_share=Decimal(paid))
    frame = with_bar(calm_bars(), day, close=close, low=min(close, 103.0), open=104.0)

    found = [key(f) for f in check(fetched(frame, actions=[dividend])).findings]

    assert found == ([(Rule.DIVIDEND_DOUBTFUL, CRITICAL, "AAPL", day)] if doubted else [])


@pytest.mark.parametrize(
    ("sessions", "amount", "doubted"), [(1, "2.1", True), (3, "1.2", True), (4, "2", False), (1, "0.5", False)]
)
def test_a_dividend_soon_after_one_like_it_is_doubted(sessions: int, amount: str, doubted: bool) -> None:
    days = XNYS.sessions(OLD, LAST)
    paid = [
        CashDividend(symbol="AAPL", ex_date=day, amount_per_share=Decimal(each))
        for day, each in ((days[1], "2"), (days[1 + sessions], amount))
    ]

    found = [key(f) for f in check(fetched(calm_bars(), actions=paid)).findings]

    assert found == ([(Rule.DIVIDEND_DOUBTFUL, CRITICAL, "AAPL", days[1 + sessions])] if doubted else [])


def test_a_dividend_that_a_person_has_looked_at_is_taken() -> None:
    day = XNYS.next_session(OLD)
    paid = CashDividend(symbol="AAPL", ex_date=day, amount_per_share=Decimal(30))
    policy = QualityPolicy(accepted_moves=(AcceptedMove(symbol="AAPL", session=day),))

    assert check(fetched(calm_bars(), actions=[paid]), policy=policy).findings == ()


def test_what_happens_often_is_told_once_with_its_count() -> None:
    frame = with_bar(with_bar(calm_bars(), OLD, volume=-1.0), LAST, volume=-2.0)

    report = check(frame)

    assert the_only(report) == (Rule.VOLUME_NEGATIVE, CRITICAL, "AAPL", OLD)
    assert "2 times in all" in report.findings[0].text


def test_of_old_and_recent_ones_the_critical_one_is_told() -> None:
    report = check(without_bars(calm_bars(), OLD, date(2024, 6, 11)))

    assert the_only(report) == (Rule.MISSING_SESSION, CRITICAL, "AAPL", date(2024, 6, 11))


def test_a_finding_names_what_was_found_what_was_wanted_and_what_to_do() -> None:
    (finding,) = check(scaled(calm_bars(), 0.4, LAST)).findings

    # The closes are 114.00 and 0.4 x 114.50 = 45.80.
    assert finding.text == (
        "AAPL on 2024-06-12: JUMP: close 45.8 after 114, a factor of 0.4018; wanted: at most 50% up or down, or 20% "
        "where that is over 6 times the usual, unless a corporate action explains it; if the move is true, "
        "`openbell data release` it; else fetch the range again, or from another source"
    )
    assert check(scaled(calm_bars(), 0.4, LAST)).quarantined() == {"AAPL": finding.text}


@pytest.mark.parametrize("order", ["sorted", "reversed", "by session"])
def test_the_order_of_rows_does_not_matter(order: str) -> None:
    frame = scaled(calm_bars("AAPL", "SPY"), 0.1, OLD, symbol="SPY")
    frame = frame[::-1] if order == "reversed" else frame
    frame = frame.sort_values("session") if order == "by session" else frame

    report = check(frame)

    assert the_only(report) == (Rule.SPLIT_NOT_APPLIED, CRITICAL, "SPY", OLD)


def test_a_bad_symbol_is_left_out_and_the_rest_is_traded() -> None:
    frame = with_bar(calm_bars("AAPL", "SPY"), OLD, close=NAN)

    report = check(frame)

    assert dict(report.symbols) == {"AAPL": SymbolVerdict.QUARANTINE, "SPY": SymbolVerdict.PASS}
    assert report.day_verdict is DayVerdict.TRADE
    good, aside = clean_rows(fetched(frame), report)
    assert (set(good.frame["symbol"]), set(aside.frame["symbol"])) == ({"SPY"}, {"AAPL"})


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (QualityPolicy(min_passed_pct=66.6), DayVerdict.TRADE),
        (QualityPolicy(min_passed_pct=66.7), DayVerdict.HOLD),  # 2 of 3 is 66.67 %
        (QualityPolicy(on_bad_symbol=OnBadSymbol.BLOCK_DAY), DayVerdict.HOLD),
    ],
)
def test_the_day_is_held_when_the_policy_says_so(policy: QualityPolicy, verdict: DayVerdict) -> None:
    report = check(with_bar(calm_bars("AAPL", "IBM", "SPY"), OLD, close=NAN), policy=policy)

    assert report.day_verdict is verdict


def test_the_day_is_held_when_there_is_nothing_at_all() -> None:
    report = check(calm_bars().iloc[:0], policy=QualityPolicy(min_passed_pct=0))

    assert (report.day_verdict, report.rows, report.symbols) == (DayVerdict.HOLD, 0, ())


def test_the_session_must_be_one() -> None:
    with pytest.raises(NotASession, match="2024-07-04 is not a session of XNYS"):
        check(calm_bars(), session=JULY_4)


def test_bars_older_than_the_calendar_are_held_against_all_other_rules() -> None:
    days = pd.date_range("1987-10-12", "1987-10-23", freq="B")
    closes = [31.0, 30.5, 30.0, 29.5, 28.2, 22.4, 23.5, 24.0, 23.0, 24.0]
    old = pd.DataFrame({"symbol": "AAPL", "session": days, "close": closes})
    new = pd.DataFrame({"symbol": "AAPL", "session": XNYS.sessions(date(1990, 1, 2), date(1990, 1, 31)), "close": 24.0})
    frame = bars_frame(
        pd.concat([old.assign(close=[*closes[:5], NAN, *closes[6:]]), new.assign(close=24.0 + new.index)])
    )

    report = check(frame, first=date(1987, 10, 12), session=date(1990, 1, 31))

    assert the_only(report) == (Rule.PRICE_MISSING, CRITICAL, "AAPL", date(1987, 10, 19))


@pytest.mark.parametrize("rows", [1, 45, 60, 89])
def test_bars_that_are_checked_in_parts_get_the_verdict_of_all_together(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = with_bar(one_more_bar(calm_bars("AAPL", "IBM", "SPY"), SATURDAY, symbol="SPY"), OLD, "IBM", close=NAN)
    frame = frame.sort_values("session")
    together = check(frame)

    monkeypatch.setattr(bar_checks, "ROWS_AT_ONCE", rows)

    assert check(frame) == together
    assert {f.symbol for f in together.findings} == {"IBM", "SPY"}
