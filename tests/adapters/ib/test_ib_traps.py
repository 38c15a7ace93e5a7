"""The traps of Interactive Brokers and its client libraries, one test each; most have cost somebody money."""

import asyncio
import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.ib.error_codes import ERROR_CODES, ErrorClass, classify
from adapters.ib.ib_settings import ContractTerms, Role
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.adapters.ib.ib_desk import LIBRARY, LONG_AGO, Desk, a_cancel, a_market_order, a_replace, an_order, until
from trading.broker import CashMovementType
from trading.errors import BrokerUnavailable, OutcomeUnknown
from trading.orders.executions import ExecType, ExecutionReport, effective_trades, fold_order
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side, TimeInForce

# Codes for which one library or the other calls a live order dead or invalid.
FALSE_ENDS = (100, 103, 104, 161, 163, 200, 201, 202, 382, 387, 10147, 10148, 10311, 10318, 10349)
FALSE_ENDS += (105, 110, 321, 329, 399, 404, 434, 2102, 2109, 2161)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path) as desk:
        yield desk


def folded(order: NewOrderSingle, reports: tuple[ExecutionReport, ...]) -> Order:
    return fold_order(order, (), [r for r in reports if r.cl_ord_id == order.cl_ord_id])


def say(desk: Desk, code: int, text: str = "as the libraries take it", cl_ord_id: str = "o-1") -> None:
    desk.gateway.teller.owner(desk.gateway.order(cl_ord_id), code, text)


# -- false ends


@pytest.mark.parametrize("code", FALSE_ENDS)
async def test_an_error_message_alone_never_ends_a_live_order(desk: Desk, code: int):
    """15 orders "canceled" by 10349 were all filled. Also ib_async #191 and #217.

    https://github.com/pst-group/pysystemtrade/issues/1580
    """
    broker = desk.broker()
    await broker.submit(an_order())

    say(desk, code)
    still_open = folded(an_order(), await broker.reports_since(LONG_AGO))
    desk.gateway.fill("o-1")
    filled = folded(an_order(), await broker.reports_since(LONG_AGO))

    assert still_open.ord_status is OrdStatus.NEW
    assert filled.ord_status is OrdStatus.FILLED
    assert filled.contradictions == ()


async def test_an_order_called_dead_can_still_be_changed(desk: Desk):
    """The libraries raise AssertionError after the change was sent.

    https://github.com/erdewit/ib_insync/issues/502
    """
    broker = desk.broker()
    await broker.submit(an_order())
    say(desk, 10349, "Order TIF was set to DAY based on order preset.")

    reports = await broker.replace(a_replace(price=Decimal(151)))

    assert reports[-1].price == 151


async def test_a_refused_change_leaves_the_order_working_as_it_was(desk: Desk):
    """A failed modification is told as a canceled order.

    https://github.com/erdewit/ib_insync/issues/502
    """
    broker = desk.broker()
    await broker.submit(an_order())
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.REJECT, code=201, text="no margin", times=1))

    reports = await broker.replace(a_replace(qty=100_000, price=Decimal(151)))

    assert [r.exec_type for r in reports] == [ExecType.NEW]
    assert (await broker.statement()).working == ("o-1",)


async def test_a_time_in_force_is_always_said_so_that_no_preset_fills_it_in(desk: Desk):
    """10349 comes when TWS fills it in.

    https://github.com/ib-api-reloaded/ib_async/issues/191
    """
    for kind in TimeInForce:
        if kind is not TimeInForce.GTD:
            await desk.broker().submit(an_order(f"o-{kind}", qty=1 + len(kind.name), time_in_force=kind))

    assert all(order.fields.get("tif") for order in desk.gateway.accepted)


async def test_a_price_off_the_grid_is_rejected_and_does_not_hang(tmp_path: Path):
    """ib_insync leaves such an order PendingSubmit for ever, since 110 is a warning to it (wrapper.py, `error`).

    https://interactivebrokers.github.io/tws-api/minimum_increment.html
    """
    fault = Fault(on="placeOrder", do=Action.REJECT, code=110, text="The price does not conform")
    async with Desk(tmp_path, Scenario(faults=(fault,))) as desk:
        [report] = await desk.broker().submit(an_order())

    assert (report.ord_status, report.text) == (OrdStatus.REJECTED, "110: The price does not conform")


