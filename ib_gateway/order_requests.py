"""What clients ask about orders and executions, by message id."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ib_gateway.client import Client
from ib_gateway.executions import Execution
from ib_gateway.order_layout import PLACE_ORDER, read_order
from ib_gateway.orders import NEW_YORK, ib_time
from ib_gateway.wire import Reader

if TYPE_CHECKING:
    from ib_gateway.gateway import Gateway

Handler = Callable[[Client, Reader], Awaitable[None]]
PLACE: Final = 3


async def place_order(client: Client, message: Reader) -> None:
    """Take a new order, a change of one, or a what-if."""
    order_id = message.integer()
    fields = read_order(message, PLACE_ORDER)
    client.gateway.teller.when_linked(lambda: client.gateway.exchange.place(client, order_id, fields))


async def cancel_order(client: Client, message: Reader) -> None:
    """Cancel one order of this client."""
    message.integer()
    order_id = message.integer()
    client.gateway.teller.when_linked(lambda: client.gateway.exchange.cancel(client, order_id))


async def global_cancel(client: Client, message: Reader) -> None:
    """Cancel everything that works, whoever placed it."""
    del message
    client.gateway.teller.when_linked(client.gateway.exchange.cancel_everything)


async def open_orders(client: Client, message: Reader) -> None:
    """Tell the open orders of this client, and for client 0 those placed by hand."""
    del message
    for order in list(client.gateway.exchange.working()):
        bound = client.binds_manual_orders and order.order_id <= 0
        if order.client_id == client.client_id or bound:
            client.post(5, *order.open_fields(client.server_version))
            client.post(3, *order.status_fields())
    await client.send(53, 1)


async def all_open_orders(client: Client, message: Reader) -> None:
    """Tell the open orders of all clients."""
    del message
    for order in list(client.gateway.exchange.working()):
        await client.send(5, *order.open_fields(client.server_version))
        await client.send(3, *order.status_fields())
    await client.send(53, 1)


async def auto_open_orders(client: Client, message: Reader) -> None:
    """Give orders placed by hand to client 0 from now on."""
    message.integer()
    if client.client_id != 0:
        await client.error(-1, 321, "Error validating request.-'bM' : cause - Only client 0 can bind manual orders")
        return
    client.binds_manual_orders = message.boolean()


async def completed_orders(client: Client, message: Reader) -> None:
    """Tell today's filled and canceled orders, on request only those that came from clients."""
    api_only = message.boolean()
    for order in list(client.gateway.exchange.orders.values()):
        ended = order.completed_at or order.entered_at
        if order.is_done and is_recent(client.gateway, ended) and not (api_only and order.order_id <= 0):
            await client.send(101, *order.completed_fields(client.server_version))
    await client.send(102)


async def executions(client: Client, message: Reader) -> None:
    """Tell today's executions that match a filter, each with its commission."""
    message.integer()
    req_id = message.integer()
    wanted_client, account, since, symbol, sec_type, exchange, side = message.integer(), *message.texts(6)
    after = ib_time(since) if since else None
    texts = {"account": account, "symbol": symbol, "sec_type": sec_type, "exchange": exchange}
    told: list[Execution] = []
    for execution in client.gateway.exchange.executions():
        other_client = wanted_client and execution.client_id != wanted_client
        too_old = (after is not None and execution.at < after) or not is_recent(client.gateway, execution.at)
        if not (other_client or too_old) and _matches(execution, texts, side):
            await client.send(11, *execution.details(req_id, client.server_version))
            told.append(execution)
    for execution in told:
        if execution.moves_position and client.gateway.teller.may_see_commission(client, execution):
            await client.send(59, *execution.commission_report())
    await client.send(55, 1, req_id)


def is_recent(gateway: "Gateway", at: datetime) -> bool:
    """Return whether something happened since the midnight from which the gateway still tells."""
    midnight = gateway.now().astimezone(ZoneInfo(NEW_YORK)).replace(hour=0, minute=0, second=0, microsecond=0)
    return at >= midnight - timedelta(days=gateway.settings.days_of_executions - 1)


def _matches(execution: Execution, texts: Mapping[str, str], side: str) -> bool:
    own = {
        "account": execution.account,
        "symbol": execution.contract.symbol,
        "sec_type": execution.contract.sec_type,
        "exchange": execution.exchange,
    }
    sides = {"BUY": "BOT", "SELL": "SLD"}
    if side and sides.get(side.upper(), side.upper()) != execution.side:
        return False
    return all(not wanted or wanted == own[name] for name, wanted in texts.items())


async def next_id(client: Client, message: Reader) -> None:
    """Tell the next order id."""
    del message
    await client.send(9, 1, client.gateway.exchange.next_order_id(client.client_id))


HANDLERS: Final[Mapping[int, Handler]] = MappingProxyType(
    {
        PLACE: place_order,
        4: cancel_order,
        5: open_orders,
        7: executions,
        8: next_id,
        15: auto_open_orders,
        16: all_open_orders,
        58: global_cancel,
        99: completed_orders,
    }
)
