"""Market depth of the gateway, through an unmodified library over a socket."""

from decimal import Decimal

from gateway_client import a_stock, codes_of, errors_of, until

from ib_gateway.market_depth_requests import MOST_CONTRACTS, PRICES


async def qualified(ib, contract):
    return (await ib.qualifyContractsAsync(contract))[0]


def prices(levels):
    return list(dict.fromkeys(level.price for level in levels))


async def test_smart_depth_shows_the_rows_of_all_exchanges_and_each_new_price(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    ticker = ib.reqMktDepth(await qualified(ib, a_stock(lib)), 40, True)
    await until(lambda: len(prices(ticker.domBids)) == len(prices(ticker.domAsks)) == PRICES)
    assert prices(ticker.domBids)[:2] == [199.99, 199.98]
    assert prices(ticker.domAsks)[:2] == [200.01, 200.02]
    assert len({level.marketMaker for level in ticker.domBids}) > 1

    gateway.market.set_price("AAPL", Decimal(150))
    await until(lambda: prices(ticker.domBids)[0] == 149.99 and len(prices(ticker.domAsks)) == PRICES)

    assert prices(ticker.domAsks)[:2] == [150.01, 150.02]


async def test_no_more_rows_come_than_were_asked_for_and_none_after_the_end(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    euro = await qualified(ib, lib.Forex("EURUSD"))
    ticker = ib.reqMktDepth(euro, 3)
    await until(lambda: len(ticker.domAsks) == 3)

    ib.cancelMktDepth(euro)
    await until(lambda: gateway.market.watchers == [])

    assert len(ticker.domBids) <= 3
    assert all(not client.depth_contracts for client in gateway.clients)


async def test_a_fourth_contract_is_refused_until_one_is_given_back(lib, open_gateway, connect):
    gateway = await open_gateway()
    ib = await connect(gateway)
    codes, stocks = codes_of(ib), [await qualified(ib, a_stock(lib, name)) for name in ("AAPL", "MSFT", "KO", "IBM")]
    for stock in stocks:
        ib.reqMktDepth(stock, 5, True)
    await until(lambda: 309 in codes)

    ib.cancelMktDepth(stocks[0], True)
    ticker = ib.reqMktDepth(stocks[3], 5, True)
    await until(lambda: ticker.domBids)

    assert len(gateway.clients[0].depth_contracts) == MOST_CONTRACTS
    assert codes.count(309) == 1


async def test_depth_that_is_not_offered_or_not_paid_for_is_refused_and_parts_of_it_are_named(
    lib, open_gateway, connect
):
    gateway = await open_gateway()
    gateway.market.without_live_data.add("KO")
    gateway.market.without_depth.add("NYSE")
    ib = await connect(gateway)
    heard, words = errors_of(ib), []
    ib.errorEvent += lambda _, code, text, *__: words.append((code, text))
    apple, coke = await qualified(ib, a_stock(lib)), await qualified(ib, a_stock(lib, "KO"))

    ib.reqMktDepth(apple, 5)
    ib.reqMktDepth(coke, 5, True)
    ib.reqMktDepth(apple, 5, True)
    ib.client.cancelMktDepth(999, True)
    await until(lambda: {10092, 354, 2152, 310} <= {code for _, code in heard})

    assert dict(words)[2152].endswith("Need additional market data permissions - Depth: NYSE; ")
