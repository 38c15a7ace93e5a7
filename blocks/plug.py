"""The plug: everything is canceled at every gateway that this desk trades at, with neither Prefect nor the ledger."""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

from blocks.routes import Route, known_routes
from trading.errors import TradingError


async def pull_the_plug(home: Path, account: str | None = None, *, but_for: Collection[str] = ()) -> list[str]:
    """Cancel everything at all gateways at once; a login is canceled whole, whichever account is meant.

    Args:
        account: only at the gateway of that one; None means all.
        but_for: accounts whose gateways are left alone.

    Returns:
        A line for each account.
    """
    return await cancel_at([r for r in known_routes(home) if account in (None, r.account) and r.account not in but_for])


async def cancel_at(routes: Sequence[Route]) -> list[str]:
    """Cancel everything at these gateways at once, and return a line for each account."""
    return list(await asyncio.gather(*(_pull(route) for route in routes)))


async def _pull(route: Route) -> str:
    from adapters.ib.global_cancel import cancel_everything

    try:
        await cancel_everything(route.settings)
    except TradingError as exc:
        return f"{route.account}: {exc}"
    return f"{route.account}: the gateway was told to cancel everything"
