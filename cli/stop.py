"""Stop: cancel what is working at the broker."""

from collections.abc import Sequence


async def cancel_working(accounts: Sequence[str]) -> list[str]:
    """Ask each account's broker to cancel every working order, and return a line for each account."""
    from blocks.desk import open_desk, wall_clock
    from tasks.cancel import cancel_orders

    lines = []
    for account in accounts:
        desk = await open_desk(account, "desk")
        orders = await cancel_orders(desk, wall_clock)
        left = [o for o in orders if o.ord_status.is_open]
        lines.append(f"{account}: {len(orders) - len(left)} orders canceled or done, {len(left)} still open")
    return lines
