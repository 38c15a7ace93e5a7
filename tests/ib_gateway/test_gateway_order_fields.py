"""Every field that a client sends is told back where the client looks for it, in every protocol version."""

import pytest
from gateway_client import until

from ib_gateway.contracts import Contract
from ib_gateway.order_layout import PLACE_ORDER, read_order
from ib_gateway.wire import Reader

ALL_VERSIONS = [157, 158, 160, 162, 166, 169, 170, 176, 177, 178]

PLAIN = {
    "openClose": "C",
    "origin": 1,
    "blockOrder": True,
    "sweepToFill": True,
    "displaySize": 3,
    "triggerMethod": 4,
    "hidden": True,
    "discretionaryAmt": 0.25,
    "goodAfterTime": "20261116 09:00:00 US/Eastern",
    "faGroup": "group",
    "faMethod": "NetLiq",
    "faPercentage": "50",
    "modelCode": "model",
    "shortSaleSlot": 2,
    "designatedLocation": "place",
    "exemptCode": 1,
    "rule80A": "I",
    "settlingFirm": "firm",
    "allOrNone": True,
    "minQty": 4,
    "percentOffset": 0.5,
    "startingPrice": 1.5,
    "stockRefPrice": 2.5,
    "delta": 0.75,
    "stockRangeLower": 3.5,
    "stockRangeUpper": 4.5,
    "continuousUpdate": True,
    "referencePriceType": 2,
    "optOutSmartRouting": True,
    "clearingAccount": "clear",
    "clearingIntent": "Away",
    "notHeld": True,
    "solicited": True,
    "randomizeSize": True,
    "randomizePrice": True,
    "lmtPriceOffset": 0.125,
    "cashQty": 1000.0,
    "dontUseAutoPriceForHedge": True,
    "hedgeType": "B",
    "hedgeParam": "1.5",
    "scaleInitLevelSize": 5,
    "scaleSubsLevelSize": 6,
    "scalePriceIncrement": 0.1,
    "scalePriceAdjustValue": 0.2,
    "scalePriceAdjustInterval": 7,
    "scaleProfitOffset": 0.3,
    "scaleAutoReset": True,
    "scaleInitPosition": 8,
    "scaleInitFillQty": 9,
    "scaleRandomPercent": True,
    "conditionsIgnoreRth": True,
    "ocaGroup": "group",
    "ocaType": 2,
}
OPEN_ONLY = {
    "nbboPriceCap": 5.5,
    "auctionStrategy": 1,
    "adjustedOrderType": "STP",
    "triggerPrice": 6.5,
    "adjustedStopPrice": 7.5,
    "adjustedStopLimitPrice": 8.5,
    "adjustedTrailingAmount": 9.5,
    "adjustableTrailingUnit": 1,
    "discretionaryUpToLimitPrice": True,
    "usePriceMgmtAlgo": True,
}
SINCE = {"duration": (159, 30), "postToAts": (160, 60), "autoCancelParent": (162, True)}


def con_id_of(gateway):
    return gateway.market.find(Contract(symbol="AAPL", sec_type="STK", exchange="SMART"))[0].con_id


def an_order_with_everything(lib, version, con_id):
    newer = {name: value for name, (since, value) in SINCE.items() if version >= since}
    order = lib.LimitOrder("BUY", 10, 190.0, tif="GTC", orderRef="t-1", **PLAIN, **OPEN_ONLY, **newer)
    order.algoStrategy, order.algoParams = "Vwap", [lib.TagValue("maxPctVol", "0.1"), lib.TagValue("noTakeLiq", "1")]
    order.softDollarTier = lib.SoftDollarTier("tier", "value", "")
    order.conditions = [
        lib.PriceCondition(price=1.0, conId=con_id, exch="SMART", triggerMethod=2, isMore=False),
        lib.TimeCondition(time="20270101 00:00:00 UTC", conjunction="o"),
        lib.MarginCondition(percent=30),
        lib.ExecutionCondition(secType="STK", exch="SMART", symbol="IBM"),
        lib.VolumeCondition(volume=100, conId=con_id, exch="SMART"),
        lib.PercentChangeCondition(changePercent=5.0, conId=con_id, exch="SMART"),
    ]
    return order


