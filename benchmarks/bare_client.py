"""The client library alone, in a process of its own: orders that stay at work, or a cancel of everything."""

import asyncio
import sys

import ib_async

SYMBOLS = ("AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO")
_TRADER, _STOPPER = 10, 12
_PATIENCE = 30  # s


async def trade(port: int, count: int) -> None:
    """Place orders that no market reaches, say so, and wait for ever."""
    ib = ib_async.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=_TRADER)
    contracts = await ib.qualifyContractsAsync(*(ib_async.Stock(symbol, "SMART", "USD") for symbol in SYMBOLS))
    for number in range(count):
        order = ib_async.LimitOrder("BUY", 1, 1.0, account="DU1234567", tif="DAY", orderRef=f"o-{number}")
        ib.placeOrder(contracts[number % len(contracts)], order)
    async with asyncio.timeout(_PATIENCE):
        while sum(trade.orderStatus.status == "Submitted" for trade in ib.trades()) < count:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    print("working", flush=True)
    await asyncio.Event().wait()


async def cancel(port: int) -> None:
    """Cancel everything, and end when the gateway has read it."""
    ib = ib_async.IB()
    await ib.connectAsync("127.0.0.1", port, clientId=_STOPPER)
    ib.reqGlobalCancel()
    await ib.reqCurrentTimeAsync()
    ib.disconnect()


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    asyncio.run({"trade": trade, "cancel": cancel}[what](*map(int, numbers)))
