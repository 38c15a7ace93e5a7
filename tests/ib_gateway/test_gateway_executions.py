"""Executions, their corrections and commissions; accounts, orders by hand and by force."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gateway_client import a_stock, statuses, until

from ib_gateway.contracts import Contract
from ib_gateway.executions import commission_of
from ib_gateway.fills import NoSuchExecution
from ib_gateway.gateway_settings import GatewayAccount


async def a_fill(ib, lib, qty=10, action="BUY", ref="t-1"):
    trade = ib.placeOrder(a_stock(lib), lib.MarketOrder(action, qty, tif="DAY", orderRef=ref))
    await until(lambda: trade.fills and trade.fills[-1].commissionReport.execId)
    return trade


@pytest.mark.parametrize(
    ("shares", "already", "paid"),
    [("100", "0", "1.00"), ("50", "0.25", "0"), ("200", "0", "1.00"), ("200", "1.00", "1.00"), ("300", "0.50", "1.00")],
)
def test_an_order_pays_its_minimum_commission_once(shares, already, paid):
    """At 0.005 a share and 1.00 at least; the last row: 100 and 300 shares cost 2.00, of which 1.00 was paid."""
    cost = commission_of(Decimal(shares), Decimal("0.005"), Decimal("1.00"), Decimal(already))

    assert cost == Decimal(paid)


async def test_a_correction_keeps_the_execution_and_raises_its_last_number(lib, open_gateway, connect):
    """Only the digits after the last dot change: https://stoqey.github.io/ib-doc/interfaces/Execution.html"""
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await a_fill(ib, lib)
    first = trade.fills[0].execution.execId
    assert first.startswith("0000e0d5.")
    assert first.endswith(".01.01")

    gateway.correct(first, shares=Decimal(9), price=Decimal("200.02"))
    await until(lambda: len(trade.fills) == 2)

    second = trade.fills[1].execution
    assert second.execId == first.removesuffix("01") + "02"
    assert (second.shares, second.price) == (9.0, 200.02)
    assert trade.filled() == 19.0  # what a client library makes of it
    assert gateway.positions() == {"AAPL": Decimal(9)}
    assert gateway.cash() == {"USD": Decimal(1_000_000) - 9 * Decimal("200.02") - 1}


