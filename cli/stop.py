"""Stop: cancel what is working at the broker."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.accounts import block_name
from trading.errors import TradingError

if TYPE_CHECKING:
    from blocks.desk import Desk
    from blocks.routes import Route


class NotAllCanceled(TradingError):
    """The desk is halted, but some orders may still trade."""

    def __init__(self, accounts: Sequence[str]) -> None:
        self.accounts = tuple(accounts)
        super().__init__(
            f"the desk is halted, but orders of {', '.join(accounts)} may still trade; "
            "run `openbell stop` again, or cancel them at the broker"
        )


async def pull_the_plug(home: Path) -> list[str]:
    """Cancel everything at every gateway that this desk trades at, all at once, with neither Prefect nor the ledger.

    Returns:
        A line for each account.
    """
    from blocks.routes import known_routes

    return list(await asyncio.gather(*(_pull(route) for route in known_routes(home))))


async def _pull(route: "Route") -> str:
    from adapters.ib.global_cancel import cancel_everything

    try:
        await cancel_everything(route.settings)
    except TradingError as exc:
        return f"{route.account}: {exc}"
    return f"{route.account}: the gateway was told to cancel everything"


async def cancel_working(accounts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Ask each account's broker to cancel every working order; a failing account does not keep the others from it.

    Returns:
        A line for each account, and the accounts of which something may still trade.
    """
    from blocks.desk import wall_clock
    from tasks.cancel import cancel_orders

    lines, unsafe = [], []
    for account in accounts:
        try:
            done = await cancel_orders((await _desk_of(account)).as_stopper(), wall_clock)
        except TradingError as exc:
            lines.append(f"{account}: {exc}")
            unsafe.append(account)
            continue
        lines += [f"{account}: {done.done} orders canceled or done, {done.still_open} still open", *done.errors]
        if done.still_open:
            unsafe.append(account)
    return lines, unsafe


async def _desk_of(account: str) -> "Desk":
    from blocks.desk import open_desk

    return await open_desk(await block_name(account), "desk")
