"""A simulated IB Gateway in a process of its own, moved by lines of JSON: `{"do": "flood", ...}` in, an answer out."""

import asyncio
import json
import sys
from typing import Any

from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.market_firehose import firehose


async def serve(settings: GatewaySettings) -> None:
    """Serve until there is nothing more to read."""
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    async with Gateway(settings) as gateway:
        _say({"port": gateway.port})
        while line := await lines.readline():
            _say(await _obey(gateway, **json.loads(line)))


async def _obey(gateway: Gateway, do: str, *, client_id: int = 0, ticks: int = 0) -> dict[str, Any]:
    if do == "flood":
        client = next(c for c in gateway.clients if c.client_id == client_id)
        return {"seconds": await firehose(client, ticks=ticks)}
    orders = gateway.accepted
    ended = [order.completed_at.timestamp() for order in orders if order.completed_at is not None]
    return {
        "orders": len(orders),
        "working": sum(not order.is_done for order in orders),
        "last_ended_at": max(ended, default=None),
    }


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(GatewaySettings.model_validate_json(sys.argv[1])))
