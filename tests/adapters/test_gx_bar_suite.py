"""Great Expectations reads the same bars by the same rules, and must come to the same verdict as ours."""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.gx_bar_suite import GxBarSuite, GxFailure, GxVerdict
from tests.bar_builders import (
    FIRST,
    LAST,
    NOW,
    XNYS,
    calm_bars,
    check,
    data_file,
    fetched,
    one_more_bar,
    scaled,
    with_bar,
    without_bars,
)
from trading.market.bar_rules import BAR_RULES
from trading.market.bars import FetchedBars, bars_frame
from trading.market.corporate_actions import CashDividend
from trading.market.quality import FindingSeverity, QualityPolicy, Rule

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
NAN = float("nan")
OLD = date(2024, 5, 14)
SATURDAY = date(2024, 5, 18)
SYMBOLS = ("AAPL", "IBM", "SPY")


def validate(frame: pd.DataFrame | FetchedBars, docs_root: Path | None = None) -> GxVerdict:
    bars = frame if isinstance(frame, FetchedBars) else fetched(frame)
    return GxBarSuite(QualityPolicy(), XNYS, docs_root).validate(bars, FIRST, LAST, now=NOW)


def test_calm_bars_meet_every_expectation() -> None:
    verdict = validate(calm_bars(*SYMBOLS))

    assert verdict == GxVerdict(success=True, failures=(), docs_path=None, expectations=25)


def test_a_bar_that_fails_is_named_by_rule_symbol_and_session() -> None:
    verdict = validate(with_bar(calm_bars(*SYMBOLS), OLD, symbol="IBM", volume=-1.0))

    assert not verdict.success
    assert verdict.failures == (GxFailure(rule=Rule.VOLUME_NEGATIVE, severity=CRITICAL, symbol="IBM", session=OLD),)
    assert verdict.critical_symbols() == {"IBM"}


def test_a_warning_quarantines_nothing() -> None:
    verdict = validate(one_more_bar(calm_bars(), SATURDAY))

    assert verdict.failures == (GxFailure(rule=Rule.NOT_A_SESSION, severity=WARNING, symbol="AAPL", session=SATURDAY),)
    assert (verdict.success, verdict.critical_symbols()) == (False, frozenset())


def test_every_failing_symbol_is_named_however_many_there_are() -> None:
    symbols = [f"S{i:03}" for i in range(200)]  # Great Expectations samples 20 of them unless asked for all
    frame = calm_bars(*symbols)
    frame.loc[frame["session"] == pd.Timestamp(OLD), "close"] = NAN

    verdict = validate(frame)

    assert verdict.critical_symbols() == set(symbols)


def test_no_bars_at_all_meet_every_expectation() -> None:
    assert validate(calm_bars().iloc[:0]).success  # that a symbol has none is found by the outcome of its fetch


def test_the_suite_and_its_results_are_kept_as_pages_when_asked_for(tmp_path: Path) -> None:
    verdict = validate(with_bar(calm_bars(), OLD, low=0.0), tmp_path / "docs of bars")
    validate(calm_bars(), tmp_path / "docs of bars")

    assert verdict.docs_path is not None
    assert verdict.docs_path.is_relative_to(tmp_path / "docs of bars")
    assert "daily_bars" in verdict.docs_path.read_text()
    pages = sorted(verdict.docs_path.parent.glob("validations/**/*.html"))
    assert len(pages) == 2
    assert re.search(r"lowest_px.*greater than.*0", pages[0].read_text(), re.DOTALL)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    validate(with_bar(calm_bars(), OLD, close=NAN))

    assert capfd.readouterr() == ("", "")


def test_real_bars_get_the_same_verdict_from_both() -> None:
    rows = pd.read_parquet(data_file("equity", "us_equity_daily_raw.parquet")).rename(columns={"date": "session"})
    first, last = rows["session"].min(), rows["session"].max()
    bars = fetched(bars_frame(rows))

    ours = check(bars, first=first, session=last)
    theirs = GxBarSuite(QualityPolicy(), XNYS).validate(bars, first, last)

    assert theirs.critical_symbols() == set(ours.quarantined())
    assert {(f.rule, f.symbol) for f in theirs.failures} == {(f.rule, f.symbol) for f in ours.findings}


