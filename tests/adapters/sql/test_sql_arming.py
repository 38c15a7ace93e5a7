"""A live account trades only while a person has armed it."""

from datetime import timedelta

import pytest

from adapters.sql.audit import first_broken_entry
from tests.adapters.sql.sql_desk import SqlLedger
from tests.builders import ACCOUNT, DECIDED
from trading.errors import InvalidValue, NotArmed

HOUR = timedelta(hours=1)


def arm(ledger: SqlLedger, hours: float, reason: str = "first live day") -> None:
    ledger.arming.arm(ACCOUNT, DECIDED + hours * HOUR, actor="Ada", reason=reason, now=DECIDED)


def test_an_account_that_was_never_armed_may_not_trade(ledger):
    with pytest.raises(NotArmed, match=r"it never was armed; nothing was sent\. `openbell arm --account"):
        ledger.arming.require_armed(ACCOUNT, DECIDED)


def test_an_armed_account_may_trade_until_its_time_has_come(ledger):
    arm(ledger, 8)

    ledger.arming.require_armed(ACCOUNT, DECIDED + 7 * HOUR)
    with pytest.raises(NotArmed, match="armed until"):
        ledger.arming.require_armed(ACCOUNT, DECIDED + 8 * HOUR)


def test_an_account_is_not_armed_by_arming_another(ledger):
    arm(ledger, 8)

    with pytest.raises(NotArmed):
        ledger.arming.require_armed("U999", DECIDED)


def test_the_last_word_counts_so_zero_hours_disarm(ledger):
    arm(ledger, 8)
    arm(ledger, 0, "lunch")

    with pytest.raises(NotArmed):
        ledger.arming.require_armed(ACCOUNT, DECIDED)


def test_nobody_arms_for_longer_than_a_week(ledger):
    arm(ledger, 168)

    with pytest.raises(InvalidValue, match="at most 7 days away"):
        arm(ledger, 169)


def test_arming_needs_a_reason_and_stands_in_the_audit_trail(ledger):
    with pytest.raises(InvalidValue, match="reason"):
        arm(ledger, 8, " ")

    arm(ledger, 8)
    ledger.tamper("UPDATE audit_entry SET text = 'nothing happened'")

    assert first_broken_entry(ledger.engine) == 1
