"""Brackets, one-cancels-all groups and combos. AAPL stands at 200.00, bid 199.99, ask 200.01."""

from decimal import Decimal

import pytest
from gateway_client import a_stock, codes_of, statuses, until

from ib_gateway.contracts import Contract


async def a_bracket(ib, lib, gateway, entry=199.0):
    """Buy 10 at the entry, then take profit at 210 or stop at 190."""
    orders = ib.bracketOrder("BUY", 10, entry, 210.0, 190.0, tif="DAY")
    for order, ref in zip(orders, ("entry", "profit", "stop"), strict=True):
        order.orderRef = ref
        ib.placeOrder(a_stock(lib), order)
    await until(lambda: len(gateway.accepted) == 3)


async def test_a_bracket_is_held_until_its_last_order_lets_it_go(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    entry, profit, _ = ib.bracketOrder("BUY", 10, 201.0, 210.0, 190.0, tif="DAY")
    entry.orderRef, profit.orderRef = "entry", "profit"

    ib.placeOrder(a_stock(lib), entry)
    ib.placeOrder(a_stock(lib), profit)
    await until(lambda: len(gateway.accepted) == 2)
    gateway.exchange.look()

    assert statuses(gateway) == {"entry": "PendingSubmit", "profit": "PendingSubmit"}


async def test_an_order_that_was_never_let_go_is_still_there_after_its_client_died(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    ib.placeOrder(a_stock(lib), lib.LimitOrder("BUY", 10, 201.0, tif="DAY", orderRef="held", transmit=False))
    await until(lambda: gateway.accepted)

    gateway.drop_connections()
    again = await connect(gateway, 2)

    assert [t.order.orderRef for t in await again.reqAllOpenOrdersAsync()] == ["held"]


async def test_the_children_of_a_bracket_wait_for_their_parent(lib, open_gateway, connect):
    gateway = await open_gateway()
    await a_bracket(await connect(gateway), lib, gateway)

    gateway.set_price("AAPL", Decimal(215))  # the profit's price, but nothing was bought yet

    assert statuses(gateway) == {"entry": "Submitted", "profit": "PreSubmitted", "stop": "PreSubmitted"}


async def test_taking_the_profit_of_a_bracket_cancels_its_stop(lib, open_gateway, connect):
    gateway = await open_gateway()
    await a_bracket(await connect(gateway), lib, gateway)

    gateway.set_price("AAPL", Decimal(198))
    assert statuses(gateway) == {"entry": "Filled", "profit": "Submitted", "stop": "PreSubmitted"}
    gateway.set_price("AAPL", Decimal(211))

    assert statuses(gateway) == {"entry": "Filled", "profit": "Filled", "stop": "Cancelled"}
    assert gateway.positions() == {}


async def test_a_changed_child_of_a_bracket_still_cancels_its_sister(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    await a_bracket(ib, lib, gateway)
    gateway.set_price("AAPL", Decimal(198))

    profit = next(t for t in ib.trades() if t.order.orderRef == "profit")
    profit.order.lmtPrice, profit.order.transmit = 205.0, True
    ib.placeOrder(profit.contract, profit.order)
    await until(lambda: gateway.order("profit").number("lmtPrice") == 205)
    gateway.set_price("AAPL", Decimal(206))

    assert statuses(gateway) == {"entry": "Filled", "profit": "Filled", "stop": "Cancelled"}
    assert gateway.order("profit").said("ocaType") == "3"


async def test_canceling_the_parent_cancels_the_children(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    await a_bracket(ib, lib, gateway)

    ib.cancelOrder(next(t.order for t in ib.trades() if t.order.orderRef == "entry"))
    await until(lambda: set(statuses(gateway).values()) == {"Cancelled"})


@pytest.mark.parametrize(
    ("oca_type", "other", "left"),
    [(1, "Cancelled", 10), (2, "Submitted", 6), (3, "Submitted", 6)],
)
async def test_a_partial_fill_cancels_or_cuts_the_rest_of_its_group(lib, open_gateway, connect, oca_type, other, left):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    for ref in ("a", "b"):
        order = lib.LimitOrder("BUY", 10, 190.0, tif="DAY", orderRef=ref, ocaGroup="pair", ocaType=oca_type)
        ib.placeOrder(a_stock(lib), order)
    await until(lambda: len(gateway.accepted) == 2)

    gateway.fill("a", Decimal(4))

    assert statuses(gateway) == {"a": "Submitted", "b": other}
    assert gateway.order("b").remaining == left


async def test_a_whole_fill_cancels_the_rest_of_its_group(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    codes = codes_of(ib)
    for ref in ("a", "b", "c"):
        order = lib.LimitOrder("BUY", 10, 190.0, tif="DAY", orderRef=ref, ocaGroup="three", ocaType=3)
        ib.placeOrder(a_stock(lib), order)
    await until(lambda: len(gateway.accepted) == 3)

    gateway.fill("b")
    await until(lambda: codes == [202, 202])

    assert statuses(gateway) == {"a": "Cancelled", "b": "Filled", "c": "Cancelled"}


def a_combo(lib, gateway):
    """Buy one AAPL, sell two PFE."""
    ids = [gateway.market.find(Contract(symbol=s, sec_type="STK", exchange="SMART"))[0].con_id for s in ("AAPL", "PFE")]
    legs = [
        lib.ComboLeg(conId=ids[0], ratio=1, action="BUY", exchange="SMART"),
        lib.ComboLeg(conId=ids[1], ratio=2, action="SELL", exchange="SMART"),
    ]
    return lib.Contract(secType="BAG", symbol="AAPL,PFE", exchange="SMART", currency="USD", comboLegs=legs)


async def test_a_combo_fills_as_a_whole_and_leg_by_leg(lib, open_gateway, connect):
    gateway = await open_gateway()
    gateway.market.set_price("PFE", Decimal(25))  # net 200 - 2 x 25 = 150; at the touch 200.01 - 2 x 24.99 = 150.03
    ib = await connect(gateway)

    order = lib.LimitOrder("BUY", 10, 150.10, tif="DAY", orderRef="t-1")
    trade = ib.placeOrder(a_combo(lib, gateway), order)
    await until(lambda: len(trade.fills) == 3 and trade.fills[-1].commissionReport.execId)

    rows = [(f.contract.secType, f.execution.side, f.execution.shares) for f in trade.fills]
    assert rows == [("BAG", "BOT", 10.0), ("STK", "BOT", 10.0), ("STK", "SLD", 20.0)]
    assert trade.fills[0].execution.price == 150.03
    assert trade.fills[1].execution.price - 2 * trade.fills[2].execution.price == pytest.approx(150.03)
    assert gateway.positions() == {"AAPL": Decimal(10), "PFE": Decimal(-20)}
    assert trade.filled() == 10.0


async def test_a_combo_is_told_with_its_legs_and_may_have_a_negative_price(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    ib.placeOrder(a_combo(lib, gateway), lib.LimitOrder("SELL", 10, -1.5, tif="DAY", orderRef="t-1"))
    await until(lambda: gateway.accepted)

    [told] = await (await connect(gateway, 2)).reqAllOpenOrdersAsync()

    assert told.order.lmtPrice == -1.5
    assert [(leg.ratio, leg.action) for leg in told.contract.comboLegs] == [(1, "BUY"), (2, "SELL")]