Damage = tuple[str, str, int, float]
VALUES = [NAN, float("inf"), -1.0, 0.0, 1e-3, 1.0, 50.0, 104.0, 110.0, 208.0, 10_400.0]


def damages() -> st.SearchStrategy[list[Damage]]:
    """Return what may go wrong: which way, with which symbol, on which of the 30 sessions, by how much."""
    value = st.tuples(st.sampled_from(["open", "high", "low", "close", "volume"]), st.sampled_from(VALUES))
    prices = st.tuples(st.just("scale"), st.sampled_from([0.01, 0.1, 0.25, 0.4, 0.5, 1.4, 2.0, 3.0, 13.5, 100.0]))
    whole = st.tuples(st.sampled_from(["drop", "repeat", "contradict", "weekend", "future"]), st.just(0.0))
    return st.lists(
        st.tuples(st.one_of(value, prices, whole), st.sampled_from(SYMBOLS), st.integers(0, 29)).map(
            lambda drawn: (drawn[0][0], drawn[1], drawn[2], drawn[0][1])
        ),
        max_size=6,
    )


def damaged(frame: pd.DataFrame, how: Sequence[Damage]) -> pd.DataFrame:
    sessions = XNYS.sessions(FIRST, LAST)
    for kind, symbol, place, amount in how:
        day = sessions[place]
        there = ((frame["symbol"] == symbol) & (frame["session"] == pd.Timestamp(day))).any()
        if kind == "drop":
            frame = without_bars(frame, day, symbol=symbol)
        elif kind == "scale":
            frame = scaled(frame, amount, day, symbol=symbol)
        elif kind in ("repeat", "contradict") and there:
            other = {"volume": 7.0} if kind == "contradict" else {}
            frame = one_more_bar(frame, day, day, symbol, **other)
        elif kind == "weekend" and there:
            frame = one_more_bar(frame, SATURDAY, day, symbol)
        elif kind == "future" and there:
            frame = one_more_bar(frame, LAST + timedelta(days=1 + place % 2), day, symbol)
        elif there:
            frame = with_bar(frame, day, symbol, **{kind: amount})
    return bars_frame(frame)


def dividends() -> st.SearchStrategy[list[CashDividend]]:
    """Return dividends on any of the 30 sessions, some too large for a price that stays where it is."""
    made = st.builds(
        lambda symbol, place, amount: CashDividend(
            symbol=symbol, ex_date=XNYS.sessions(FIRST, LAST)[place], amount_per_share=Decimal(amount)
        ),
        st.sampled_from(SYMBOLS),
        st.integers(0, 29),
        st.sampled_from(["0.5", "2", "12", "500"]),
    )
    return st.lists(made, max_size=4, unique_by=lambda paid: (paid.symbol, paid.ex_date))


@given(damages(), dividends())
@example(
    [("close", "AAPL", 9, 0.0)],
    [CashDividend(symbol="AAPL", ex_date=XNYS.sessions(FIRST, LAST)[10], amount_per_share=Decimal(2))],
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_readers_find_the_same_symbols_bad_whatever_goes_wrong(
    how: list[Damage], paid: list[CashDividend]
) -> None:
    bars = fetched(damaged(calm_bars(*SYMBOLS), how), actions=paid)

    ours, theirs = check(bars), validate(bars)

    def of_bars(rule: Rule) -> bool:
        return rule is not Rule.NO_BARS  # a symbol that lost all its bars is not in the batch

    assert {(f.rule, f.severity, f.symbol) for f in theirs.failures if f.severity is CRITICAL} == {
        (f.rule, f.severity, f.symbol) for f in ours.findings if f.severity is CRITICAL and of_bars(f.rule)
    }
    assert {(f.rule, f.symbol) for f in theirs.failures} == {
        (f.rule, f.symbol) for f in ours.findings if of_bars(f.rule)
    }


def test_both_readers_grade_by_the_same_severities() -> None:
    from adapters.gx_expectations import bar_suite

    labels = {(e.meta["rule"], e.severity) for e in bar_suite(QualityPolicy()).expectations}

    assert {(Rule(rule), FindingSeverity(severity)) for rule, severity in labels} == {
        (rule.rule, severity) for rule in BAR_RULES for severity in rule.severities
    }