async def test_a_warning_that_an_order_waits_for_the_open_is_not_its_end(tmp_path: Path):
    """399 "will not be placed at the exchange until": ib_async sets ValidationError.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    async with Desk(tmp_path, session="regular_hours") as desk:
        desk.clock.at = desk.clock.at.replace(hour=5)
        broker = desk.broker()

        reports = await broker.submit(an_order())

        assert 399 in [int(m.fields[2]) for m in desk.gateway.wire_log if m.name == "error" and m.way == "out"]
        assert [r.exec_type for r in reports] == [ExecType.NEW]


async def test_short_shares_that_are_being_located_hold_the_order_and_do_not_end_it(desk: Desk):
    """404 is text for the order's life, and the order trades once shares are found.

    https://github.com/QuantConnect/Lean/pull/1026
    """
    broker = desk.broker()
    await broker.submit(an_order(side=Side.SELL, price=Decimal(250)))

    say(desk, 404, "Order held while securities are located.")
    desk.gateway.fill("o-1")

    assert (await broker.reports_since(LONG_AGO))[-1].ord_status is OrdStatus.FILLED


async def test_a_code_that_nobody_knows_proves_nothing(tmp_path: Path):
    """New codes come with every build; the libraries take each for the end of the order.

    https://github.com/ib-api-reloaded/ib_async/issues/217
    """
    fault = Fault(on="placeOrder", do=Action.REJECT, code=19_999, text="something new")
    async with Desk(tmp_path, Scenario(faults=(fault,))) as desk:
        with pytest.raises(OutcomeUnknown, match="19999: something new"):
            await desk.broker().submit(an_order())

        told = desk.broker(error_codes={19_999: ErrorClass.FINAL_REJECT})
        assert await told.find("o-1") == ()


async def test_the_settings_may_say_what_a_new_code_means(tmp_path: Path):
    """New codes come with every build.

    https://github.com/ib-api-reloaded/ib_async/issues/217
    """
    fault = Fault(on="placeOrder", do=Action.REJECT, code=19_999, text="something new")
    async with Desk(tmp_path, Scenario(faults=(fault,))) as desk:
        [report] = await desk.broker(error_codes={19_999: ErrorClass.FINAL_REJECT}).submit(an_order())

    assert report.ord_status is OrdStatus.REJECTED


def test_every_class_has_codes_and_an_unknown_code_is_unknown():
    assert {meaning.error_class for meaning in ERROR_CODES.values()} == set(ErrorClass)
    assert classify(424_242, {}) is ErrorClass.UNKNOWN
    assert classify(201, {201: ErrorClass.WARNING}) is ErrorClass.WARNING


async def test_an_order_that_the_exchange_rejects_after_all_is_rejected_with_the_reason(desk: Desk):
    """Inactive is how IB calls it, which also means held; only the code tells.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    broker = desk.broker()
    await broker.submit(an_order())

    desk.gateway.cancel("o-1", "exchange closed", code=201)
    desk.gateway.say(399, "later")
    reports = await broker.find("o-1")

    assert not folded(an_order(), reports).ord_status.is_open


# -- executions and commissions


async def test_a_commission_that_comes_before_its_execution_is_joined(tmp_path: Path):
    """Both libraries drop it without a word; IB sends either first.

    https://github.com/wboayue/rust-ibapi/issues/788
    """
    async with Desk(tmp_path, commission_first=True) as desk:
        broker = desk.broker()
        await broker.submit(a_market_order(qty=1000))

        desk.gateway.fill_all()

        [trade] = [r for r in await broker.reports_since(LONG_AGO) if r.exec_type is ExecType.TRADE]
        assert trade.commission == 5  # 1,000 shares at 0.005


async def test_a_commission_that_comes_late_corrects_the_execution_and_counts_once(tmp_path: Path):
    """A commission may be missing for seconds.

    https://github.com/wboayue/rust-ibapi/issues/788
    """
    late = Scenario(faults=(Fault(on="commissionReport", do=Action.DELAY, seconds=0.4, times=1),))
    async with Desk(tmp_path, late) as desk:
        broker, order = desk.broker(commission_seconds=0.05), a_market_order(qty=1000)
        await broker.submit(order)
        desk.gateway.fill_all()
        await until(lambda: _written(desk, "o-1") == 2)
        without = folded(order, await broker.reports_since(LONG_AGO))

        await until(lambda: _written(desk, "o-1") == 3)
        reports = await broker.find("o-1")

        assert (without.cum_qty, without.commission) == (1000, 0)
        assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.TRADE, ExecType.TRADE_CORRECT]
        assert reports[-1].exec_id == f"{reports[1].exec_id}.fee"
        assert (folded(order, reports).cum_qty, folded(order, reports).commission) == (1000, 5)


