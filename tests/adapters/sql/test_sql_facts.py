"""Facts beside orders: books, cash, corporate actions, quality reports, reconciliations."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.builders import (
    ACCOUNT,
    CLOSE,
    DECIDED,
    SESSION,
    a_bust,
    a_dividend,
    a_movement,
    a_report,
    a_split,
    a_trade,
    at,
)
from trading.breaks import Break, BreakType
from trading.broker import CashMovementType
from trading.errors import InvalidValue
from trading.market.quality import DayVerdict, Finding, FindingSeverity, QualityReport, Rule, SymbolVerdict
from trading.orders.executions import ExecType
from trading.positions.books import fold_books
from trading.reconciliation import Reconciliation

TOMORROW = SESSION + timedelta(days=1)


class TestBooks:
    def test_positions_and_cash_are_what_everything_recorded_adds_up_to(self, ledger):
        # 5,000.00 - 100 x 10.00 - 1.00 + 40 x 12.00 - 1.00 + 3.20 = 4,481.20; 60 are left of the lot at 10.00.
        ledger.facts.record_cash(
            [a_movement(5000), a_movement("3.20", CashMovementType.DIVIDEND, "m-2", symbol="AAPL")]
        )
        ledger.journal.record(
            [
                a_report(ExecType.NEW, "e-0"),
                a_trade(100, "10.00", "e-1", commission=Decimal(1)),
                a_trade(-40, "12.00", "e-2", commission=Decimal(1), transact_time=at(1)),
                a_trade(7, "50.00", "e-3", symbol="IBM"),
                a_bust("e-3", "e-4", symbol="IBM"),
            ]
        )

        books = ledger.facts.books(ACCOUNT, CLOSE)

        assert books.cash == Decimal("4481.20")
        assert books.held() == {"AAPL": 60}
        assert [(lot.qty, lot.px) for lot in books.positions["AAPL"].lots] == [(60, 10)]
        assert (books.positions["AAPL"].realized_pnl, books.positions["AAPL"].dividends) == (80, Decimal("3.20"))

    def test_books_are_the_fold_of_the_facts_that_the_ledger_gives_out(self, ledger):
        ledger.facts.record_cash([a_movement(5000)])
        ledger.facts.record_actions(ACCOUNT, [a_split(3)])
        ledger.journal.record([a_trade(10, 9, transact_time=at(-60)), a_report(ExecType.CANCELED, "e-2")])

        facts = ledger.facts
        folded = fold_books(facts.executions(ACCOUNT), facts.cash_movements(ACCOUNT), facts.actions(ACCOUNT))

        assert facts.books(ACCOUNT, CLOSE) == folded

    def test_a_split_counts_from_the_moment_it_takes_effect(self, ledger):
        ledger.journal.record([a_trade(100, 20)])
        ledger.facts.record_actions(ACCOUNT, [a_split(2, TOMORROW)])

        opening = at(0, TOMORROW)

        assert ledger.facts.books(ACCOUNT, opening - timedelta(microseconds=1)).held() == {"AAPL": 100}
        assert ledger.facts.books(ACCOUNT, opening).held() == {"AAPL": 200}

    def test_a_holding_is_whole_after_a_split_by_a_third(self, ledger):
        # A ratio of 28 digits must not lose any: 3,000,000 shares become 1,000,000, not 999,999.
        ledger.journal.record([a_trade(3_000_000, 1)])
        ledger.facts.record_actions(ACCOUNT, [a_split(Decimal(1) / 3, TOMORROW)])

        assert ledger.facts.books(ACCOUNT, at(1, TOMORROW)).held() == {"AAPL": 1_000_000}

    def test_the_accounts_of_one_ledger_have_books_of_their_own(self, ledger):
        ledger.facts.record_cash([a_movement(5000), a_movement(70, account="DU200")])
        ledger.facts.record_actions("DU200", [a_split(2)])

        assert ledger.facts.books("DU200", CLOSE).cash == 70
        assert ledger.facts.actions(ACCOUNT) == ()


class TestRecording:
    def test_cash_is_booked_once_however_often_the_broker_tells_of_it(self, ledger):
        deposit, fee = a_movement(5000), a_movement("-1.25", CashMovementType.FEE, "m-2", text="market data")

        assert ledger.facts.record_cash([deposit]) == 1
        assert ledger.facts.record_cash([deposit, fee, fee]) == 1
        assert ledger.facts.record_cash([]) == 0

        assert ledger.facts.cash_movements(ACCOUNT) == (deposit, fee)

    def test_two_accounts_may_have_movements_of_the_same_name(self, ledger):
        assert ledger.facts.record_cash([a_movement(1), a_movement(2, account="DU200")]) == 2

    def test_a_corporate_action_is_booked_once(self, ledger):
        split, dividend = a_split(4), a_dividend("0.24")

        assert ledger.facts.record_actions(ACCOUNT, [split, dividend]) == 2
        assert ledger.facts.record_actions(ACCOUNT, [dividend, split]) == 0

        assert set(ledger.facts.actions(ACCOUNT)) == {split, dividend}

    def test_cash_in_a_second_currency_is_recorded_and_the_books_say_what_is_wrong(self, ledger):
        ledger.facts.record_cash([a_movement(1), a_movement(2, movement_id="m-2", currency="EUR")])

        with pytest.raises(InvalidValue, match="EUR, USD"):
            ledger.facts.books(ACCOUNT, CLOSE)


def a_finding(**fields: object) -> Finding:
    given = {
        "rule": Rule.JUMP,
        "severity": FindingSeverity.CRITICAL,
        "symbol": "IBM",
        "session": SESSION,
        "value": "0.71",
        "limit": "0.5",
        "text": "IBM moved by 71 % — Ümläute, too",
    }
    return Finding(**(given | fields))


def a_quality_report(**fields: object) -> QualityReport:
    given = {
        "source": "sample",
        "session": SESSION,
        "bars_hash": "h" * 64,
        "rows": 5_000_000_000,
        "day_verdict": DayVerdict.TRADE,
        "symbols": (("AAPL", SymbolVerdict.PASS), ("IBM", SymbolVerdict.QUARANTINE)),
        "findings": (a_finding(), a_finding(session=None, severity=FindingSeverity.WARNING, symbol="AAPL")),
        "checked_at": DECIDED,
        "days_left_out": (date(2024, 3, 9),),
    }
    return QualityReport(**(given | fields))


class TestQuality:
    def test_a_quality_report_comes_back_equal_but_for_the_days_it_left_out(self, ledger):
        report = a_quality_report()

        ledger.facts.record_quality(report)

        kept = replace(report, days_left_out=())
        assert ledger.facts.quality("sample", SESSION) == ledger.facts.quality_report(report.verdict_id) == kept
        assert kept.verdict_id == report.verdict_id

    def test_a_verdict_that_comes_back_counts_again(self, ledger):
        held, passed = a_quality_report(bars_hash="i" * 64, day_verdict=DayVerdict.HOLD), a_quality_report()

        for report in (held, passed, held):
            ledger.facts.record_quality(report)

        assert ledger.facts.quality("sample", SESSION).day_verdict is DayVerdict.HOLD

    def test_the_last_verdict_on_a_session_counts(self, ledger):
        first, second = a_quality_report(), a_quality_report(bars_hash="i" * 64, day_verdict=DayVerdict.HOLD)

        ledger.facts.record_quality(first)
        ledger.facts.record_quality(second)

        assert ledger.facts.quality("sample", SESSION).day_verdict is DayVerdict.HOLD
        assert ledger.facts.quality_report(first.verdict_id).day_verdict is DayVerdict.TRADE

    def test_the_same_verdict_is_recorded_once(self, ledger):
        ledger.facts.record_quality(a_quality_report())
        ledger.facts.record_quality(a_quality_report(checked_at=CLOSE))

        assert ledger.count("quality_report") == 1

    def test_nothing_is_known_of_a_session_that_was_not_checked(self, ledger):
        ledger.facts.record_quality(a_quality_report())

        assert ledger.facts.quality("sample", TOMORROW) is None
        assert ledger.facts.quality("yahoo", SESSION) is None
        assert ledger.facts.quality_report("qv-0") is None


def a_reconciliation(**fields: object) -> Reconciliation:
    broken = Break(break_type=BreakType.CASH, subject="USD", ours="1.00", theirs="2.00", text="cash differs")
    given = {
        "session": SESSION,
        "reconciled_at": CLOSE,
        "equity": Decimal("101234.56"),
        "cash": Decimal("-0.01"),
        "marks": {"AAPL": Decimal("172.62")},
        "breaks": (broken,),
    }
    return Reconciliation(**(given | fields))


class TestReconciliations:
    def test_the_latest_reconciliation_of_each_session_counts_oldest_session_first(self, ledger):
        tomorrow = a_reconciliation(session=TOMORROW)
        mended = a_reconciliation(breaks=(), reconciled_at=CLOSE + timedelta(hours=1))
        for reconciliation in (tomorrow, a_reconciliation(), mended):
            ledger.facts.record_reconciliation(ACCOUNT, reconciliation)

        assert ledger.facts.reconciliations(ACCOUNT) == (mended, tomorrow)
        assert ledger.facts.reconciliations("DU200") == ()
        assert ledger.count("reconciliation") == 3
