"""Live, frozen and delayed quotes, snapshots, greeks and tick by tick, through an unmodified library over a socket."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_client import codes_of, errors_of, until

from ib_gateway.contracts import Contract
from ib_gateway.market_firehose import firehose
from ib_gateway.market_ticks import EXTRA_TICKS

SATURDAY = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


async def qualified(ib, contract):
    return (await ib.qualifyContractsAsync(contract))[0]


async def test_a_line_sends_quotes_and_each_new_price_at_once(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    ticker = ib.reqMktData(await qualified(ib, lib.Stock("AAPL", "SMART", "USD")))
    await until(lambda: ticker.volume > 0)
    assert (ticker.bid, ticker.last, ticker.ask) == (199.99, 200.0, 200.01)
    assert ticker.marketDataType == 1
    assert ticker.low <= ticker.last <= ticker.high

    gateway.market.set_price("AAPL", Decimal("187.50"))
    await until(lambda: ticker.last == 187.5)

    assert (ticker.bid, ticker.ask) == (187.49, 187.51)


async def test_a_market_that_moves_by_itself_ticks_by_itself(lib, open_gateway, connect, clock):
    gateway = await open_gateway()
    gateway.market.set_price("AAPL", None)
    ib = await connect(gateway)
    ticker = ib.reqMktData(await qualified(ib, lib.Stock("AAPL", "SMART", "USD")))
    await until(lambda: ticker.volume > 0)
    before = ticker.last

    clock.time += timedelta(minutes=20)
    await until(lambda: ticker.last != before)

    aapl = ticker.contract.conId
    assert ticker.last == float(gateway.market.quote(aapl, clock.time).last)


async def test_a_canceled_line_is_silent_and_free(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    contract = await qualified(ib, lib.Stock("AAPL", "SMART", "USD"))
    ticker = ib.reqMktData(contract)
    await until(lambda: ticker.last == 200)

    ib.cancelMktData(contract)
    await until(lambda: not gateway.limits.lines)

    assert gateway.market.watchers == []


async def test_a_snapshot_ends(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    contract = await qualified(ib, lib.Stock("AAPL", "SMART", "USD"))

    [ticker] = await ib.reqTickersAsync(contract)

    assert (ticker.bid, ticker.ask) == (199.99, 200.01)
    assert not gateway.limits.lines


async def test_currencies_have_no_trades_and_indexes_no_quotes(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    euro, index = await qualified(ib, lib.Forex("EURUSD")), await qualified(ib, lib.Index("SPX", "CBOE"))

    [fx, spx] = await ib.reqTickersAsync(euro, index)

    assert fx.bid < fx.ask
    assert math.isnan(fx.last)
    assert spx.last > 0
    assert math.isnan(spx.bid)


async def test_what_is_not_paid_for_is_refused_or_delayed(lib, open_gateway, connect, clock):
    gateway = await open_gateway()
    gateway.market.without_live_data.add("KO")
    ib = await connect(gateway)
    codes = codes_of(ib)
    contract = await qualified(ib, lib.Stock("KO", "SMART", "USD"))

    ib.reqMktData(contract)
    await until(lambda: 354 in codes)
    ib.reqMarketDataType(3)
    ticker = ib.reqMktData(contract)
    await until(lambda: ticker.volume > 0)

    assert codes == [354, 10167]
    assert ticker.marketDataType == 3
    assert ticker.last == float(gateway.market.quote(contract.conId, clock.time - timedelta(minutes=15)).last)


@pytest.mark.parametrize(
    ("wanted", "paid", "shown", "has_quotes"),
    [
        (1, True, 1, False),
        (2, True, 2, True),
        (3, True, 1, False),
        (4, True, 2, True),
        (3, False, 3, False),
        (4, False, 4, True),
    ],
)
async def test_a_closed_market_shows_quotes_only_frozen(
    lib, open_gateway, connect, clock, wanted, paid, shown, has_quotes
):
    gateway = await open_gateway(session="regular_hours")
    clock.time = SATURDAY
    if not paid:
        gateway.market.without_live_data.add("KO")
    ib = await connect(gateway)
    ib.reqMarketDataType(wanted)

    ticker = ib.reqMktData(await qualified(ib, lib.Stock("KO", "SMART", "USD")))
    await until(lambda: ticker.volume > 0)

    assert ticker.marketDataType == shown
    assert (ticker.bidSize > 0) == has_quotes  # without quotes the library shows none (NaN or -1)
    assert ticker.last > 0


async def test_the_line_too_many_is_error_101_until_one_is_canceled(lib, open_gateway, connect):
    gateway = await open_gateway(data_lines=2)
    ib = await connect(gateway)
    codes = codes_of(ib)
    contracts = [await qualified(ib, lib.Stock(symbol, "SMART", "USD")) for symbol in ("AAPL", "KO", "PEP")]

    for contract in contracts:
        ib.reqMktData(contract)
    await until(lambda: codes)
    ib.cancelMktData(contracts[0])
    ticker = ib.reqMktData(contracts[2])
    await until(lambda: ticker.last > 0)

    assert codes == [101]


async def test_lines_are_free_again_when_a_client_goes_away(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    ticker = ib.reqMktData(await qualified(ib, lib.Stock("AAPL", "SMART", "USD")))
    ib.reqTickByTickData(ticker.contract, "BidAsk")
    await until(lambda: len(gateway.market.watchers) == 2)

    ib.disconnect()
    await until(lambda: not gateway.market.watchers)

    assert not gateway.limits.lines


async def test_extra_ticks_bring_what_they_are_asked_for(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    contract = await qualified(ib, lib.Stock("AAPL", "SMART", "USD"))

    ticker = ib.reqMktData(contract, ",".join(EXTRA_TICKS))
    await until(lambda: ticker.futuresOpenInterest > 0)

    assert ticker.shortableShares > 0
    assert ticker.markPrice == 200
    assert ticker.low52week < 200 < ticker.high52week
    assert ticker.dividends.next12Months == 1.0  # 0.4 % of 250
    assert round(ticker.histVolatility, 3) == 0.254  # 0.016 x the root of 252


async def test_a_tick_that_does_not_exist_and_extras_of_a_snapshot_are_refused(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    codes = codes_of(ib)
    contract = await qualified(ib, lib.Stock("AAPL", "SMART", "USD"))

    ib.reqMktData(contract, "999")
    ib.reqMktData(contract, "233", snapshot=True)
    await until(lambda: len(codes) == 2)

    assert codes == [321, 321]


async def test_an_ambiguous_symbol_gets_no_line(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    errors = errors_of(ib)

    ib.client.reqMktData(900, lib.Stock("DUAL", "SMART", "USD"), "", False, False, [])
    await until(lambda: errors)

    assert errors == [(900, 200)]


async def test_a_request_id_names_one_line_and_an_unknown_one_cannot_be_canceled(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    errors = errors_of(ib)
    stock = lib.Stock("KO", "SMART", "USD")

    ib.client.reqMktData(900, stock, "", False, False, [])
    ib.client.reqMktData(900, stock, "", False, False, [])
    ib.client.cancelMktData(901)
    await until(lambda: len(errors) == 2)

    assert errors == [(900, 102), (901, 300)]


async def test_an_option_line_brings_model_greeks(lib, open_gateway, connect):
    gateway = await open_gateway()
    gateway.market.set_price("AAPL", Decimal(250))
    ib = await connect(gateway)
    call = await qualified(ib, lib.Option("AAPL", "20261218", 250, "C", "SMART"))

    ticker = ib.reqMktData(call)
    await until(lambda: ticker.modelGreeks)

    greeks = ticker.modelGreeks
    assert greeks.undPrice == 250
    assert 0.5 < greeks.delta < 0.6  # at the money
    assert round(greeks.impliedVol, 3) == 0.254
    assert abs(greeks.optPrice - ticker.last) <= 0.025  # half of the step above 3
    assert greeks.theta < 0 < greeks.gamma < 0.05 < greeks.vega


async def test_a_combo_line_is_the_net_of_its_legs(lib, open_gateway, connect):
    gateway = await open_gateway()
    gateway.market.set_price("KO", Decimal(60))
    gateway.market.set_price("PEP", Decimal(150))
    ib = await connect(gateway)
    legs = [
        lib.ComboLeg(
            conId=gateway.market.find(Contract(symbol=symbol))[0].con_id, ratio=1, action=side, exchange="SMART"
        )
        for symbol, side in (("PEP", "BUY"), ("KO", "SELL"))
    ]

    ticker = ib.reqMktData(lib.Bag(symbol="KO,PEP", exchange="SMART", currency="USD", comboLegs=legs))
    await until(lambda: ticker.last > 0)

    assert (ticker.bid, ticker.last, ticker.ask) == (89.98, 90.0, 90.02)


@pytest.mark.parametrize(
    ("kind", "values"), [("BidAsk", (199.99, 200.01)), ("MidPoint", (200,)), ("AllLast", (200,)), ("Last", (200,))]
)
async def test_tick_by_tick_sends_now_and_at_each_change(lib, open_gateway, connect, kind, values):
    gateway = await open_gateway()
    ib = await connect(gateway)
    contract = await qualified(ib, lib.Stock("AAPL", "SMART", "USD"))
    heard = []
    ib.pendingTickersEvent += lambda tickers: heard.extend(tick for ticker in tickers for tick in ticker.tickByTicks)

    ib.reqTickByTickData(contract, kind)
    await until(lambda: heard)
    gateway.market.refresh()  # nothing is new
    gateway.market.set_price("AAPL", Decimal(201))
    await until(lambda: len(heard) >= 2)
    assert len(heard) == 2

    names = {"BidAsk": ("bidPrice", "askPrice"), "MidPoint": ("midPoint",)}.get(kind, ("price",))
    assert tuple(getattr(heard[0], name) for name in names) == values
    assert tuple(getattr(heard[-1], name) for name in names) == tuple(value + 1 for value in values)
    ib.cancelTickByTickData(contract, kind)
    await until(lambda: not gateway.market.watchers)


async def test_tick_by_tick_is_refused_where_there_is_none_and_beyond_three(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    codes = codes_of(ib)
    ib.reqTickByTickData(await qualified(ib, lib.Forex("EURUSD")), "Last")
    await until(lambda: codes == [10189])

    for symbol in ("AAPL", "KO", "PEP", "MSFT"):
        ib.reqTickByTickData(await qualified(ib, lib.Stock(symbol, "SMART", "USD")), "MidPoint")
    await until(lambda: len(codes) == 2)

    assert codes == [10189, 10190]


async def test_a_flood_reaches_the_client_whole(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    for symbol in ("AAPL", "KO"):
        ib.reqMktData(await qualified(ib, lib.Stock(symbol, "SMART", "USD")))
    await until(lambda: len(gateway.limits.lines) == 2)
    heard = []
    ib.pendingTickersEvent += lambda tickers: heard.extend(
        tick for ticker in tickers for tick in ticker.ticks if tick.tickType == 1 and tick.price < 101
    )

    await firehose(gateway.clients[0], ticks=5000)
    await until(lambda: len(heard) >= 5000)

    assert len(heard) == 5000  # prices from 100.00 to 100.15, which neither stock has


async def test_a_flood_needs_a_line(open_gateway, connect):
    gateway = await open_gateway()
    await connect(gateway, client_id=5)

    with pytest.raises(ValueError, match="client 5 has no market data line"):
        await firehose(gateway.clients[0], ticks=1)
