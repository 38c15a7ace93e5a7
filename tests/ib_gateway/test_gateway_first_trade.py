"""The shortest real path: an unmodified client connects, trades, goes away, and finds all of it again."""

from decimal import Decimal

from gateway_client import until


async def test_a_market_order_is_acknowledged_filled_and_found_again_after_a_reconnect(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)

    order = lib.MarketOrder("BUY", 10, tif="DAY", orderRef="t-1")
    trade = ib.placeOrder(lib.Stock("AAPL", "SMART", "USD"), order)
    await until(lambda: trade.fills and trade.fills[0].commissionReport.execId)

    assert trade.orderStatus.status == "Filled"
    assert trade.orderStatus.permId == gateway.accepted[0].perm_id
    assert [(f.execution.shares, f.execution.price) for f in trade.fills] == [(10.0, 200.01)]
    assert trade.fills[0].execution.orderRef == "t-1"
    assert trade.fills[0].commissionReport.commission == 1.0  # the minimum: 10 x 0.005 is less
    assert gateway.positions() == {"AAPL": Decimal(10)}
    assert gateway.cash() == {"USD": Decimal("1000000") - Decimal("2000.10") - 1}

    ib.disconnect()
    again = await connect(gateway)
    completed = await again.reqCompletedOrdersAsync(False)

    assert [(t.order.orderRef, t.orderStatus.status, t.order.filledQuantity) for t in completed] == [
        ("t-1", "Filled", 10)
    ]
    assert [f.execution.orderRef for f in again.fills()] == ["t-1"]
    assert [(p.contract.symbol, p.position) for p in again.positions()] == [("AAPL", 10.0)]
    assert {v.tag: v.value for v in again.accountValues()}["TotalCashValue"] == "997998.90"
