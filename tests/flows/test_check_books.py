"""The books in the middle of a session, over the wire to Interactive Brokers; the day itself stays open."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.check_books import check_books
from ib_gateway.scenarios import Action, Fault
from tests.flows.desks import WEDNESDAY
from tests.flows.ib_days import ACCOUNT, EVENING, NINE_AM, NOON, IbDay
from trading.breaks import BreakType


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.check_books.LOOK_AGAIN_SECONDS", 0.05)


async def check(day: IbDay) -> State[Any]:
    return await check_books(day.desk.account_block, day.desk.storage, return_state=True)


async def end_the_day(day: IbDay) -> State[Any]:
    day.it_is(EVENING)
    await day.desk.ingest(WEDNESDAY, history_sessions=10)
    return await day.desk.reconcile(None)


async def test_a_session_in_which_nothing_is_wrong_has_no_break_at_noon_and_is_closed_in_the_evening(day: IbDay):
    await day.desk.trade(None)
    day.it_is(NOON)

    checked = await check(day)
    closed = await end_the_day(day)

    assert (checked.name, checked.message) == ("Completed", "2022-12-28, 17:00 UTC: 0 breaks")
    assert closed.message.startswith("2022-12-28: 0 breaks, equity ")
    assert day.desk.ledger.clearances.locked(ACCOUNT) == {}
    assert day.desk.alerts() == ()


async def test_an_order_by_hand_is_adopted_told_and_locks_its_symbol_until_it_is_cleared(day: IbDay):
    await day.desk.trade(None)
    day.it_is(NOON)
    day.gateway.place_manual("KO", Decimal(10))
    day.gateway.fill_all()

    checked = await check(day)

    ledger = day.desk.ledger
    (found,) = ledger.clearances.open_breaks(ACCOUNT)
    (alert,) = day.desk.alerts()
    assert (checked.name, checked.message) == ("Breaks", "2022-12-28, 17:00 UTC: 1 breaks")
    assert (found.break_type, found.symbol) == (BreakType.ORDER, "KO")
    assert ledger.facts.books(ACCOUNT, NOON).held() == day.gateway.positions()
    assert "was never made by this desk" in alert.text
    assert list(ledger.clearances.locked(ACCOUNT)) == ["KO"]

    ledger.clearances.clear(ACCOUNT, found.subject, actor="Ada", reason="my own", now=NOON)
    assert ledger.clearances.locked(ACCOUNT) == {}
    assert (await check(day)).message.endswith(": 0 breaks")
    assert (await end_the_day(day)).message.startswith("2022-12-28: 0 breaks")


async def test_the_end_of_the_day_is_what_counts_for_it_and_counts_once(day: IbDay):
    await day.desk.trade(None)
    day.it_is(NOON)
    await check(day)
    at_noon = [r.reconciled_at for r in day.desk.ledger.facts.reconciliations(ACCOUNT) if r.session == WEDNESDAY]

    await end_the_day(day)

    in_the_evening = [r.reconciled_at for r in day.desk.ledger.facts.reconciliations(ACCOUNT) if r.session == WEDNESDAY]
    assert (at_noon, in_the_evening) == ([NOON], [EVENING])


async def test_what_one_answer_lacks_and_the_next_has_is_no_break(day: IbDay):
    await day.desk.trade(None)
    day.it_is(NOON)
    day.gateway.faults.add(Fault(on="position", times=1, do=Action.DROP))  # as of a fill just before it was told

    checked = await check(day)

    assert checked.message.endswith(": 0 breaks")
    assert day.desk.alerts() == ()


async def test_what_is_still_missing_when_looked_at_again_is_a_break_and_locks_its_symbol(day: IbDay):
    await day.desk.trade(None)
    day.it_is(NOON)
    next(iter(day.gateway.accounts[ACCOUNT].positions.values())).quantity += 1

    checked = await check(day)

    (found,) = day.desk.ledger.clearances.open_breaks(ACCOUNT)
    assert checked.name == "Breaks"
    assert found.break_type is BreakType.POSITION
    assert list(day.desk.ledger.clearances.locked(ACCOUNT)) == [found.subject]


@pytest.mark.parametrize("at", [NINE_AM, EVENING, NOON - timedelta(days=2)])  # the last: Christmas was moved to it
async def test_while_the_exchange_is_closed_nothing_is_compared(at: Any, day: IbDay):
    day.it_is(at)
    before = len(day.gateway.wire_log)

    checked = await check(day)

    assert checked.name == "Skipped"
    assert "XNYS is closed" in checked.message
    assert len(day.gateway.wire_log) == before
