"""Historical bars, bars that stay up to date and 5-second bars, through an unmodified library over a socket."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from gateway_client import codes_of, errors_of, until

from ib_gateway.market_bar_terms import BadBarRequest, parsed_duration, parsed_end


async def qualified(ib, contract):
    return (await ib.qualifyContractsAsync(contract))[0]


async def bars_of(ib, contract, size="1 day", duration="5 D", what="TRADES", **options):
    end, regular_only = options.pop("end", ""), options.pop("regular_only", True)
    return await ib.reqHistoricalDataAsync(contract, end, duration, size, what, regular_only, **options)


async def test_days_are_trading_days_up_to_now(lib, open_gateway, connect):
    ib = await connect(await open_gateway())

    bars = await bars_of(ib, lib.Stock("KO", "SMART", "USD"))

    # the clock says Monday the 16th
    assert [bar.date for bar in bars] == [date(2026, 11, day) for day in (10, 11, 12, 13, 16)]
    assert bars[-1].volume < bars[0].volume  # half an hour of trading


async def test_an_end_cuts_history_in_its_zone(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    stock = lib.Stock("KO", "SMART", "USD")

    aware = await bars_of(ib, stock, "30 mins", "1 D", end=datetime(2026, 11, 12, 16, 0, tzinfo=UTC), formatDate=2)
    named = await bars_of(ib, stock, "30 mins", "1 D", end="20261112 11:00:00 US/Eastern", formatDate=2)

    # 09:30, 10:00 and 10:30 in New York
    assert [bar.date for bar in aware] == [
        datetime(2026, 11, 12, *at, tzinfo=UTC) for at in ((14, 30), (15, 0), (15, 30))
    ]
    assert list(named) == list(aware)


async def test_history_reaches_back_to_its_beginning_and_never_beyond_now(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    stock = lib.Stock("KO", "SMART", "USD")

    everything = await bars_of(ib, stock, "1 month", "9999 Y")
    ahead = await bars_of(ib, stock, end="20301231 23:59:59")

    assert everything[0].date == date(1999, 1, 29)  # the last trading day of that month
    assert ahead[-1].date == date(2026, 11, 16)


async def test_extended_hours_are_shown_when_asked_for(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    stock, end = lib.Stock("KO", "SMART", "USD"), "20261113 23:59:59 US/Eastern"

    regular = await bars_of(ib, stock, "1 hour", "1 D", end=end)
    extended = await bars_of(ib, stock, "1 hour", "1 D", end=end, regular_only=False)

    assert len(regular) == 7  # 09:30, 10:00, ... 15:00
    assert len(extended) == 16  # 04:00 to 20:00


async def test_bid_middle_and_ask_lie_a_step_apart(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    euro = lib.Forex("EURUSD")

    bid, middle, ask = [(await bars_of(ib, euro, "1 hour", "1 D", what))[0] for what in ("BID", "MIDPOINT", "ASK")]
    both = (await bars_of(ib, euro, "1 hour", "1 D", "BID_ASK"))[0]

    assert round(middle.open - bid.open, 6) == round(ask.open - middle.open, 6) == 0.00005
    assert (both.open, both.high, both.low, both.close) == (bid.open, ask.high, bid.low, ask.close)
    assert middle.volume == -1


async def test_a_currency_has_no_trades(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    codes = codes_of(ib)

    assert list(await bars_of(ib, lib.Forex("EURUSD"))) == []
    assert codes == [162]


@pytest.mark.parametrize(
    ("size", "duration", "what", "end", "code"),
    [
        ("7 mins", "1 D", "TRADES", "", 321),
        ("1 day", "366 D", "TRADES", "", 321),
        ("1 day", "5 X", "TRADES", "", 321),
        ("1 min", "90000 S", "TRADES", "", 321),
        ("1 day", "5 D", "GOSSIP", "", 321),
        ("1 day", "5 D", "ADJUSTED_LAST", "20261112 11:00:00", 321),
        ("1 day", "5 D", "TRADES", "12.11.2026", 10314),
        ("1 secs", "1 M", "TRADES", "", 162),
        ("1 day", "5 D", "TRADES", "19900101 00:00:00", 162),
        ("1 day", "5 D", "SCHEDULE", "19900101 00:00:00", 162),
        ("1 day", "5 D", "TRADES", "00010101 00:00:00", 162),
        ("1 day", "5 D", "TRADES", "99991231 23:59:59", 10314),
    ],
)
async def test_a_request_that_cannot_be_met_is_refused_by_its_code(
    lib, open_gateway, connect, size, duration, what, end, code
):
    ib = await connect(await open_gateway())
    errors = errors_of(ib)

    ib.client.reqHistoricalData(77, lib.Stock("KO", "SMART", "USD"), end, duration, size, what, True, 1, False, [])
    await until(lambda: errors)

    assert errors == [(77, code)]


async def test_small_bars_are_paced_and_large_ones_are_not(lib, open_gateway, connect):
    ib = await connect(await open_gateway(history_requests=2))
    codes = codes_of(ib)
    stock = lib.Stock("KO", "SMART", "USD")

    for duration in ("60 S", "90 S", "120 S"):
        await bars_of(ib, stock, "5 secs", duration)
    assert codes == [162]

    assert await bars_of(ib, stock, "1 min", "60 S")
    assert codes == [162]


async def test_bid_and_ask_count_twice(lib, open_gateway, connect):
    ib = await connect(await open_gateway(history_requests=3))
    codes = codes_of(ib)
    stock = lib.Stock("KO", "SMART", "USD")

    assert await bars_of(ib, stock, "5 secs", "60 S", "BID_ASK")
    assert not await bars_of(ib, stock, "5 secs", "90 S", "BID_ASK")
    assert codes == [162]


async def test_the_same_small_request_within_fifteen_seconds_breaks_the_pace(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    codes = codes_of(ib)
    stock = lib.Stock("KO", "SMART", "USD")

    assert await bars_of(ib, stock, "5 secs", "60 S")
    assert not await bars_of(ib, stock, "5 secs", "60 S")
    assert codes == [162]


async def test_history_that_stays_up_to_date_grows(lib, open_gateway, connect, clock):
    gateway = await open_gateway()
    ib = await connect(gateway)
    stock = lib.Stock("AAPL", "SMART", "USD")
    bars = await bars_of(ib, stock, "5 mins", "1 D", keepUpToDate=True)
    assert len(bars) == 6  # 09:30 to 10:00

    clock.time += timedelta(minutes=1)
    gateway.market.set_price("AAPL", Decimal(900))
    await until(lambda: len(bars) == 7)
    assert bars[-1].close == bars[-1].high == 900

    ib.cancelHistoricalData(bars)
    await until(lambda: not gateway.market.watchers)


async def test_an_unknown_history_cannot_be_canceled(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    errors = errors_of(ib)

    ib.client.cancelHistoricalData(4)
    ib.client.cancelRealTimeBars(5)
    await until(lambda: len(errors) == 2)

    assert errors == [(4, 366), (5, 300)]


async def test_five_second_bars_come_when_they_are_over(lib, open_gateway, connect, clock):
    gateway = await open_gateway()
    ib = await connect(gateway)
    started = clock.time
    bars = ib.reqRealTimeBars(await qualified(ib, lib.Stock("KO", "SMART", "USD")), 5, "TRADES", True)
    await until(lambda: gateway.market.watchers)

    clock.time += timedelta(seconds=12)
    gateway.market.refresh()
    await until(lambda: len(bars) == 2)

    assert [bar.time for bar in bars] == [started, started + timedelta(seconds=5)]
    assert bars[0].close == float(gateway.market.quote(bars.contract.conId, started + timedelta(seconds=5)).last)
    ib.cancelRealTimeBars(bars)
    await until(lambda: not gateway.market.watchers)


async def test_bars_of_other_lengths_do_not_stream(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    codes = codes_of(ib)

    ib.reqRealTimeBars(await qualified(ib, lib.Stock("KO", "SMART", "USD")), 10, "TRADES", True)
    await until(lambda: codes)

    assert codes == [420]


async def test_history_tells_where_it_begins_and_which_days_it_has(lib, open_gateway, connect):
    ib = await connect(await open_gateway())
    stock = lib.Stock("KO", "SMART", "USD")

    head = await ib.reqHeadTimeStampAsync(stock, "TRADES", True, 1)
    schedule = await ib.reqHistoricalScheduleAsync(stock, 2)

    assert head.year == 1999
    assert [session.refDate for session in schedule.sessions] == ["20261113", "20261116"]
    assert schedule.sessions[0].startDateTime == "20261113-09:30:00"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20261112 11:00:00 US/Eastern", datetime(2026, 11, 12, 16, tzinfo=UTC)),
        ("20261112 11:00:00", datetime(2026, 11, 12, 16, tzinfo=UTC)),
        ("20261112-16:00:00", datetime(2026, 11, 12, 16, tzinfo=UTC)),
        ("20260712 11:00:00 US/Eastern", datetime(2026, 7, 12, 15, tzinfo=UTC)),
        ("", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_end_is_read_in_every_spelling(text, at):
    assert parsed_end(text, datetime(2027, 1, 1, tzinfo=UTC)) == at


def test_a_duration_needs_a_number_above_zero():
    assert parsed_duration("2 W") == (2, "W")
    with pytest.raises(BadBarRequest, match="'0 D'"):
        parsed_duration("0 D")
