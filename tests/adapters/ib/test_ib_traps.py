"""More traps of Interactive Brokers and its client libraries, one test each; most have cost somebody money."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.ib.ib_settings import ContractTerms
from ib_gateway.scenarios import Action, Fault
from tests.adapters.ib.ib_desk import LIBRARY, Desk, a_bracket, a_market_order, an_order, until
from trading.broker import CashMovementType
from trading.errors import OutcomeUnknown
from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus

# -- pacing


async def test_a_message_thrown_away_for_pacing_leaves_the_order_unknown_and_says_so(desk: Desk):
    """Error 100 carries no id: 30 of 80 orders stayed PendingSubmit.

    https://interactivebrokers.github.io/tws-api/order_limitations.html
    """
    broker = desk.broker(answer_seconds=2)
    await broker.connect()
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.DROP, times=1))
    sending = asyncio.create_task(broker.submit(an_order()))
    await until(lambda: desk.heard("placeOrder"))

    desk.gateway.say(100, "Max rate of messages per second has been exceeded")

    with pytest.raises(OutcomeUnknown, match="it said 100: Max rate"):
        await sending


async def test_more_orders_than_ib_takes_in_a_second_are_slowed_down_and_none_is_lost(desk: Desk):
    """50 messages a second, and a strike for each second above.

    https://interactivebrokers.github.io/tws-api/order_limitations.html
    """
    broker = desk.broker(ask_seconds=20, answer_seconds=20)
    orders = [an_order(f"o-{n}", qty=n + 1, symbol=symbol) for symbol in ("AAPL", "MSFT", "KO") for n in range(18)]
    orders = [an_order(f"{o.symbol}-{o.cl_ord_id}", symbol=o.symbol, price=Decimal(20)) for o in orders]

    answers = await asyncio.gather(*(broker.submit(order) for order in orders))

    assert [len(reports) for reports in answers] == [1] * 54
    assert desk.placed() == 54
    assert "100" not in [m.fields[2] for m in desk.gateway.wire_log if m.name == "error"]


async def test_the_twenty_first_working_order_of_a_side_is_rejected_with_ibs_reason(desk: Desk):
    """At most 20 active orders per contract, side and account.

    https://interactivebrokers.github.io/tws-api/order_limitations.html
    """
    broker = desk.broker()
    for n in range(20):
        await broker.submit(an_order(f"o-{n}"))

    [report] = await broker.submit(an_order("o-20"))

    assert report.ord_status is OrdStatus.REJECTED
    assert report.text.startswith("201:")


# -- contracts


async def test_an_unknown_contract_is_told_and_no_empty_list(desk: Desk):
    """The libraries answer a refused question with an empty list unless RaiseRequestErrors is set (ib.py).

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    [report] = await desk.broker().submit(an_order(symbol="NONE"))

    assert report.ord_status is OrdStatus.REJECTED
    assert "200" in report.text
    assert "IB does not know 'NONE': check the spelling" in report.text
    assert desk.heard("placeOrder") == 0


async def test_an_ambiguous_symbol_is_told_with_its_candidates_and_settled_by_the_settings(desk: Desk):
    """Two companies, one symbol.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    [report] = await desk.broker().submit(an_order(symbol="DUAL"))

    assert "'DUAL' is 2 contracts" in report.text
    assert "con_id" in report.text
    await desk.as_after_a_restart()
    named = desk.broker(contracts={"DUAL": ContractTerms(primary_exchange="NYSE")})
    assert (await named.submit(an_order("o-2", symbol="DUAL")))[0].exec_type is ExecType.NEW


# -- the account, and the rest


async def test_ledger_keys_with_the_prefix_of_newer_builds_are_read(tmp_path: Path):
    """API 10.47 puts `$LEDGER-` before the keys of values per currency.

    https://aifinhub.io/articles/interactive-brokers-api-updates-2026/
    """
    async with Desk(tmp_path, ledger_prefix=True) as desk:
        statement = await desk.broker().statement()

    assert statement.cash.amount == 1_000_000


async def test_the_opening_balance_is_booked_once_and_leaves_out_what_was_traded_before(desk: Desk):
    """1,000,000 less 5 shares at 200 less 1.00 commission is 998,999; the deposit is the million."""
    manual = desk.gateway.place_manual("AAPL", Decimal(5))
    desk.gateway.fill(manual.perm_id, price=Decimal(200))

    statement = await desk.broker().statement()
    again = await desk.broker().statement()

    [opening] = statement.cash_movements
    assert statement.cash.amount == 998_999
    assert (opening.movement_type, opening.amount.amount) == (CashMovementType.DEPOSIT, 1_000_000)
    assert again.cash_movements == statement.cash_movements


async def test_account_numbers_do_not_reach_the_log(desk: Desk, caplog: pytest.LogCaptureFixture):
    """Both libraries log accounts and orders in full (wrapper.py, client.py).

    https://github.com/pst-group/pysystemtrade/issues/1570
    """
    caplog.set_level(logging.INFO)
    broker = desk.broker()
    await broker.submit(a_market_order())
    desk.gateway.fill_all()
    await broker.statement()
    logging.getLogger(f"{LIBRARY}.Decoder").error("Error handling fields: ['61', '3', 'DU1234567', 'U7654321']")

    ours = [r.getMessage() for r in caplog.records if r.name.startswith(LIBRARY)]
    assert not any("DU1234567" in line or "U7654321" in line for line in ours)


async def test_a_bracket_cut_off_in_the_middle_is_held_and_completed_when_sent_again(desk: Desk):
    """An order that was not transmitted survives a crash as a held one (ib_insync, `bracketOrder`).

    https://github.com/erdewit/ib_insync/issues/346
    """
    broker = desk.broker(answer_seconds=0.5)
    await broker.connect()
    desk.gateway.faults.add(Fault(on="placeOrder", nth=2, do=Action.KILL_BEFORE, times=1))
    with pytest.raises(OutcomeUnknown):
        await broker.submit_list(a_bracket())

    await broker.find("p")
    await broker.submit_list(a_bracket())

    refs = sorted(order.order_ref for order in desk.gateway.accepted)
    assert refs == ["p", "s", "t"]
    assert not any(order.is_held for order in desk.gateway.accepted)
