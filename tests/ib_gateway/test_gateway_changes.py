"""Changing and canceling orders. AAPL stands at 200.00, bid 199.99, ask 200.01."""

from decimal import Decimal

import pytest
from gateway_client import a_stock, codes_of, errors_of, statuses, until


async def a_resting_order(ib, lib, gateway, qty=10, px=190.0, **terms):
    order = lib.LimitOrder("BUY", qty, px, **{"tif": "DAY", "orderRef": "t-1", **terms})
    trade = ib.placeOrder(a_stock(lib), order)
    await until(lambda: trade.orderStatus.status == "Submitted")
    return trade


async def test_a_changed_order_keeps_its_identity(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)

    trade.order.lmtPrice, trade.order.totalQuantity = 191.0, 12
    ib.placeOrder(trade.contract, trade.order)
    await until(lambda: gateway.order("t-1").number("lmtPrice") == 191)

    assert len(gateway.accepted) == 1
    assert gateway.order("t-1").qty == 12


async def test_an_order_changed_through_the_market_fills(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)

    trade.order.lmtPrice = 201.0
    ib.placeOrder(trade.contract, trade.order)

    await until(lambda: trade.orderStatus.status == "Filled")


async def test_a_change_that_is_not_let_go_changes_nothing(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)

    trade.order.lmtPrice, trade.order.transmit = 191.0, False
    ib.placeOrder(trade.contract, trade.order)
    await ib.reqCurrentTimeAsync()

    assert gateway.order("t-1").number("lmtPrice") == 190
    assert statuses(gateway) == {"t-1": "Submitted"}


async def test_an_order_cut_to_what_has_filled_is_filled(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)
    gateway.fill("t-1", Decimal(4))

    trade.order.totalQuantity = 4
    ib.placeOrder(trade.contract, trade.order)

    await until(lambda: statuses(gateway) == {"t-1": "Filled"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lmtPrice": 190.005}, 110),
        ({"action": "SELL"}, 105),
        ({"orderType": "MKT"}, 329),
        ({"totalQuantity": 3}, 201),
        ({"tif": "SOON"}, 321),
    ],
)
async def test_a_refused_change_leaves_the_order_as_it_was(lib, open_gateway, connect, change, code):
    """A client library calls the order canceled, and it works on: https://github.com/erdewit/ib_insync/issues/502"""
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)
    gateway.fill("t-1", Decimal(4))
    errors = errors_of(ib)

    for name, value in change.items():
        setattr(trade.order, name, value)
    ib.placeOrder(trade.contract, trade.order)
    await until(lambda: errors)

    order = gateway.order("t-1")
    assert errors == [(trade.order.orderId, code)]
    assert (order.side, order.qty, order.number("lmtPrice")) == ("BUY", 10, 190)
    assert statuses(gateway) == {"t-1": "Submitted"}


async def test_a_filled_order_cannot_be_changed(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)
    gateway.fill("t-1")
    codes = codes_of(ib)

    ib.client.placeOrder(trade.order.orderId, trade.contract, trade.order)

    await until(lambda: codes == [104])


async def test_a_cancel_is_confirmed_by_202_and_the_status(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    codes = codes_of(ib)
    trade = await a_resting_order(ib, lib, gateway)

    ib.cancelOrder(trade.order)
    await until(lambda: codes == [202])

    assert statuses(gateway) == {"t-1": "Cancelled"}


async def test_an_order_can_fill_while_its_cancel_waits(lib, open_gateway, connect):
    gateway = await open_gateway(cancels="manual")
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)
    ib.client.cancelOrder(trade.order.orderId)
    await until(lambda: statuses(gateway) == {"t-1": "PendingCancel"})

    gateway.fill("t-1", Decimal(3))
    gateway.confirm_cancels()

    assert statuses(gateway) == {"t-1": "Cancelled"}
    assert gateway.order("t-1").filled == 3


@pytest.mark.parametrize(("order_id", "code"), [(9999, 10147), (None, 10148)])
async def test_what_is_unknown_or_done_cannot_be_canceled(lib, open_gateway, connect, order_id, code):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await a_resting_order(ib, lib, gateway)
    gateway.fill("t-1")
    errors = errors_of(ib)

    ib.client.cancelOrder(order_id or trade.order.orderId)
    await until(lambda: errors)

    assert errors == [(order_id or trade.order.orderId, code)]


async def test_another_clients_order_cannot_be_canceled(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway, 1)
    trade = await a_resting_order(ib, lib, gateway)
    other = await connect(gateway, 2)
    codes = codes_of(other)

    other.client.cancelOrder(trade.order.orderId)
    await until(lambda: codes == [10147])

    assert statuses(gateway) == {"t-1": "Submitted"}


async def test_a_global_cancel_reaches_every_clients_orders_and_those_by_hand(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib, other = await connect(gateway, 1), await connect(gateway, 2)
    await a_resting_order(ib, lib, gateway)
    await a_resting_order(other, lib, gateway, orderRef="t-2")
    gateway.place_manual("AAPL", Decimal(5), price=Decimal(150), order_ref="by hand")

    ib.reqGlobalCancel()
    await until(lambda: set(statuses(gateway).values()) == {"Cancelled"})

    assert set(statuses(gateway)) == {"t-1", "t-2", "by hand"}


async def test_the_exchange_may_reject_an_order_late(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    codes = codes_of(ib)
    await a_resting_order(ib, lib, gateway)

    gateway.cancel("t-1", "Exchange is closed.", code=201)
    await until(lambda: codes == [201])

    assert statuses(gateway) == {"t-1": "Inactive"}


async def test_a_what_if_tells_margin_and_commission_and_sends_nothing(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)

    state = await ib.whatIfOrderAsync(a_stock(lib), lib.MarketOrder("BUY", 1000, tif="DAY"))

    assert float(state.initMarginChange) == 100_000.0  # half of 1,000 x 200
    assert float(state.equityWithLoanBefore) == 1_000_000.0
    assert state.commission == 5.0  # 1,000 x 0.005
    assert gateway.accepted == []


async def test_the_id_of_a_what_if_must_rise_as_that_of_any_order(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    errors, order = errors_of(ib), lib.MarketOrder("BUY", 10, tif="DAY", whatIf=True)

    ib.client.placeOrder(11, a_stock(lib), order)
    ib.client.placeOrder(10, a_stock(lib), order)

    await until(lambda: (10, 103) in errors)
    assert len(errors) == 1


async def test_a_what_if_of_an_order_too_large_is_rejected(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    codes = codes_of(ib)
    ib.RaiseRequestErrors = True

    with pytest.raises(lib.RequestError):
        await ib.whatIfOrderAsync(a_stock(lib), lib.MarketOrder("BUY", 10_001, tif="DAY"))

    assert codes == [201]
