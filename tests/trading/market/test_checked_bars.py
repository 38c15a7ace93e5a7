"""What a person may say of bars that were checked: each refusal names the value, the rule and the way out."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from tests.bar_builders import LAST, calm_bars, check, fetched, scaled, with_bar
from trading.errors import InvalidValue
from trading.market.checked_bars import CheckedBars
from trading.market.quality import Rule, SymbolVerdict
from trading.market.repairs import BarField, Repair, SymbolHold

AT = datetime(2024, 6, 13, 2, 0, tzinfo=UTC)
OLD = date(2024, 5, 14)
BY = {"actor": "ann", "reason": "seen in all papers", "now": AT}
CLOSE = {BarField.CLOSE: Decimal("104.5")}


def checked(frame: pd.DataFrame, **more: Any) -> CheckedBars:
    return CheckedBars(report=check(frame, **more), fetched=fetched(frame))


def repairs(bars: CheckedBars, *sessions: date, values: Any = None, times: Decimal | None = None) -> list[Repair]:
    return bars.repairs("AAPL", sessions, values or {}, times, **BY)


def test_a_factor_repairs_every_price_of_the_sessions_and_keeps_what_was_given():
    bars = checked(scaled(calm_bars(), 100, LAST))

    made = repairs(bars, LAST, times=Decimal("0.01"))

    assert [(r.field.value, r.before, float(r.after)) for r in made] == [
        ("open", Decimal("11430.0"), 114.3),
        ("high", Decimal("11550.0"), 115.5),
        ("low", Decimal("11350.0"), 113.5),
        ("close", Decimal("11450.0"), 114.5),
    ]


@pytest.mark.parametrize(
    ("sessions", "values", "times", "told"),
    [
        ([OLD], None, None, "repair is 'nothing', but must be values such as --close"),
        ([OLD], CLOSE, Decimal(2), "repair is 'both'"),
        ([date(2024, 6, 13)], CLOSE, None, "session is '2024-06-13', but must be not after 2024-06-12"),
        ([date(2024, 5, 18)], None, Decimal(2), "session is '2024-05-18', but must be one whose bar test gave lately"),
    ],
)
def test_a_repair_that_says_nothing_or_of_no_bar_is_refused(sessions: Any, values: Any, times: Any, told: str):
    with pytest.raises(InvalidValue, match=told):
        repairs(checked(calm_bars()), *sessions, values=values, times=times)


def test_a_range_is_that_of_the_sessions_that_the_symbol_has_bars_of():
    bars = checked(calm_bars())

    assert bars.sessions("AAPL", date(2024, 5, 17), date(2024, 5, 21)) == [
        date(2024, 5, 17),
        date(2024, 5, 20),
        date(2024, 5, 21),
    ]
    with pytest.raises(InvalidValue, match="bars of AAPL; it has some from 2024-05-01 to 2024-06-12"):
        bars.sessions("AAPL", date(2024, 7, 1), date(2024, 7, 2))
    with pytest.raises(InvalidValue, match="bars of KO; it has none at all"):
        bars.sessions("KO", OLD, LAST)


def test_a_rule_is_found_true_from_the_session_of_its_worst_finding_to_the_one_checked():
    bars = checked(scaled(calm_bars(), 1.9, OLD))
    (found,) = bars.findings("AAPL")

    (word,) = bars.acceptances("AAPL", [Rule(found.rule)], **BY)

    assert (word.rule, word.first, word.last) == (found.rule, OLD, LAST)
    assert check(scaled(calm_bars(), 1.9, OLD), acceptances=[word]).quarantined() == {}


@pytest.mark.parametrize("rule", [Rule.PRICE_NOT_POSITIVE, Rule.STALE])
def test_no_word_makes_true_what_cannot_be_or_what_is_not_there(rule: Rule):
    bars = checked(with_bar(calm_bars(), LAST, low=-1.0))

    with pytest.raises(InvalidValue, match=f"rule is '{rule}', but must be one that AAPL breaks, and that may be true"):
        bars.acceptances("AAPL", [rule], **BY)


def test_a_symbol_held_back_is_in_quarantine_and_nothing_else_changes():
    bars = checked(calm_bars("AAPL", "SPY"))
    hold = SymbolHold(source="test", symbol="SPY", held=True, actor="ann", reason="rumours", changed_at=AT)

    held = bars.held_back(hold)

    assert held.symbols == (("AAPL", SymbolVerdict.PASS), ("SPY", SymbolVerdict.QUARANTINE))
    assert list(held.quarantined()) == ["SPY"]
    assert (held.bars_hash, held.session) == (bars.report.bars_hash, bars.report.session)
    assert held.verdict_id != bars.report.verdict_id
