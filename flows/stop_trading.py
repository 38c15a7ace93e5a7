"""The button: stop an account from Prefect's page, in a run, and so in a process and a broker session, of its own."""

from decimal import Decimal
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import Field

from blocks.desk import open_desk, wall_clock
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.deliver import deliver
from tasks.stop import stop_account
from tasks.tell import tell_stopped
from trading.orders.flatten import FlattenRules


@flow(name="stop-trading", retries=0, on_failure=[tell_failure], on_crashed=[tell_failure])
async def stop_trading(
    reason: Annotated[str, Field(min_length=1)],
    account: str = "paper",
    flatten: bool = False,
    limit_band_pct: Annotated[Decimal | None, Field(gt=0, lt=100)] = None,
    storage: str = "desk",
) -> State[Any]:
    """Halt an account, cancel all that works, and close all that is held if asked; it holds until it is resumed.

    `openbell stop` does the same without Prefect, and for all accounts at once. Running it again is safe.

    Args:
        reason: Why; kept with the halt.
        account: Name of the broker account block.
        flatten: Also close all positions.
        limit_band_pct: Close by limit orders this far beyond the last price, in per cent. Empty: by market orders.
        storage: Name of the desk storage block.
    """
    desk = await open_desk(account, storage)
    stopped = await stop_account(
        desk,
        reason=reason,
        flatten=FlattenRules(limit_band_pct=limit_band_pct) if flatten else None,
        clock=wall_clock,
        actor=f"stop-trading {runtime.flow_run.name}",
    )
    tell_stopped(desk, reason, stopped.lines(), wall_clock())
    await deliver(desk.storage, desk.ledger)
    message = "\n".join(stopped.lines())
    return ended(message) if stopped.is_safe else Failed(message=message)
