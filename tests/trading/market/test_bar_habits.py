"""Bars unlike the others of their symbol."""

from datetime import date

import pandas as pd
import pytest

from tests.bar_builders import FIRST, LAST, XNYS, calm_bars, check, scaled, the_only, with_bar, without_bars
from trading.market.quality import FindingSeverity, QualityPolicy, Rule

CRITICAL, WARNING = FindingSeverity.CRITICAL, FindingSeverity.WARNING
OLD = date(2024, 5, 14)  # the bar: 104.30, 105.50, 103.50, 104.50
NEXT = date(2024, 5, 15)


def short() -> pd.DataFrame:
    return without_bars(calm_bars(), *XNYS.sessions(FIRST, date(2024, 5, 31)))


@pytest.mark.parametrize(("factor", "found"), [(0.75, True), (0.85, False), (1.3, True), (1.15, False)])
def test_a_move_far_beyond_the_usual_is_shown(factor: float, found: bool) -> None:
    report = check(scaled(calm_bars(), factor, OLD))

    assert [(f.rule, f.severity, f.session) for f in report.findings] == ([(Rule.JUMP, WARNING, OLD)] if found else [])


def test_a_move_is_usual_for_a_symbol_that_moves_as_much_every_day() -> None:
    wild = calm_bars()
    for number, day in enumerate(XNYS.sessions(FIRST, LAST)):
        wild = scaled(wild, 0.75 if number % 2 else 1.0, day, day)

    assert check(wild).findings == ()


def test_what_is_usual_is_not_known_of_a_few_bars() -> None:
    assert check(scaled(short(), 0.75, LAST), first=date(2024, 6, 3)).findings == ()


@pytest.mark.parametrize("volume", [1e9, 1_000.0, 0.0, float("inf")])
def test_a_volume_far_beyond_the_usual_or_none_at_all_is_shown(volume: float) -> None:
    report = check(with_bar(calm_bars(), OLD, volume=volume))

    assert the_only(report) == (Rule.VOLUME_ANOMALY, WARNING, "AAPL", OLD)


def test_an_index_that_never_has_a_volume_passes() -> None:
    assert check(calm_bars().assign(volume=0.0)).findings == ()


@pytest.mark.parametrize(("day", "before", "severity"), [(NEXT, OLD, WARNING), (LAST, date(2024, 6, 11), CRITICAL)])
def test_yesterdays_bar_as_todays_is_found_and_critical_when_it_is_recent(
    day: date, before: date, severity: FindingSeverity
) -> None:
    frame = calm_bars()
    copied = frame[frame["session"] == pd.Timestamp(before)].iloc[0]
    columns = ["open", "high", "low", "close", "volume"]

    report = check(with_bar(frame, day, **copied[columns].to_dict()))

    assert the_only(report) == (Rule.REPEATED_BAR, severity, "AAPL", day)


def test_whole_prices_among_fractions_are_shown_and_a_symbol_of_whole_prices_passes() -> None:
    report = check(with_bar(calm_bars(), OLD, open=104.0, high=106.0, low=103.0, close=105.0))
    yen = calm_bars()
    yen[["open", "high", "low", "close"]] = (10 * yen[["open", "high", "low", "close"]]).round()

    assert the_only(report) == (Rule.ROUNDED, WARNING, "AAPL", OLD)
    assert check(yen, policy=QualityPolicy()).findings == ()
