"""Every quote and trade of Alpaca's stream, against a server on loopback."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgpack
import pytest

from adapters.alpaca_quote_stream import AlpacaQuoteStream
from adapters.tapped_ticks import TappedTicks
from adapters.tick_buffer import TickBuffer
from adapters.tick_tap import TickTap, microseconds
from tests.adapters.alpaca_server import AlpacaStream
from tests.adapters.ib.ib_desk import until
from tests.adapters.taken_ticks import EVER, taken, together
from trading.errors import SourceUnavailable

NOW = datetime(2024, 3, 15, 15, 0, tzinfo=UTC)


@pytest.fixture
async def alpaca() -> AsyncIterator[AlpacaStream]:
    async with AlpacaStream() as server:
        yield server


def ticks_of(alpaca: AlpacaStream, folder: Path, *, most_quotes: int = 1000) -> TappedTicks:
    tap = TickTap(TickBuffer(most_quotes=most_quotes))
    stream = AlpacaQuoteStream(
        access=alpaca.access(folder), now=lambda: NOW, reconnect_after=timedelta(seconds=0.02), tap=tap
    )
    return TappedTicks("alpaca", stream, tap, again_after=timedelta(seconds=0.02))


async def test_every_trade_is_told_once_in_order_over_a_cut_connection_and_quotes_are_conflated_counted(
    alpaca: AlpacaStream, tmp_path: Path
):
    ticks = ticks_of(alpaca, tmp_path, most_quotes=10)
    await ticks.subscribe({"AAPL": 3, "MSFT": 1})

    batches = []
    for n in range(60):
        await alpaca.quote("AAPL", 10 + n, None if n == 59 else 11 + n, NOW - timedelta(seconds=n))
        await alpaca.trade("AAPL", 126.55 + n, n + 1, NOW + timedelta(microseconds=n))
        if n == 30:
            batches.append(await taken(ticks, trades=31))
            alpaca.cut()
            await until(lambda: alpaca.subscribed_trades == {"AAPL", "MSFT"})
    batch = together(*batches, await taken(ticks, trades=29, quotes=1))

    assert batch.trade_px.tolist() == [126.55 + n for n in range(60)]
    assert batch.trade_size.tolist() == [n + 1 for n in range(60)]
    assert batch.traded_at.tolist() == [microseconds(NOW) + n for n in range(60)]
    assert set(batch.trade_received_at) == {microseconds(NOW)}
    assert set(batch.trade_symbol) == {3}
    assert len(batch.bid) + ticks.conflated == 60
    assert ticks.conflated > 0
    assert batch.bid[-1] == 69
    assert str(batch.ask[-1]) == "nan"
    assert batch.quoted_at[-1] == microseconds(NOW - timedelta(seconds=59)), "late, and told as it is"
    await ticks.close()


async def test_quotes_and_trades_of_a_symbol_take_two_channels_and_what_is_refused_is_had_later(
    alpaca: AlpacaStream, tmp_path: Path
):
    alpaca.limit = 3
    ticks = ticks_of(alpaca, tmp_path)
    await ticks.subscribe({"AAPL": 0})

    with pytest.raises(SourceUnavailable, match="MSFT: 405: symbol limit exceeded"):
        await ticks.subscribe({"MSFT": 1})
    problems = dict(ticks.problems())
    alpaca.limit = 4
    await until(lambda: alpaca.subscribed_trades == {"AAPL", "MSFT"})

    assert problems == {"MSFT": "405: symbol limit exceeded"}
    assert ticks.problems() == {}
    await ticks.close()


async def test_a_stale_symbol_is_subscribed_anew_and_one_that_is_unsubscribed_tells_no_more(
    alpaca: AlpacaStream, tmp_path: Path
):
    ticks = ticks_of(alpaca, tmp_path)
    await ticks.subscribe({"AAPL": 0, "MSFT": 1})

    await ticks.subscribe({"AAPL": 0})
    await until(lambda: alpaca.subscriptions == 2)
    await ticks.unsubscribe(["MSFT"])
    await until(lambda: alpaca.subscribed_trades == {"AAPL"})
    await alpaca.trade("MSFT", 1, 1)
    await alpaca.trade("AAPL", 2, 1)

    assert (await taken(ticks, trades=1)).trade_px.tolist() == [2.0]
    await ticks.close()


@pytest.mark.parametrize("message", [{"p": "NaN", "s": 1}, {"p": 10, "s": -1}, {"p": 10, "s": 1, "t": "today"}])
async def test_a_trade_that_makes_no_sense_is_a_problem_of_its_symbol(
    alpaca: AlpacaStream, tmp_path: Path, message: dict[str, object]
):
    ticks = ticks_of(alpaca, tmp_path)
    await ticks.subscribe({"AAPL": 0})

    await alpaca.send([{"T": "t", "S": "AAPL", "t": msgpack.Timestamp(1)} | message])
    await until(ticks.problems)

    assert len(ticks.take(EVER)) == 0
    assert set(ticks.problems()) == {"AAPL"}
    await ticks.close()
