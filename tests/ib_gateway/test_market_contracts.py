"""What a client learns about contracts, through an unmodified library over a socket."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gateway_client import codes_of, errors_of, until

from ib_gateway.contracts import MARKET_RULES, Contract, increment_at
from ib_gateway.market_catalogue import full_catalogue

TWENTY = "AAPL AMD BAC BBY CVX GE HD JNJ JPM KO LLY MRK MSFT PEP PFE PG RRC UNH WMT XOM"


async def test_a_symbol_is_qualified_to_one_contract(lib, open_gateway, connect):
    ib = await connect(await open_gateway())

    found = await ib.qualifyContractsAsync(*[lib.Stock(symbol, "SMART", "USD") for symbol in TWENTY.split()])

    assert [contract.symbol for contract in found] == TWENTY.split()
    assert len({contract.conId for contract in found}) == 20
    assert found[0].primaryExchange == "NASDAQ"


async def test_a_symbol_of_two_companies_needs_its_exchange(lib, open_gateway, connect):
    ib = await connect(await open_gateway())

    both = await ib.reqContractDetailsAsync(lib.Stock("DUAL", "SMART", "USD"))
    one = await ib.reqContractDetailsAsync(lib.Stock("DUAL", "SMART", "USD", primaryExchange="AMEX"))

    assert [details.contract.primaryExchange for details in both] == ["NYSE", "AMEX"]
    assert [details.longName for details in one] == ["DUAL PROPERTY TRUST"]


async def test_an_unknown_symbol_is_error_200(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    codes = codes_of(ib)

    assert await ib.reqContractDetailsAsync(lib.Stock("NOPE", "SMART", "USD")) == []
    assert codes == [200]


async def test_a_combo_has_no_details(lib, open_gateway, connect):
    # The newer library takes 321 for a warning, so its request would wait for ever: every request needs a bound.
    ib = await connect(await open_gateway())
    codes = codes_of(ib)

    asked = asyncio.ensure_future(ib.reqContractDetailsAsync(lib.Bag(symbol="KO", exchange="SMART", currency="USD")))
    await until(lambda: codes)
    asked.cancel()

    assert codes == [321]


async def test_details_tell_hours_zone_and_price_ladders(lib, open_gateway, connect):
    ib = await connect(await open_gateway())

    [details] = await ib.reqContractDetailsAsync(lib.Stock("AAPL", "SMART", "USD"))

    assert details.timeZoneId == "US/Eastern"
    assert details.liquidHours.split(";")[:2] == ["20261116:0930-20261116:1600", "20261117:0930-20261117:1600"]
    assert details.tradingHours.split(";")[0] == "20261116:0400-20261116:2000"
    assert details.liquidHours.split(";")[5] == "20261121:CLOSED"  # a Saturday
    assert len(details.marketRuleIds.split(",")) == len(details.validExchanges.split(","))
    assert (details.minTick, details.stockType, details.longName) == (0.01, "COMMON", "APPLE INC")
    session = details.liquidSessions()[0]
    assert (session.start.astimezone(UTC), session.end.astimezone(UTC)) == (
        datetime(2026, 11, 16, 14, 30, tzinfo=UTC),
        datetime(2026, 11, 16, 21, 0, tzinfo=UTC),
    )


async def test_options_futures_currencies_and_indexes_are_found_as_clients_name_them(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    wanted = (
        lib.Option("AAPL", "20261218", 250, "C", "SMART"),
        lib.Future("ES", "202612", "CME"),
        lib.Future(localSymbol="NQZ6", exchange="CME"),
        lib.Forex("EURUSD"),
        lib.Index("SPX", "CBOE"),
    )

    option, month, local, currency, index = [(await ib.reqContractDetailsAsync(one))[0] for one in wanted]

    assert option.contract.localSymbol == "AAPL  261218C00250000"  # the OCC's name: the third Friday is the 18th
    assert (option.contract.multiplier, option.underSymbol, option.underSecType) == ("100", "AAPL", "STK")
    assert (month.contract.localSymbol, month.contract.multiplier, month.minTick) == ("ESZ6", "50", 0.25)
    assert local.contract.lastTradeDateOrContractMonth == "20261218"
    assert currency.contract.localSymbol == "EUR.USD"
    assert (index.contract.secType, index.contract.conId) == ("IND", month.underConId)


async def test_expired_contracts_are_found_only_when_asked_for(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    expired = lib.Future("ES", "202603", "CME")
    assert await ib.reqContractDetailsAsync(expired) == []

    expired.includeExpired = True
    [found] = await ib.reqContractDetailsAsync(expired)

    assert found.contract.localSymbol == "ESH6"


@pytest.mark.parametrize("version", [157, 163, 164, 176, 178])
async def test_every_protocol_version_gets_details_it_can_read(lib, open_gateway, connect, version):
    ib = await connect(await open_gateway(max_server_version=version))

    [details] = await ib.reqContractDetailsAsync(lib.Stock("KO", "SMART", "USD"))
    [sample] = [s for s in await ib.reqMatchingSymbolsAsync("KO") if s.contract.symbol == "KO"]

    assert (details.contract.symbol, details.minTick, details.stockType) == ("KO", 0.01, "COMMON")
    assert float(details.suggestedSizeIncrement or 0) == (0 if version == 157 else 100)
    assert sample.contract.conId == details.contract.conId


async def test_a_part_of_a_name_finds_symbols_and_what_is_traded_on_them(lib, open_gateway, connect):
    ib = await connect(await open_gateway())

    found = await ib.reqMatchingSymbolsAsync("coca")
    apple = (await ib.reqMatchingSymbolsAsync("AAPL"))[0]

    assert [sample.contract.symbol for sample in found] == ["KO"]
    assert apple.derivativeSecTypes == ["OPT"]
    assert await ib.reqMatchingSymbolsAsync("") == []


async def test_an_option_chain_lists_what_can_be_qualified(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    [apple] = await ib.qualifyContractsAsync(lib.Stock("AAPL", "SMART", "USD"))

    chains = await ib.reqSecDefOptParamsAsync("AAPL", "", "STK", apple.conId)

    smart = next(chain for chain in chains if chain.exchange == "SMART")
    assert smart.expirations[:3] == ["20261120", "20261218", "20270115"]  # third Fridays
    assert 250.0 in smart.strikes
    assert smart.tradingClass == "AAPL"
    option = lib.Option("AAPL", smart.expirations[1], smart.strikes[0], "P", "SMART")
    assert (await ib.qualifyContractsAsync(option))[0].conId
    assert await ib.reqSecDefOptParamsAsync("KO", "", "STK", apple.conId + 9) == []  # has no options


async def test_a_market_rule_is_a_ladder_of_steps(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    [index_option] = await ib.reqContractDetailsAsync(lib.Option("SPX", "20261218", 6000, "C", "SMART"))

    rule = await ib.reqMarketRuleAsync(int(index_option.marketRuleIds.split(",")[0]))

    assert [(step.lowEdge, step.increment) for step in rule] == [(0, 0.05), (3, 0.1)]
    assert index_option.minTick == 0.05  # the smallest anywhere, so 5.05 is a multiple of it and yet no valid price


async def test_an_unknown_market_rule_is_refused(open_gateway, connect):
    ib = await connect(await open_gateway())
    errors = errors_of(ib)

    asked = asyncio.ensure_future(ib.reqMarketRuleAsync(4711))
    await until(lambda: errors)
    asked.cancel()

    assert errors == [(-1, 321)]


@pytest.mark.parametrize(
    ("rule", "price", "step"),
    [
        (26, "0.50", "0.01"),
        (557, "0.9999", "0.0001"),
        (557, "1", "0.01"),
        (109, "2.95", "0.05"),
        (109, "3", "0.1"),
        (109, "-3", "0.1"),
        (32, "2.99", "0.01"),
        (32, "3.05", "0.05"),
        (59, "1.08", "0.00005"),
        (67, "6000", "0.25"),
    ],
)
def test_prices_are_multiples_of_the_step_at_their_height(rule, price, step):
    assert increment_at(rule, Decimal(price)) == Decimal(step)


def test_every_listing_is_found_by_its_id_and_has_ladders_for_its_exchanges():
    catalogue = full_catalogue()

    for listing in catalogue.all():
        assert catalogue.find(Contract(con_id=listing.contract.con_id)) == [listing]
        assert len(listing.exchanges) == len(listing.market_rules)
        assert listing.min_tick == MARKET_RULES[listing.market_rules[0]][0].increment
