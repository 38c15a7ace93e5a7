"""Ticks: how many the adapter takes in a second, and the bare client library, from the same flood."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.quotes import IbQuotes
from adapters.ib.sessions import Sessions
from benchmarks.ib_desks import BARE_CLIENT_ID, LIBRARY, SYMBOLS, GatewayChild, bare_library, running_gateway
from benchmarks.measurement import Measurement, Run, at_least, percentile

_PATIENCE = 60  # s


def ticks(run: Run) -> Iterator[Measurement]:
    """Take in a flood of bids on 20 lines, as fast as the gateway sends."""
    count, rates, bare = (5_000 if run.quick else 200_000), [], []
    with running_gateway() as gateway:
        for _ in range(run.repeats(5)):
            rates.append(count / asyncio.run(_ours(gateway, count)))
            bare.append(count / asyncio.run(_bare(gateway, count)))
    value = percentile(rates, 50)
    yield Measurement(
        name="ib.ticks",
        value=value,
        unit="ticks/s",
        baseline=percentile(bare, 50),
        note=f"{count:,} bids on {len(SYMBOLS)} lines until the last is in the adapter's quotes, the gateway in a "
        f"process of its own; baseline: {LIBRARY} alone, until the last is in its tickers",
        aim=at_least(value, 50_000),
    )


class _CountingClock:
    """Tells the time, and how often it was asked: once for each tick that reached a quote."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> datetime:
        self.count += 1
        return datetime.now(UTC)


async def _ours(gateway: GatewayChild, count: int) -> float:
    clock, sessions = _CountingClock(), Sessions()
    settings = IbSettings(port=gateway.port, library=LIBRARY)
    quotes = IbQuotes(settings=settings, now=clock, sessions=sessions)
    await quotes.subscribe(SYMBOLS)
    await _until(lambda: all(quote.last for quote in quotes.quotes().values()))
    flooding, before, started = (
        _flood(gateway, settings.client_id_of(Role.DATA), count),
        clock.count,
        time.perf_counter(),
    )
    await _until(lambda: clock.count >= before + count)
    took = time.perf_counter() - started
    await flooding
    await sessions.close_all()
    return took


async def _bare(gateway: GatewayChild, count: int) -> float:
    library, heard = bare_library(), 0

    def hear(tickers: Any) -> None:
        nonlocal heard
        heard += sum(len(ticker.ticks) for ticker in tickers)

    ib = library.IB()
    await ib.connectAsync("127.0.0.1", gateway.port, clientId=BARE_CLIENT_ID)
    contracts = await ib.qualifyContractsAsync(*(library.Stock(symbol, "SMART", "USD") for symbol in SYMBOLS))
    tickers = [ib.reqMktData(contract) for contract in contracts]
    await _until(lambda: all(ticker.last > 0 for ticker in tickers))
    ib.pendingTickersEvent += hear
    flooding, started = _flood(gateway, BARE_CLIENT_ID, count), time.perf_counter()
    await _until(lambda: heard >= count)
    took = time.perf_counter() - started
    await flooding
    ib.disconnect()
    return took


def _flood(gateway: GatewayChild, client_id: int, count: int) -> "asyncio.Task[dict[str, Any]]":
    return asyncio.create_task(asyncio.to_thread(gateway.do, "flood", client_id=client_id, ticks=count))


async def _until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not true():  # noqa: ASYNC110 - a count has no event to wait for
            await asyncio.sleep(0.005)
