"""Who is who: which order is meant by which id, and which client it belongs to."""

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.ib.ib_settings import ContractTerms, Role
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.adapters.ib.ib_desk import LONG_AGO, Desk, a_cancel, a_market_order, an_order, kinds
from trading.errors import BrokerUnavailable, OutcomeUnknown
from trading.orders.executions import ExecType
from trading.orders.orders import OrdStatus, Side


def forget_reports(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ib_report")


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


async def test_an_order_of_before_a_restart_can_be_canceled_since_the_trader_keeps_its_client_id(desk: Desk):
    """Only the client that placed it may: https://interactivebrokers.github.io/tws-api/open_orders.html"""
    await desk.broker().submit(an_order())
    await desk.as_after_a_restart()

    reports = await desk.broker().cancel(a_cancel())

    assert reports[-1].ord_status is OrdStatus.CANCELED
    assert {m.client_id for m in desk.gateway.wire_log if m.name in ("placeOrder", "cancelOrder")} == {10}


async def test_order_ids_are_counted_from_what_ib_says_and_never_taken_from_a_clock(tmp_path: Path):
    """Ids beyond 32 bits are refused: https://github.com/erdewit/ib_insync/issues/644

    One taken from a clock spoils all later ones: https://github.com/IbcAlpha/IBC/issues/214
    """
    async with Desk(tmp_path, first_order_id=500) as desk:
        for name in ("a", "b"):
            await desk.broker().submit(an_order(name))
            await desk.as_after_a_restart()

        first, second = (order.order_id for order in desk.gateway.accepted)

    assert 500 <= first < second < 600


async def test_ibs_permanent_number_is_the_brokers_order_id_and_outlives_restarts(desk: Desk):
    """https://interactivebrokers.github.io/tws-api/open_orders.html"""
    [before] = await desk.broker().submit(an_order())
    await desk.as_after_a_restart()
    await desk.gateway.restart(roll_back_ids=True)

    after = await desk.broker().find("o-1")

    assert before.order_id == str(desk.gateway.order("o-1").perm_id)
    assert {r.order_id for r in after} == {before.order_id}


@pytest.mark.parametrize("end", ["open", "filled", "canceled"])
async def test_our_reference_is_found_on_what_is_open_done_and_executed(desk: Desk, end: str):
    """orderRef is kept for the order's life: https://stoqey.github.io/ib-doc/interfaces/Execution.html"""
    await desk.broker().submit(an_order())
    await desk.as_after_a_restart()
    forget_reports(desk)
    if end != "open":
        (desk.gateway.fill if end == "filled" else desk.gateway.cancel)("o-1")

    reports = await desk.broker().find("o-1")

    last = {"open": ExecType.NEW, "filled": ExecType.TRADE, "canceled": ExecType.CANCELED}[end]
    assert reports[-1].exec_type is last
    assert kinds(await desk.broker().submit(an_order())) == kinds(reports)
    assert desk.placed() == 1


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


async def test_an_instrument_that_the_settings_name_keeps_its_name_in_positions(desk: Desk):
    """IB tells positions under its own symbol, with a blank in class shares (TWS API, "Contracts")."""
    broker = desk.broker(contracts={"APPLE": ContractTerms(symbol="AAPL")})
    await broker.submit(a_market_order(symbol="APPLE"))
    desk.gateway.fill_all()
    await desk.as_after_a_restart()

    again = desk.broker(contracts={"APPLE": ContractTerms(symbol="AAPL")})

    assert [p.symbol for p in (await again.statement()).positions] == ["APPLE"]
    assert {r.symbol for r in await again.find("o-1")} == {"APPLE"}
