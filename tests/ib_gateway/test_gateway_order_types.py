"""When orders of each type trade, and at what price. AAPL stands at 200.00, bid 199.99, ask 200.01."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_client import a_stock, codes_of, statuses, until

from ib_gateway.contracts import Contract


def an_order(lib, kind="LMT", action="BUY", qty=10, **terms):
    return lib.Order(
        **{"orderType": kind, "action": action, "totalQuantity": qty, "tif": "DAY", "orderRef": "t-1", **terms}
    )


async def placed(ib, lib, gateway, order):
    trade = ib.placeOrder(a_stock(lib), order)
    await until(lambda: gateway.accepted and trade.orderStatus.permId)
    return trade


async def test_a_limit_order_trades_at_the_touch_never_worse_than_its_limit(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)

    trade = await placed(ib, lib, gateway, an_order(lib, lmtPrice=201.0))
    await until(lambda: trade.fills)

    assert trade.fills[0].execution.price == 200.01


async def test_a_limit_order_rests_until_the_market_comes_to_it(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await placed(ib, lib, gateway, an_order(lib, lmtPrice=195.0))
    assert trade.orderStatus.status == "Submitted"

    gateway.set_price("AAPL", Decimal("194.99"))
    await until(lambda: trade.fills)

    assert trade.fills[0].execution.price == 195.0  # the ask is a cent above the price


@pytest.mark.parametrize(
    ("kind", "action", "terms", "quiet", "elects", "px"),
    [
        ("STP", "SELL", {"auxPrice": 190.0}, "190.01", "190.00", 189.99),
        ("STP", "BUY", {"auxPrice": 210.0}, "209.99", "210.00", 210.01),
        ("STP LMT", "SELL", {"auxPrice": 190.0, "lmtPrice": 189.0}, "190.01", "190.00", 189.99),
        ("MIT", "BUY", {"auxPrice": 190.0}, "190.01", "190.00", 190.01),
        ("LIT", "SELL", {"auxPrice": 210.0, "lmtPrice": 209.0}, "209.99", "210.00", 209.99),
    ],
)
async def test_a_stop_or_touch_order_waits_for_its_price(
    lib, open_gateway, connect, kind, action, terms, quiet, elects, px
):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await placed(ib, lib, gateway, an_order(lib, kind, action, **terms))
    assert trade.orderStatus.status == "PreSubmitted"

    gateway.set_price("AAPL", Decimal(quiet))
    assert statuses(gateway) == {"t-1": "PreSubmitted"}
    gateway.set_price("AAPL", Decimal(elects))
    await until(lambda: trade.fills)

    assert trade.fills[0].execution.price == px


async def test_an_elected_stop_limit_rests_at_its_limit_when_the_market_has_gone_through(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    await placed(ib, lib, gateway, an_order(lib, "STP LMT", "SELL", auxPrice=190.0, lmtPrice=189.0))

    gateway.set_price("AAPL", Decimal("180.00"))
    assert statuses(gateway) == {"t-1": "Submitted"}
    gateway.set_price("AAPL", Decimal("195.00"))

    assert statuses(gateway) == {"t-1": "Filled"}  # elected once, it stays elected


@pytest.mark.parametrize(("terms", "stop_after_rise"), [({"auxPrice": 5.0}, 205.0), ({"trailingPercent": 10.0}, 189.0)])
async def test_a_trailing_stop_follows_the_price_up_and_not_down(lib, open_gateway, connect, terms, stop_after_rise):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await placed(ib, lib, gateway, an_order(lib, "TRAIL", "SELL", **terms))

    gateway.set_price("AAPL", Decimal("210.00"))  # 210 - 5, and 210 less 10%
    gateway.set_price("AAPL", Decimal("206.00"))
    [shown] = await (await connect(gateway, 2)).reqAllOpenOrdersAsync()
    gateway.set_price("AAPL", Decimal("189.00"))
    await until(lambda: trade.fills)

    assert shown.order.trailStopPrice == stop_after_rise
    assert trade.fills[0].execution.price == 188.99


async def test_a_trailing_stop_may_start_at_a_given_price(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)

    await placed(ib, lib, gateway, an_order(lib, "TRAIL", "SELL", auxPrice=5.0, trailStopPrice=198.0))

    assert gateway.order("t-1").trail_px == Decimal("198.0")  # 200 - 5 would be lower


@pytest.mark.parametrize(
    ("kind", "terms", "auction"),
    [
        ("MOC", {}, "close"),
        ("LOC", {"lmtPrice": 205.0}, "close"),
        ("MKT", {"tif": "OPG"}, "open"),
        ("LMT", {"tif": "OPG", "lmtPrice": 205.0}, "open"),
    ],
)
async def test_an_auction_order_waits_for_its_auction(lib, open_gateway, connect, kind, terms, auction):
    gateway = await open_gateway()
    ib = await connect(gateway)
    trade = await placed(ib, lib, gateway, an_order(lib, kind, **terms))
    gateway.set_price("AAPL", Decimal("199.00"))
    assert statuses(gateway) == {"t-1": "PreSubmitted"}

    gateway.auction("close" if auction == "open" else "open")
    assert statuses(gateway) == {"t-1": "PreSubmitted"}
    gateway.auction(auction)
    await until(lambda: trade.fills)

    assert trade.fills[0].execution.price == 199.01


@pytest.mark.parametrize(("tif", "filled", "status"), [("IOC", 4.0, "Cancelled"), ("FOK", 0.0, "Cancelled")])
async def test_what_cannot_fill_at_once_is_canceled(lib, open_gateway, connect, tif, filled, status):
    gateway = await open_gateway(liquidity=Decimal(4))
    ib = await connect(gateway)

    trade = await placed(ib, lib, gateway, an_order(lib, "LMT", lmtPrice=201.0, tif=tif))
    await until(lambda: trade.orderStatus.status == status)

    assert float(gateway.order("t-1").filled) == filled


async def test_a_good_till_date_order_ends_at_its_date(lib, open_gateway, connect, clock):
    gateway = await open_gateway()
    ib = await connect(gateway)
    till = (clock.time + timedelta(hours=1)).strftime("%Y%m%d %H:%M:%S UTC")
    trade = await placed(ib, lib, gateway, an_order(lib, lmtPrice=150.0, tif="GTD", goodTillDate=till))

    clock.time += timedelta(minutes=59)
    gateway.exchange.look()
    assert statuses(gateway) == {"t-1": "Submitted"}
    clock.time += timedelta(minutes=1)
    gateway.exchange.look()

    await until(lambda: trade.orderStatus.status == "Cancelled")


async def test_outside_regular_hours_an_order_waits_with_a_warning_399(lib, open_gateway, connect, clock):
    clock.time = datetime(2026, 11, 16, 14, 0, tzinfo=UTC)  # 09:00 in New York
    gateway = await open_gateway(session="regular_hours")
    ib = await connect(gateway)
    codes = codes_of(ib)

    trade = ib.placeOrder(a_stock(lib), an_order(lib, "MKT"))
    await until(lambda: 399 in codes)
    assert statuses(gateway) == {"t-1": "PreSubmitted"}
    clock.time = datetime(2026, 11, 16, 14, 30, tzinfo=UTC)
    gateway.exchange.look()

    await until(lambda: trade.fills)


async def test_an_order_for_extended_hours_trades_before_the_opening(lib, open_gateway, connect, clock):
    clock.time = datetime(2026, 11, 16, 14, 0, tzinfo=UTC)
    gateway = await open_gateway(session="regular_hours")
    ib = await connect(gateway)

    trade = await placed(ib, lib, gateway, an_order(lib, lmtPrice=201.0, outsideRth=True))

    await until(lambda: trade.fills)


async def test_extended_hours_are_ignored_for_a_market_order_with_2109(lib, open_gateway, connect, clock):
    clock.time = datetime(2026, 11, 16, 14, 0, tzinfo=UTC)
    gateway = await open_gateway(session="regular_hours")
    ib = await connect(gateway)
    codes = codes_of(ib)

    ib.placeOrder(a_stock(lib), an_order(lib, "MKT", outsideRth=True))
    await until(lambda: 2109 in codes)

    assert statuses(gateway) == {"t-1": "PreSubmitted"}


async def test_a_day_order_is_over_at_the_close_and_a_gtc_order_is_not(lib, open_gateway, connect, clock):
    gateway = await open_gateway(session="regular_hours")
    ib = await connect(gateway)
    await placed(ib, lib, gateway, an_order(lib, lmtPrice=150.0))
    ib.placeOrder(a_stock(lib), an_order(lib, lmtPrice=150.0, tif="GTC", orderRef="t-2"))
    await until(lambda: len(gateway.accepted) == 2)

    clock.time = datetime(2026, 11, 16, 21, 0, tzinfo=UTC)
    gateway.exchange.look()

    assert statuses(gateway) == {"t-1": "Cancelled", "t-2": "PreSubmitted"}


async def test_market_on_close_trades_at_the_close_of_its_day(lib, open_gateway, connect, clock):
    gateway = await open_gateway(session="regular_hours")
    ib = await connect(gateway)
    await placed(ib, lib, gateway, an_order(lib, "MOC"))
    gateway.exchange.look()
    assert statuses(gateway) == {"t-1": "PreSubmitted"}

    clock.time = datetime(2026, 11, 16, 21, 0, tzinfo=UTC)
    gateway.exchange.look()

    assert statuses(gateway) == {"t-1": "Filled"}


async def test_an_order_is_filled_in_slices_and_pays_the_minimum_commission_once(lib, open_gateway, connect):
    gateway = await open_gateway(slices=3)
    ib = await connect(gateway)

    trade = await placed(ib, lib, gateway, an_order(lib, "MKT", qty=100))
    await until(lambda: len([f for f in trade.fills if f.commissionReport.execId]) == 3)

    assert [f.execution.shares for f in trade.fills] == [33.0, 33.0, 34.0]
    assert [f.execution.cumQty for f in trade.fills] == [33.0, 66.0, 100.0]
    assert [f.commissionReport.commission for f in trade.fills] == [1.0, 0.0, 0.0]


async def test_slices_that_come_in_a_while_leave_the_order_partly_filled(lib, open_gateway, connect):
    gateway = await open_gateway(slices=2, slice_seconds=0.05)
    ib = await connect(gateway)

    trade = await placed(ib, lib, gateway, an_order(lib, "MKT"))
    gateway.exchange.look()  # looking again does not fill it twice
    assert statuses(gateway) == {"t-1": "Submitted"}
    await until(lambda: trade.orderStatus.status == "Filled")

    assert [f.execution.shares for f in trade.fills] == [5.0, 5.0]


async def test_an_algo_is_accepted_and_told_back_as_it_was_sent(lib, open_gateway, connect):
    gateway = await open_gateway(fills="manual")
    ib = await connect(gateway)
    pace = [lib.TagValue("adaptivePriority", "Patient")]
    await placed(ib, lib, gateway, an_order(lib, lmtPrice=199.0, algoStrategy="Adaptive", algoParams=pace))

    other = await connect(gateway, 2)
    told = (await other.reqAllOpenOrdersAsync())[0].order

    assert (told.algoStrategy, [(p.tag, p.value) for p in told.algoParams]) == (
        "Adaptive",
        [("adaptivePriority", "Patient")],
    )


def con_id_of(gateway, symbol):
    [contract] = gateway.market.find(Contract(symbol=symbol, sec_type="STK", exchange="SMART", currency="USD"))
    return contract.con_id


async def test_an_order_waits_for_the_price_of_another_stock(lib, open_gateway, connect):
    gateway = await open_gateway()
    gateway.market.set_price("MSFT", Decimal(400))
    ib = await connect(gateway)
    rises = lib.PriceCondition(conId=con_id_of(gateway, "MSFT"), exch="SMART", isMore=True, price=410.0)
    await placed(ib, lib, gateway, an_order(lib, "MKT", conditions=[rises]))
    assert statuses(gateway) == {"t-1": "PreSubmitted"}

    gateway.set_price("MSFT", Decimal(410))

    assert statuses(gateway) == {"t-1": "Filled"}


async def test_an_order_waits_for_a_time(lib, open_gateway, connect, clock):
    gateway = await open_gateway()
    ib = await connect(gateway)
    noon = lib.TimeCondition(time="20261116 12:00:00 US/Eastern", isMore=True)
    await placed(ib, lib, gateway, an_order(lib, "MKT", conditions=[noon]))
    assert statuses(gateway) == {"t-1": "PreSubmitted"}

    clock.time = datetime(2026, 11, 16, 17, 0, tzinfo=UTC)
    gateway.exchange.look()

    assert statuses(gateway) == {"t-1": "Filled"}


async def test_conditions_can_be_joined_by_or(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    never = lib.PriceCondition(
        conId=con_id_of(gateway, "AAPL"), exch="SMART", isMore=True, price=900.0, conjunction="o"
    )
    below = lib.PriceCondition(conId=con_id_of(gateway, "AAPL"), exch="SMART", isMore=False, price=190.0)
    await placed(ib, lib, gateway, an_order(lib, "MKT", conditions=[never, below]))

    gateway.set_price("AAPL", Decimal(190))

    assert statuses(gateway) == {"t-1": "Filled"}


async def test_an_order_without_time_in_force_is_a_day_order_with_notice_10349(lib, open_gateway, connect):
    """Clients take 10349 for a cancel, and the order lives: https://github.com/pst-group/pysystemtrade/issues/1580"""
    gateway = await open_gateway()
    ib = await connect(gateway)
    codes = codes_of(ib)

    trade = ib.placeOrder(a_stock(lib), an_order(lib, "MKT", tif=""))
    await until(lambda: trade.fills)

    assert codes == [10349]
    assert gateway.order("t-1").tif == "DAY"