async def test_a_bust_takes_the_position_and_the_commission_back(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await a_fill(ib, lib)

    gateway.bust(trade.fills[0].execution.execId)

    assert gateway.positions() == {}
    assert gateway.cash() == {"USD": Decimal(1_000_000)}


async def test_a_commission_may_come_before_its_execution(lib, open_gateway, connect):
    """Either order is possible: https://github.com/wboayue/rust-ibapi/issues/788"""
    gateway = await open_gateway(commission_first=True)
    ib = await connect(gateway)
    trade = ib.placeOrder(a_stock(lib), lib.MarketOrder("BUY", 10, tif="DAY"))
    await until(lambda: trade.orderStatus.status == "Filled")

    sent = [message.name for message in gateway.wire_log if message.way == "out"]
    assert sent.index("commissionReport") < sent.index("execDetails")
    assert trade.fills[0].commissionReport.commission == 0.0  # the library dropped it
    await ib.reqExecutionsAsync()
    assert ib.fills()[0].commissionReport.commission == 1.0


async def test_executions_are_filtered_by_symbol_side_time_and_client(lib, open_gateway, connect):
    gateway = await open_gateway()
    gateway.market.set_price("MSFT", Decimal(400))
    ib, other = await connect(gateway, 1), await connect(gateway, 2)
    await a_fill(ib, lib, 10, "BUY", "in")
    await a_fill(ib, lib, 10, "SELL", "out")
    trade = other.placeOrder(lib.Stock("MSFT", "SMART", "USD"), lib.MarketOrder("BUY", 1, tif="DAY", orderRef="two"))
    await until(lambda: trade.fills)

    async def refs(**wanted):
        reader = await connect(gateway, 9)
        found = await reader.reqExecutionsAsync(lib.ExecutionFilter(**wanted))
        reader.disconnect()
        await until(lambda: gateway.client(9) is None)
        return [fill.execution.orderRef for fill in found]

    assert await refs() == ["in", "out", "two"]
    assert await refs(symbol="MSFT") == ["two"]
    assert await refs(side="SELL") == ["out"]
    assert await refs(clientId=2) == ["two"]
    assert await refs(time="20261116-16:00:00") == []


async def test_commissions_of_other_clients_may_be_for_the_master_only(lib, open_gateway, connect):
    gateway = await open_gateway(commissions_to_all=False, master_client_id=7)
    await a_fill(await connect(gateway, 1), lib)

    reader, master = await connect(gateway, 2), await connect(gateway, 7)

    assert [f.commissionReport.commission for f in reader.fills()] == [0.0]
    assert [f.commissionReport.commission for f in master.fills()] == [1.0]


async def test_the_master_client_sees_every_clients_orders_as_they_happen(lib, open_gateway, connect):
    gateway = await open_gateway(master_client_id=7)
    ib, master = await connect(gateway, 1), await connect(gateway, 7)
    seen = []
    master.execDetailsEvent += lambda trade, fill: seen.append(fill.execution.orderRef)

    await a_fill(ib, lib)

    await until(lambda: seen == ["t-1"])


async def test_a_round_trip_realizes_its_profit_less_commissions(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    await a_fill(ib, lib, 100, "BUY")  # at 200.01 and 1.00
    gateway.set_price("AAPL", Decimal(210))
    trade = await a_fill(ib, lib, 100, "SELL", "t-2")  # at 209.99 and 1.00

    assert trade.fills[0].commissionReport.realizedPNL == pytest.approx(100 * (209.99 - 200.01) - 2)
    assert gateway.cash() == {"USD": Decimal("1000000") + 100 * Decimal("9.98") - 2}


async def test_the_portfolio_and_profit_follow_the_market(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    await a_fill(ib, lib, 100)
    gateway.set_price("AAPL", Decimal(210))

    pnl = ib.reqPnL("DU1234567")
    await until(lambda: pnl.unrealizedPnL == pytest.approx(100 * 210 - 100 * 200.01 - 1))
    again = await connect(gateway, 2)

    [item] = again.portfolio()
    assert (item.position, item.marketPrice, item.marketValue) == (100.0, 210.0, 21_000.0)
    assert item.averageCost == pytest.approx(200.02)  # commission counted in


async def test_account_values_are_told_for_each_account_and_in_a_summary(lib, open_gateway, connect):
    accounts = (GatewayAccount(name="DU1", cash=Decimal(100)), GatewayAccount(name="DU2", cash=Decimal(200)))
    gateway = await open_gateway(accounts=accounts)
    ib = await connect(gateway)

    summary = await ib.accountSummaryAsync()

    values = {(v.account, v.tag): v.value for v in ib.accountValues()}
    assert ib.managedAccounts() == ["DU1", "DU2"]
    assert (values["DU1", "NetLiquidation"], values["DU2", "NetLiquidation"]) == ("100.00", "200.00")
    assert {(v.account, v.value) for v in summary if v.tag == "TotalCashValue"} == {
        ("DU1", "100.00"),
        ("DU2", "200.00"),
    }


async def test_values_of_an_account_are_told_with_or_without_margin(lib, open_gateway, connect):
    """`ledgerAndNLV` leaves the currencies only: https://interactivebrokers.github.io/tws-api/classIBApi_1_1EClient.html"""
    gateway = await open_gateway()
    ib = await connect(gateway)

    told = []
    for ledger_only in (True, False):
        number = str(ib.client.getReqId())
        ib.client.reqAccountUpdatesMulti(int(number), "DU1234567", "", ledger_only)
        await until(
            lambda of=number: any(m.name == "accountUpdateMultiEnd" and of in m.fields for m in gateway.wire_log)
        )
        told.append(
            {key for m in gateway.wire_log if m.name == "accountUpdateMulti" and number in m.fields for key in m.fields}
        )

    assert "InitMarginReq" not in told[0]
    assert "CashBalance" in told[0]
    assert {"InitMarginReq", "CashBalance"} <= told[1]


async def test_newer_gateways_prefix_the_values_per_currency(lib, open_gateway, connect):
    gateway = await open_gateway(ledger_prefix=True)
    ib = await connect(gateway)

    assert "$LEDGER-CashBalance" in {v.tag for v in ib.accountValues()}


async def test_an_order_by_hand_is_seen_by_all_and_bound_by_client_zero(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    zero, other = await connect(gateway, 0), await connect(gateway, 5)
    seen = []
    zero.openOrderEvent += lambda trade: seen.append(trade.order.orderRef)

    gateway.place_manual("AAPL", Decimal(-5), price=Decimal(250), order_ref="by hand")
    await until(lambda: seen)
    [trade] = await other.reqAllOpenOrdersAsync()

    assert set(seen) == {"by hand"}
    assert (trade.order.action, trade.order.orderId, trade.order.clientId) == ("SELL", -1, 0)
    assert [t.order.orderRef for t in await zero.reqOpenOrdersAsync()] == ["by hand"]
    assert await (await connect(gateway, 6)).reqOpenOrdersAsync() == []


async def test_a_liquidation_closes_the_position_and_says_so(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    await a_fill(ib, lib, 10, "BUY")

    gateway.liquidate("AAPL")
    reader = await connect(gateway, 2)

    assert gateway.positions() == {}
    assert [f.execution.liquidation for f in reader.fills()] == [0, 1]
    assert statuses(gateway) == {"t-1": "Filled", "": "Filled"}


async def test_after_midnight_yesterdays_executions_and_orders_are_not_told(lib, open_gateway, connect, clock):
    """Only those since midnight, and a Gateway cannot be set to more: https://github.com/erdewit/ib_insync/issues/483"""
    gateway = await open_gateway()
    await a_fill(await connect(gateway), lib)
    clock.time = datetime(2026, 11, 17, 4, 59, tzinfo=UTC)  # 23:59 in New York
    before = await connect(gateway, 2)
    clock.time = datetime(2026, 11, 17, 5, 0, tzinfo=UTC)
    after = await connect(gateway, 3)

    assert (len(before.fills()), len(after.fills())) == (1, 0)
    assert await after.reqCompletedOrdersAsync(False) == []
    assert [p.position for p in after.positions()] == [10.0]


def the_contract(gateway, **query):
    return gateway.market.find(Contract(**query), on=gateway.now().date())[0]


async def traded(ib, lib, gateway, con_id, qty):
    [contract] = await ib.qualifyContractsAsync(lib.Contract(conId=con_id))
    trade = ib.placeOrder(contract, lib.MarketOrder("BUY", qty, tif="DAY", orderRef="t-1"))
    await until(lambda: trade.fills and trade.fills[-1].commissionReport.execId)
    return Decimal(str(trade.fills[0].execution.price))


async def test_an_option_costs_a_hundred_times_its_price(lib, open_gateway, connect):
    gateway = await open_gateway()
    option = the_contract(gateway, symbol="AAPL", sec_type="OPT", right="C")

    px = await traded(await connect(gateway), lib, gateway, option.con_id, 2)

    assert gateway.cash() == {"USD": Decimal(1_000_000) - 200 * px - 1}
    assert gateway.positions() == {option.local_symbol: Decimal(2)}


async def test_a_future_costs_nothing_but_its_margin(lib, open_gateway, connect):
    gateway = await open_gateway()
    future = the_contract(gateway, symbol="ES", sec_type="FUT")

    await traded(await connect(gateway), lib, gateway, future.con_id, 1)

    assert gateway.cash() == {"USD": Decimal(999_999)}
    assert gateway.positions() == {future.local_symbol: Decimal(1)}


async def test_a_currency_trade_moves_both_currencies(lib, open_gateway, connect):
    gateway = await open_gateway()
    gateway.market.set_price("EUR.USD", Decimal("1.1"))
    pair = the_contract(gateway, symbol="EUR", sec_type="CASH", currency="USD")

    px = await traded(await connect(gateway), lib, gateway, pair.con_id, 20_000)

    assert px == Decimal("1.10005")  # half a pip above
    assert gateway.cash()["EUR"] == 20_000
    assert gateway.cash()["USD"] == Decimal(1_000_000) - 20_000 * px - 100  # 20,000 x 0.005


async def test_only_the_newest_version_of_an_execution_can_be_corrected(lib, open_gateway, connect):
    gateway = await open_gateway()
    trade = await a_fill(await connect(gateway), lib)
    exec_id = trade.fills[0].execution.execId
    gateway.correct(exec_id, shares=Decimal(9))

    with pytest.raises(NoSuchExecution, match=r"0000e0d5"):
        gateway.correct(exec_id, shares=Decimal(8))
