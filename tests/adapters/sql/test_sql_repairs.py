"""What persons say of bars is kept with name and reason, and stands in the audit trail."""

from datetime import date
from decimal import Decimal

import pytest

from adapters.sql.audit import first_broken_entry
from tests.adapters.sql.sql_desk import SqlLedger
from tests.builders import CLOSE, OPEN
from trading.errors import InvalidValue
from trading.market.quality import Rule
from trading.market.repairs import Acceptance, BarField, Repair, SymbolHold

DAY = date(2022, 12, 27)


def a_repair(after: str = "12.5", reason: str = "a typing error", source: str = "own") -> Repair:
    return Repair(
        source=source,
        symbol="KO",
        session=DAY,
        field=BarField.CLOSE,
        before=Decimal("1250"),
        after=Decimal(after),
        actor="Ada",
        reason=reason,
        repaired_at=CLOSE,
    )


def a_hold(symbol: str, held: bool) -> SymbolHold:
    return SymbolHold(source="own", symbol=symbol, held=held, actor="Ada", reason="rumours", changed_at=CLOSE)


def audited(ledger: SqlLedger) -> list[str]:
    with ledger.engine.connect() as connection:
        return [row.action for row in connection.exec_driver_sql("SELECT action FROM audit_entry ORDER BY seq")]


def test_repairs_are_read_back_as_they_were_recorded_oldest_first(ledger):
    ledger.repairs.repair([a_repair("12.5"), a_repair("12.50001")])
    ledger.repairs.repair([a_repair(source="another")])

    assert ledger.repairs.repairs("own") == (a_repair("12.5"), a_repair("12.50001"))
    assert ledger.repairs.repairs("own", known_at=OPEN) == ()
    assert audited(ledger) == ["repair own KO 2022-12-27 close"] * 2 + ["repair another KO 2022-12-27 close"]
    assert first_broken_entry(ledger.engine) is None


def test_the_last_word_on_a_symbol_says_whether_it_is_held(ledger):
    for hold in (a_hold("KO", True), a_hold("PEP", True), a_hold("KO", False)):
        ledger.repairs.hold(hold)

    assert ledger.repairs.holds("own") == (a_hold("PEP", True),)
    assert audited(ledger) == ["quarantine own KO", "quarantine own PEP", "release own KO"]


def test_what_was_found_true_is_read_back_with_its_range(ledger):
    word = Acceptance(
        source="own",
        symbol="KO",
        rule=Rule.JUMP,
        first=DAY,
        last=DAY,
        actor="Ada",
        reason="a bid",
        accepted_at=CLOSE,
    )

    ledger.repairs.accept([word])

    assert ledger.repairs.acceptances("own") == (word,)
    assert audited(ledger) == ["accept own KO JUMP from 2022-12-27 to 2022-12-27"]


def test_without_a_reason_nothing_is_recorded(ledger):
    with pytest.raises(InvalidValue, match="reason is ' ', but must be a sentence that says why"):
        ledger.repairs.repair([a_repair(), a_repair(reason=" ")])

    assert ledger.repairs.repairs("own") == ()
    assert audited(ledger) == []
