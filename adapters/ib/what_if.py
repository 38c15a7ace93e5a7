"""What-if orders: what IB would ask as margin for an order, without there being one.

A what-if goes the way of an order, so three things keep it from being one: it says `whatIf`, and IB sends none of those
anywhere; it bears no orderRef and stands in no group, so that nothing is found by it; and what IB answers to it goes to
who asked, never to those who follow orders.

Source: "Checking Margin Changes" of the TWS API (https://interactivebrokers.github.io/tws-api/margin.html).
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from adapters.ib.connection import Connection, RequestRefused
from adapters.ib.contracts import ContractRefused
from adapters.ib.decimals import exact
from adapters.ib.library import Library
from adapters.ib.orders import order_fields
from adapters.ib.price_steps import grid_prices
from adapters.ib.session import IbSession
from adapters.ib.snapshots import AT_ONCE
from adapters.ib.values import initial_margin
from trading.errors import BrokerUnavailable
from trading.orders.orders import NewOrderSingle
from trading.risk.trading_facts import BrokerMargin

_NO_ORDER: Mapping[str, Any] = {"whatIf": True, "transmit": True, "orderRef": "", "ocaGroup": "", "parentId": 0}


def make_what_if(library: Library, fields: Mapping[str, Any]) -> Any:
    """Return an order of the library, with the fields, that is none."""
    return library.order(**{**fields, **_NO_ORDER})


async def preview_margin(
    session: IbSession, account: str, orders: Sequence[NewOrderSingle], within: timedelta
) -> BrokerMargin:
    """Return the account's initial margin, and what each order alone would add to it.

    Raises:
        BrokerUnavailable: the connection is lost, or IB did not state the margin in the account's currency.
    """
    connection = await session.ready()
    stated = await connection.ask_account(account, whole=True)
    initial = initial_margin(stated, session.settings.currency)
    changes: dict[str, Decimal] = {}
    untold = {order.cl_ord_id: f"no answer within {within.total_seconds():g} s" for order in orders}
    free = asyncio.Semaphore(AT_ONCE)

    async def ask(order: NewOrderSingle) -> None:
        async with free:
            try:
                changes[order.cl_ord_id] = await _change(session, connection, order)
                del untold[order.cl_ord_id]
            except (RequestRefused, ContractRefused) as exc:
                untold[order.cl_ord_id] = str(exc)
            except BrokerUnavailable as exc:
                untold[order.cl_ord_id] = exc.why

    with suppress(TimeoutError):  # what was told until then counts
        async with asyncio.timeout(within.total_seconds()), asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(ask(order))
    session.require_healthy(connection)
    return BrokerMargin(initial=initial, changes=changes, untold=untold)


async def _change(session: IbSession, connection: Connection, order: NewOrderSingle) -> Decimal:
    await session.contracts.require_counted(connection, order)
    listed = await session.contracts.look_up(connection, order.symbol)
    price, stop_px = grid_prices(listed.steps, order.side, order.price, order.stop_px)
    fields = order_fields(replace(order, price=price, stop_px=stop_px))
    state = await connection.ask_what_if(listed.contract, make_what_if(session.library, fields))
    return exact(state.initMarginChange)
