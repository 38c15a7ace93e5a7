"""A trading day at Interactive Brokers: over the wire, from the decision to the reconciliation."""

from decimal import Decimal

from blocks.bar_source import BarSource
from flows.ingest_bars import ingest_bars
from tests.flows.desks import TUESDAY, WEDNESDAY, cents
from tests.flows.ib_days import ACCOUNT, EVENING, IbDay
from trading.breaks import BreakType
from trading.orders.orders import OrdStatus
from trading.orders.protection import Distance, DistanceUnit, ProtectionRules


async def test_a_day_over_the_wire_ends_without_a_break(day: IbDay):
    traded = await day.desk.trade(None)

    orders = day.desk.orders()
    assert traded.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"
    assert {o.ord_status for o in orders.values()} == {OrdStatus.FILLED}
    assert day.at_broker() == {symbol: o.cum_qty for symbol, o in orders.items()}
    placed = [m for m in day.gateway.wire_log if m.way == "in" and m.name == "placeOrder"]
    assert len(placed) == 20  # no limit is on margin, so the broker is asked for none

    day.it_is(EVENING)
    await day.desk.ingest(WEDNESDAY, history_sessions=10)
    reconciled = await day.desk.reconcile(None)
    assert reconciled.name == "Completed", reconciled.message
    assert reconciled.message.startswith("2022-12-28: 0 breaks, equity ")
    books = day.desk.ledger.facts.books(ACCOUNT, EVENING)
    assert books.held() == day.gateway.positions()
    assert cents(books.cash) == cents(day.gateway.cash()["USD"])


async def test_a_second_run_sends_nothing(day: IbDay):
    await day.desk.trade(None)

    again = await day.desk.trade(None)

    assert again.message.startswith("2022-12-28: 0 orders sent, 20 of 20 filled")
    assert len(day.gateway.accepted) == 20


async def test_a_run_without_a_gateway_fails_and_says_what_to_check_and_the_next_one_trades(day: IbDay):
    await day.gateway.stop()

    failed = await day.desk.trade(None)
    await day.gateway.start()
    traded = await day.desk.trade(None)

    assert failed.is_failed()
    assert f"127.0.0.1:{day.gateway.port}" in failed.message
    assert traded.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"


async def test_an_order_that_somebody_placed_by_hand_is_adopted_and_told_and_locks_its_symbol_only(day: IbDay):
    await day.desk.trade(None)
    day.gateway.place_manual("KO", Decimal(10))
    day.gateway.fill_all()
    day.it_is(EVENING)
    await day.desk.ingest(WEDNESDAY, history_sessions=10)

    reconciled = await day.desk.reconcile(None)

    (found,) = day.desk.ledger.clearances.open_breaks(ACCOUNT)
    assert reconciled.name == "Breaks"
    assert found.break_type is BreakType.ORDER
    assert "was never made by this desk" in found.text
    assert list(day.desk.ledger.clearances.locked(ACCOUNT)) == ["KO"]
    assert day.desk.ledger.facts.books(ACCOUNT, EVENING).held() == day.gateway.positions()
    day.desk.ledger.clearances.clear(ACCOUNT, found.subject, actor="Ada", reason="my own", now=EVENING)
    assert (await day.desk.reconcile(None)).message.startswith("2022-12-28: 0 breaks")


async def test_a_liquidation_by_the_broker_is_booked_and_told(day: IbDay):
    await day.desk.trade(None)
    day.gateway.liquidate("KO")
    day.it_is(EVENING)
    await day.desk.ingest(WEDNESDAY, history_sessions=10)

    await day.desk.reconcile(None)

    (found,) = day.desk.ledger.clearances.open_breaks(ACCOUNT)
    assert found.break_type is BreakType.ORDER
    assert "KO" not in day.desk.ledger.facts.books(ACCOUNT, EVENING).held()
    assert day.desk.ledger.facts.books(ACCOUNT, EVENING).held() == day.gateway.positions()


async def test_bars_come_from_the_gateway_too(day: IbDay):
    name = f"{day.desk.source}-ib"
    symbols = ["AAPL", "KO"]
    await BarSource(name="ib", provider="interactive_brokers", symbols=symbols, ib={"port": day.gateway.port}).asave(
        name
    )

    state = await ingest_bars(TUESDAY, source=name, storage=day.desk.storage, history_sessions=5, return_state=True)

    assert state.message == "ib 2022-12-27: trade, 0 quarantined, 10 bars added, 0 changed"


async def test_each_position_has_its_stop_and_its_profit_as_one_group_at_the_broker(day: IbDay):
    rules = ProtectionRules(
        stop_loss=Distance(unit=DistanceUnit.PERCENT, value=Decimal(8)),
        take_profit=Distance(unit=DistanceUnit.PERCENT, value=Decimal(20)),
    )

    await day.desk.trade(None, protection=rules)
    again = await day.desk.trade(None, protection=rules)

    pair = [o.fields for o in day.gateway.accepted if o.symbol == "KO"][1:]
    assert again.message.startswith("2022-12-28: 0 orders sent, 20 of 20 filled")
    assert len(day.gateway.accepted) == 20 + 2 * 20
    assert [(f.get("action"), f.get("orderType"), f.get("tif"), f.get("ocaType")) for f in pair] == [
        ("SELL", "STP", "GTC", "1"),
        ("SELL", "LMT", "GTC", "1"),
    ]
    assert pair[0].get("ocaGroup") == pair[1].get("ocaGroup") != ""