def _written(desk: Desk, cl_ord_id: str) -> int:
    with desk.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT count(*) FROM ib_report WHERE cl_ord_id = '{cl_ord_id}'")
        return int(rows.scalar_one())


async def test_a_corrected_execution_supersedes_the_one_before(desk: Desk):
    """Only the digits after the last dot change, and the libraries count both: 20 shares for 10.

    https://stoqey.github.io/ib-doc/interfaces/Execution.html
    """
    broker, order = desk.broker(), a_market_order(qty=10)
    await broker.submit(order)
    [execution] = desk.gateway.fill("o-1", price=Decimal(200))

    desk.gateway.correct(execution.exec_id, price=Decimal("199.5"))
    reports = await broker.reports_since(LONG_AGO)

    assert [r.exec_id for r in reports][1:] == [execution.exec_id, execution.exec_id[:-2] + "02"]
    assert reports[-1].exec_type is ExecType.TRADE_CORRECT
    assert reports[-1].exec_ref_id == execution.exec_id
    assert [(t.last_qty, t.last_px) for t in effective_trades(reports)] == [(10, Decimal("199.5"))]


async def test_a_busted_execution_counts_no_more(desk: Desk):
    """A correction to 0 shares takes it back (Execution.execId in the TWS API).

    https://stoqey.github.io/ib-doc/interfaces/Execution.html
    """
    broker, order = desk.broker(), a_market_order(qty=10)
    await broker.submit(order)
    [execution] = desk.gateway.fill("o-1")

    desk.gateway.bust(execution.exec_id)
    reports = await broker.reports_since(LONG_AGO)

    assert reports[-1].exec_type is ExecType.TRADE_CANCEL
    assert effective_trades(reports) == ()
    assert (await broker.statement()).positions == ()


async def test_an_execution_that_is_only_known_from_asking_has_its_commission(desk: Desk):
    """What `reqExecutions` returns in the libraries has none for executions seen before.

    https://interactivebrokers.github.io/tws-api/executions_commissions.html
    """
    await desk.broker().submit(a_market_order(qty=1000))
    await desk.as_after_a_restart()
    desk.gateway.fill_all()

    found = await desk.broker().find("o-1")

    assert [r.commission for r in found if r.exec_type is ExecType.TRADE] == [5]


async def test_fills_are_told_in_their_order_even_when_commissions_are_not(tmp_path: Path):
    """Partial fills with the first commission late.

    https://github.com/wboayue/rust-ibapi/issues/788
    """
    held = Fault(on="commissionReport", do=Action.REORDER, until="commissionReport", times=1)
    async with Desk(tmp_path, Scenario(faults=(held,))) as desk:
        broker = desk.broker()
        await broker.submit(a_market_order(qty=300))

        for _ in range(3):
            desk.gateway.fill("o-1", Decimal(100))
        trades = [r for r in await broker.reports_since(LONG_AGO) if r.exec_type is ExecType.TRADE]

        assert [t.cum_qty for t in trades] == [100, 200, 300]


async def test_a_message_that_comes_twice_is_one_fact(tmp_path: Path):
    """Callbacks repeat, and all of them again at each synchronisation.

    https://interactivebrokers.github.io/tws-api/executions_commissions.html
    """
    names = ("openOrder", "orderStatus", "execDetails", "commissionReport")
    twice = Scenario(faults=tuple(Fault(on=name, do=Action.DOUBLE) for name in names))
    async with Desk(tmp_path, twice) as desk:
        broker = desk.broker()
        await broker.submit(a_market_order())
        desk.gateway.fill_all()
        desk.gateway.drop_connections()

        reports = await broker.reports_since(LONG_AGO)

        assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.TRADE]


async def test_a_status_before_its_order_is_kept_for_it(tmp_path: Path):
    """IB does not promise which comes first, openOrder or orderStatus.

    https://interactivebrokers.github.io/tws-api/order_submission.html
    """
    late = Fault(on="openOrder", do=Action.REORDER, until="orderStatus", times=1)
    async with Desk(tmp_path, Scenario(faults=(late,))) as desk:
        reports = await desk.broker().submit(an_order())

        assert [r.exec_type for r in reports] == [ExecType.NEW]