@pytest.mark.parametrize("version", ALL_VERSIONS)
async def test_an_open_order_is_told_with_all_its_fields(lib, open_gateway, connect, version):
    gateway = await open_gateway(max_server_version=version, fills="manual")
    ib = await connect(gateway)
    sent = an_order_with_everything(lib, version, con_id_of(gateway))
    ib.placeOrder(lib.Stock("AAPL", "SMART", "USD"), sent)
    await until(lambda: gateway.accepted)

    [trade] = await (await connect(gateway, 2)).reqAllOpenOrdersAsync()

    told = trade.order
    names = [*PLAIN, *OPEN_ONLY, *(name for name, (since, _) in SINCE.items() if version >= since)]
    assert {n: getattr(told, n) for n in names} == {n: getattr(sent, n) for n in names}
    assert (told.algoStrategy, [p.tag for p in told.algoParams]) == ("Vwap", ["maxPctVol", "noTakeLiq"])
    assert (told.softDollarTier.name, told.softDollarTier.val) == ("tier", "value")
    assert told.conditions == sent.conditions


@pytest.mark.parametrize("kind", ["LMT", "PEG MID", "PEG BEST", "PEG BENCH"])
@pytest.mark.parametrize("version", ALL_VERSIONS)
async def test_no_field_of_an_order_is_left_unread(lib, open_gateway, connect, version, kind):
    gateway = await open_gateway(max_server_version=version)
    ib = await connect(gateway)
    order = an_order_with_everything(lib, version, con_id_of(gateway))
    order.orderType, order.competeAgainstBestOffset = kind, float("inf")
    ib.placeOrder(lib.Stock("AAPL", "IBKRATS", "USD"), order)
    await until(lambda: any(message.name == "placeOrder" for message in gateway.wire_log))

    [sent] = [message.fields for message in gateway.wire_log if message.name == "placeOrder"]
    message = Reader(sent, ib.client.serverVersion())
    message.integer()
    read_order(message, PLACE_ORDER)

    assert message.rest() == []


@pytest.mark.parametrize("version", ALL_VERSIONS)
async def test_a_completed_order_is_told_with_all_its_fields(lib, open_gateway, connect, version):
    gateway = await open_gateway(max_server_version=version, fills="manual")
    ib = await connect(gateway)
    sent = an_order_with_everything(lib, version, con_id_of(gateway))
    ib.placeOrder(lib.Stock("AAPL", "SMART", "USD"), sent)
    await until(lambda: gateway.accepted)
    gateway.fill("t-1")

    [trade] = await (await connect(gateway, 2)).reqCompletedOrdersAsync(False)

    names = [name for name in PLAIN if name not in {"blockOrder", "optOutSmartRouting"}]  # not in this message
    assert {n: getattr(trade.order, n) for n in names} == {n: getattr(sent, n) for n in names}
    assert trade.order.conditions == sent.conditions
    assert (trade.order.filledQuantity, trade.orderStatus.status) == (10.0, "Filled")
    assert trade.order.permId == gateway.accepted[0].perm_id


@pytest.mark.parametrize("version", [157, 170, 178])
@pytest.mark.parametrize("kind", ["open", "completed"])
async def test_a_delta_neutral_order_is_told_with_its_hedge(lib, open_gateway, connect, version, kind):
    gateway = await open_gateway(max_server_version=version, fills="manual")
    ib = await connect(gateway)
    hedge = {"deltaNeutralOrderType": "MKT", "deltaNeutralConId": 265598, "deltaNeutralShortSaleSlot": 1}
    order = lib.LimitOrder("BUY", 10, 190.0, tif="DAY", orderRef="t-1", deltaNeutralAuxPrice=1.5, **hedge)
    contract = lib.Stock("AAPL", "SMART", "USD")
    contract.deltaNeutralContract = lib.DeltaNeutralContract(265598, 0.5, 200.0)
    ib.placeOrder(contract, order)
    await until(lambda: gateway.accepted)
    if kind == "completed":
        gateway.fill("t-1")

    other = await connect(gateway, 2)
    found = await (other.reqAllOpenOrdersAsync() if kind == "open" else other.reqCompletedOrdersAsync(False))

    [trade] = found
    assert {name: getattr(trade.order, name) for name in hedge} == hedge
    assert trade.order.deltaNeutralAuxPrice == 1.5
    assert trade.contract.deltaNeutralContract == lib.DeltaNeutralContract(265598, 0.5, 200.0)


async def test_an_ordinary_order_is_told_with_the_words_a_real_gateway_uses_for_absence(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    ib.placeOrder(lib.Stock("AAPL", "SMART", "USD"), lib.MarketOrder("BUY", 10, tif="DAY"))
    await until(lambda: gateway.accepted)

    [trade] = await (await connect(gateway, 2)).reqAllOpenOrdersAsync()

    assert trade.order.deltaNeutralOrderType == "None"
    assert (trade.order.lmtPrice, trade.order.auxPrice) == (0.0, 0.0)
    assert trade.contract.localSymbol == "AAPL"
    assert trade.contract.conId > 0
