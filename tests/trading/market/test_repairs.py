"""Repairs: what a person knows better stands in for what the source gave, and nothing else moves."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pytest

from tests.bar_builders import (
    FIRST,
    LAST,
    calm_bars,
    check,
    fetched,
    key,
    one_more_bar,
    scaled,
    with_bar,
    without_bars,
)
from trading.errors import InvalidValue
from trading.market.bars import FetchedBars
from trading.market.corporate_actions import CashDividend, Split
from trading.market.quality import FindingSeverity, Rule, SymbolVerdict
from trading.market.repairs import Acceptance, BarField, Repair, SymbolHold, repaired

AT = datetime(2024, 6, 13, 2, 0, tzinfo=UTC)
OLD = date(2024, 5, 14)
NAN = float("nan")
PRICES = list(BarField)[:4]


def a_repair(session: date, field: BarField, after: str, symbol: str = "AAPL") -> Repair:
    return Repair(
        source="test",
        symbol=symbol,
        session=session,
        field=field,
        before=None,
        after=Decimal(after),
        actor="ann",
        reason="the exchange's own figure",
        repaired_at=AT,
    )


def an_acceptance(rule: Rule, first: date = FIRST, last: date = LAST) -> Acceptance:
    return Acceptance(
        source="test",
        symbol="AAPL",
        rule=rule,
        first=first,
        last=last,
        actor="ann",
        reason="it was a takeover bid",
        accepted_at=AT,
    )


def after(bars: pd.DataFrame | FetchedBars, *repairs: Repair) -> FetchedBars:
    return repaired(bars if isinstance(bars, FetchedBars) else fetched(bars), repairs, LAST)


def test_a_repaired_close_stands_and_every_other_value_is_as_it_came():
    damaged = with_bar(calm_bars("AAPL", "SPY"), OLD, close=NAN)

    mended = after(damaged, a_repair(OLD, BarField.CLOSE, "104.5"))

    assert mended.bars.frame.equals(with_bar(damaged, OLD, close=104.5))
    assert check(mended).findings == ()


def test_of_two_repairs_of_one_value_the_later_one_counts():
    mended = after(calm_bars(), a_repair(OLD, BarField.CLOSE, "1"), a_repair(OLD, BarField.CLOSE, "104.6"))

    assert mended.bars.on(OLD).at["AAPL", "close"] == 104.6


def test_two_bars_of_one_session_become_the_repaired_one():
    twice = one_more_bar(calm_bars(), OLD, like=OLD, close=50.0)

    mended = after(twice, a_repair(OLD, BarField.CLOSE, "104.5"))

    assert len(mended.bars.frame) == len(calm_bars())
    assert check(mended).findings == ()


def test_a_session_that_the_source_left_out_is_added_with_its_close():
    bars = without_bars(calm_bars(), OLD)

    whole = after(bars, *(a_repair(OLD, f, "104.5") for f in PRICES), a_repair(OLD, BarField.VOLUME, "1000000"))
    without_close = after(bars, a_repair(OLD, BarField.OPEN, "104.5"))

    assert check(whole).findings == ()
    assert without_close.bars.frame.equals(fetched(bars).bars.frame)


@pytest.mark.parametrize("session", [date(2024, 4, 30), date(2024, 6, 13)])
def test_a_session_outside_what_was_fetched_is_left_alone(session: date):
    mended = after(calm_bars(), a_repair(session, BarField.CLOSE, "104.5"))

    assert mended.bars.frame.equals(fetched(calm_bars()).bars.frame)


def test_a_symbol_without_any_bar_is_not_made_up():
    mended = after(calm_bars("SPY"), a_repair(OLD, BarField.CLOSE, "104.5"))

    assert set(mended.bars.frame["symbol"]) == {"SPY"}


def test_a_split_that_was_not_told_is_added_and_one_that_never_was_is_taken_out():
    split = Split(symbol="AAPL", ex_date=OLD, new_per_old=Decimal(2))
    halved = scaled(calm_bars(), 0.5, OLD)

    added = after(halved, a_repair(OLD, BarField.SPLIT, "2"))
    taken_out = after(fetched(calm_bars(), actions=[split]), a_repair(OLD, BarField.SPLIT, "1"))

    assert added.actions == (split,)
    assert taken_out.actions == ()
    assert check(added).findings == check(taken_out).findings == ()


def test_a_phantom_dividend_is_taken_out_and_the_split_of_that_day_stays():
    paid = CashDividend(symbol="AAPL", ex_date=OLD, amount_per_share=Decimal(50))
    split = Split(symbol="AAPL", ex_date=OLD, new_per_old=Decimal(2))
    bars = fetched(scaled(calm_bars(), 0.5, OLD), actions=[paid, split])

    mended = after(bars, a_repair(OLD, BarField.DIVIDEND, "0"))

    assert mended.actions == (split,)


def test_a_dividend_keeps_the_currency_that_its_source_pays_in():
    paid = CashDividend(symbol="AAPL", ex_date=OLD, amount_per_share=Decimal(50), currency="GBP")

    mended = after(fetched(calm_bars(), actions=[paid]), a_repair(OLD, BarField.DIVIDEND, "0.5"))

    assert mended.actions == (
        CashDividend(symbol="AAPL", ex_date=OLD, amount_per_share=Decimal("0.5"), currency="GBP"),
    )


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        (BarField.CLOSE, "0", "greater than 0"),
        (BarField.CLOSE, "NaN", "finite and greater than 0"),
        (BarField.VOLUME, "-1", "finite and 0 or more"),
        (BarField.SPLIT, "0", "greater than 0"),
    ],
)
def test_a_value_that_cannot_be_is_refused(field: BarField, value: str, rule: str):
    with pytest.raises(InvalidValue, match=f"{field} of AAPL on 2024-05-14 is .*{rule}"):
        a_repair(OLD, field, value)


def test_what_a_person_found_true_warns_and_says_who_found_it():
    jumped = scaled(calm_bars(), 1.9, OLD)
    found = check(jumped).findings[0].rule

    report = check(jumped, acceptances=[an_acceptance(found)])

    assert [key(f) for f in report.findings] == [(found, FindingSeverity.WARNING, "AAPL", OLD)]
    assert report.findings[0].text.endswith("found true by ann: it was a takeover bid")
    assert dict(report.symbols) == {"AAPL": SymbolVerdict.WARN}


def test_a_second_jump_after_the_accepted_ones_is_critical_as_ever():
    later = date(2024, 6, 11)
    twice = scaled(scaled(calm_bars(), 4, OLD), 4, later)

    report = check(twice, acceptances=[an_acceptance(check(twice).findings[0].rule, last=OLD)])

    found = {f.severity: f for f in report.findings}
    assert (found[FindingSeverity.CRITICAL].session, found[FindingSeverity.WARNING].session) == (later, OLD)
    assert "found true" not in found[FindingSeverity.CRITICAL].text


def test_an_acceptance_is_about_one_rule_only():
    broken = with_bar(scaled(calm_bars(), 1.9, OLD), LAST, close=-1.0)
    jump = check(scaled(calm_bars(), 1.9, OLD)).findings[0].rule

    report = check(broken, acceptances=[an_acceptance(jump)])

    assert Rule.PRICE_NOT_POSITIVE in {f.rule for f in report.findings if f.severity is FindingSeverity.CRITICAL}
    assert dict(report.symbols) == {"AAPL": SymbolVerdict.QUARANTINE}


def test_a_symbol_that_a_person_holds_back_is_quarantined_with_the_name_and_the_reason():
    hold = SymbolHold(source="test", symbol="AAPL", held=True, actor="ann", reason="two vendors differ", changed_at=AT)

    report = check(calm_bars(), second_reader=[hold.finding()])

    assert report.quarantined() == {
        "AAPL": "AAPL: HELD_BACK by ann since 2024-06-13 02:00 UTC: two vendors differ",
    }