async def test_fills_that_a_status_speaks_of_and_nobody_heard_are_asked_for(tmp_path: Path):
    """Executions may be late in the nightly reset.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    lost = tuple(Fault(on=name, do=Action.DROP, times=1) for name in ("execDetails", "commissionReport"))
    async with Desk(tmp_path, Scenario(faults=lost)) as desk:
        broker = desk.broker(ask_again_seconds=3600)
        await broker.submit(a_market_order())
        desk.gateway.fill_all()

        reports = await broker.reports_since(LONG_AGO)

        assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.TRADE]


async def test_a_filled_order_is_a_completed_one_after_a_restart_and_its_fills_are_known(desk: Desk):
    """Its status then says 0 filled and order id 0; quantity, permId and fills say it.

    https://github.com/erdewit/ib_insync/issues/309
    """
    order = a_market_order()
    await desk.broker().submit(order)
    await desk.as_after_a_restart()
    desk.gateway.fill_all()

    after = folded(order, await desk.broker().find("o-1"))

    assert (after.ord_status, after.cum_qty) == (OrdStatus.FILLED, 100)


async def test_a_market_order_may_skip_every_state_in_between(tmp_path: Path):
    """Some market orders are never told as Submitted.

    https://interactivebrokers.github.io/tws-api/order_submission.html
    """
    async with Desk(tmp_path, fills="auto") as desk:
        broker = desk.broker()
        await broker.submit(a_market_order())

        assert folded(a_market_order(), await broker.reports_since(LONG_AGO)).ord_status is OrdStatus.FILLED


# -- identity


async def test_a_sequence_of_ids_that_was_rolled_back_does_not_change_a_working_order(desk: Desk):
    """The gateway's nightly restart may give order ids anew, and a known id is a change of that order.

    Lean.Brokerages.InteractiveBrokers #242.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/242
    """
    broker = desk.broker()
    await broker.submit(an_order("a", price=Decimal(150)))
    await broker.submit(an_order("b", price=Decimal(151)))
    await desk.gateway.restart(roll_back_ids=True)

    await broker.submit(an_order("c", price=Decimal(152)))

    prices = {order.order_ref: order.fields.get("lmtPrice") for order in desk.gateway.accepted}
    assert prices == {"a": "150.0", "b": "151.0", "c": "152.0"}


async def test_a_duplicate_order_id_is_not_taken_for_a_rejection(desk: Desk):
    """103 may speak of this very order, sent twice by the wire; so it is looked for first.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/242
    """
    broker = desk.broker()
    await broker.connect()
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.REJECT, code=103, text="Duplicate order id", times=1))
    with pytest.raises(OutcomeUnknown, match="103"):
        await broker.submit(an_order())

    assert await broker.find("o-1") == ()
    assert (await broker.submit(an_order()))[0].exec_type is ExecType.NEW
    assert desk.placed() == 1


async def test_a_placed_order_that_the_wire_doubles_is_one_order(tmp_path: Path):
    """The second has an id that is known.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/242
    """
    async with Desk(tmp_path, Scenario(faults=(Fault(on="placeOrder", do=Action.DOUBLE),))) as desk:
        reports = await desk.broker().submit(an_order())

        assert [r.exec_type for r in reports] == [ExecType.NEW]
        assert desk.placed() == 1


async def test_ib_does_not_refuse_a_reference_twice_so_we_look_before_we_send(desk: Desk):
    """orderRef is free text to IB (stoqey's documentation of Execution.orderRef).

    https://stoqey.github.io/ib-doc/interfaces/Execution.html
    """
    await desk.broker().submit(an_order())
    await desk.as_after_a_restart()
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ib_report")

    again = await desk.broker().submit(an_order())

    assert [r.exec_type for r in again] == [ExecType.NEW]
    assert desk.placed() == 1


async def test_two_orders_at_ib_for_one_intent_are_both_canceled(desk: Desk):
    """A change in an outage may leave two working permIds of one reference.

    https://github.com/nautechsystems/nautilus_trader/issues/4564
    """
    broker = desk.broker()
    await broker.submit(an_order())
    twin = desk.gateway.place_manual("AAPL", Decimal(100), price=Decimal(150), order_ref="o-1")
    twin.client_id, twin.order_id = 10, 99
    desk.gateway.exchange._by_client[10, 99] = twin.perm_id
    await broker.find("o-1")

    await broker.cancel(a_cancel())

    assert all(order.is_done for order in desk.gateway.accepted)


async def test_canceling_the_order_of_another_client_is_refused_and_not_left_pending(desk: Desk):
    """IB answers 10147, and the libraries wait in PendingCancel for ever.

    https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/pull/248
    """
    manual = desk.gateway.place_manual("AAPL", Decimal(5), price=Decimal(150))
    broker = desk.broker()
    await broker.connect()

    with pytest.raises(BrokerUnavailable, match="placed by client 0, and only that one can change it"):
        await broker.cancel(a_cancel(f"ib-{manual.perm_id}"))


async def test_positions_closed_while_we_were_away_are_gone(desk: Desk):
    """ib_insync keeps its cache over a reconnect and reports them still (wrapper.py, `reset`).

    https://interactivebrokers.github.io/tws-api/open_orders.html
    """
    broker = desk.broker()
    await broker.submit(a_market_order())
    desk.gateway.fill_all()
    held = (await broker.statement()).positions
    desk.gateway.drop_connections()

    desk.gateway.liquidate("AAPL")

    assert [p.qty for p in held] == [100]
    assert (await broker.statement()).positions == ()


async def test_a_liquidation_by_the_broker_is_told_as_an_order_of_its_own(desk: Desk):
    """Such executions carry no reference and a liquidation flag.

    https://stoqey.github.io/ib-doc/interfaces/Execution.html
    """
    broker = desk.broker()
    await broker.submit(a_market_order())
    desk.gateway.fill_all()

    forced = desk.gateway.liquidate("AAPL")
    reports = await broker.find(f"ib-{forced.perm_id}")

    assert [(r.side, r.last_qty) for r in reports if r.exec_type is ExecType.TRADE] == [(Side.SELL, 100)]


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


async def test_a_reader_sees_the_traders_orders_without_its_client_id(desk: Desk):
    """Orders of other clients are told only when asked for.

    https://interactivebrokers.github.io/tws-api/open_orders.html
    """
    await desk.broker().submit(a_market_order())
    reader = desk.broker(Role.READER)
    before = await reader.reports_since(LONG_AGO)
    desk.gateway.fill_all()

    after = await reader.reports_since(LONG_AGO)

    assert [r.exec_type for r in before] == [ExecType.NEW]
    assert [r.exec_type for r in after] == [ExecType.NEW, ExecType.TRADE]


async def test_a_stopper_cancels_everything_while_the_trader_hangs(desk: Desk):
    """Only the client that placed an order may cancel it, but anyone may cancel all.

    https://interactivebrokers.github.io/tws-api/open_orders.html
    """
    await desk.broker().submit(an_order())

    await desk.broker(Role.STOPPER).cancel_all()

    assert all(order.is_done for order in desk.gateway.accepted)


async def test_a_rejected_order_stays_rejected_after_a_restart(desk: Desk):
    """IB forgets an order that it never took; nobody would know of it but us.

    https://interactivebrokers.github.io/tws-api/open_orders.html
    """
    desk.gateway.faults.add(Fault(on="placeOrder", do=Action.REJECT, code=201, text="no margin", times=1))
    rejected = await desk.broker().submit(an_order())
    await desk.as_after_a_restart()

    assert await desk.broker().find("o-1") == rejected
    assert await desk.broker().submit(an_order()) == rejected
    assert desk.placed() == 0


async def test_a_bracket_cut_off_in_the_middle_is_held_and_completed_when_sent_again(desk: Desk):
    """An order that was not transmitted survives a crash as a held one (ib_insync, `bracketOrder`).

    https://github.com/erdewit/ib_insync/issues/346
    """
    from tests.adapters.ib.test_ib_order_types import a_bracket

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


async def test_a_stop_that_is_not_yet_triggered_works(desk: Desk):
    """PreSubmitted is what IB calls a stop that it simulates; it may fill at any time.

    https://interactivebrokers.github.io/tws-api/order_submission.html
    """
    reports = await desk.broker().submit(
        an_order(side=Side.SELL, ord_type=OrdType.STOP, stop_px=Decimal(150), price=None)
    )

    assert [r.ord_status for r in reports] == [OrdStatus.NEW]


async def test_an_instrument_that_the_settings_name_keeps_its_name_in_positions(desk: Desk):
    """IB tells positions under its own symbol, with a blank in class shares (TWS API, "Contracts")."""
    broker = desk.broker(contracts={"APPLE": ContractTerms(symbol="AAPL")})
    await broker.submit(a_market_order(symbol="APPLE"))
    desk.gateway.fill_all()
    await desk.as_after_a_restart()

    again = desk.broker(contracts={"APPLE": ContractTerms(symbol="AAPL")})

    assert [p.symbol for p in (await again.statement()).positions] == ["APPLE"]
    assert {r.symbol for r in await again.find("o-1")} == {"APPLE"}
