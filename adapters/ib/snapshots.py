"""Snapshots: quotes of many contracts at one moment, no more of them open at once than a user has lines."""

import asyncio
from collections.abc import Mapping
from typing import Any

from adapters.ib.connection import Connection, RequestRefused
from adapters.ib.ib_settings import IbSettings
from adapters.ib.quote_lines import NUMBERS, QuoteLine
from adapters.request_budget import Priority
from trading.market.quotes import QuoteKind

AT_ONCE = 40  # a second's worth of messages: more would wait in the library, and be late before they are sent


async def take_snapshots(
    connection: Connection, contracts: Mapping[str, Any], wanted: QuoteKind, settings: IbSettings
) -> dict[str, QuoteLine]:
    """Return what was heard of each contract; one that IB refuses has that as its `error`.

    Args:
        contracts: the library's, by name.
        wanted: what IB is asked for where live data are not to be had; it holds for the whole connection.

    Raises:
        BrokerUnavailable: IB did not answer.
    """
    await connection.post(lambda: connection.client.reqMarketDataType(NUMBERS[wanted]), Priority.DATA)
    free = asyncio.Semaphore(min(AT_ONCE, settings.quote_lines))

    async def take(line: QuoteLine, contract: Any) -> QuoteLine:
        async with free:
            try:
                for what, value in await connection.ask_snapshot(contract):
                    line.take(what, value)
            except RequestRefused as exc:
                line.error = str(exc)
        return line

    try:
        async with asyncio.TaskGroup() as group:
            taking = [group.create_task(take(QuoteLine(name), contract)) for name, contract in contracts.items()]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # one of them is enough; the others were called off
    return {line.symbol: line for line in (task.result() for task in taking)}
