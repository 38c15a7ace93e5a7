"""In the middle of a session: our books against the broker's, without closing the day."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.desk import open_desk, wall_clock
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.deliver import deliver
from tasks.reconcile import reconcile_books
from trading.market.calendars import TradingCalendar

LOOK_AGAIN_SECONDS = 3.0  # a fill is told with its commission, for which the broker is given two


@flow(
    name="check-books",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def check_books(account: str = "paper", storage: str = "desk") -> State[Any]:
    """Compare orders, executions, positions and cash with the broker while the session is open.

    It sends nothing, and takes no lease: it never keeps the desk from trading. A break is recorded, told and locks its
    symbol as after the close; what the session was worth is said by reconcile-day.

    Args:
        account: Name of the broker account block.
        storage: Name of the desk storage block.
    """
    desk = await open_desk(account, storage)
    now = wall_clock()
    if not is_open(desk.market.calendar, now):
        return ended(f"{desk.market.calendar.mic} is closed; reconcile-day compares after the close", name="Skipped")
    session = desk.market.calendar.local_date(now)
    outcome = await reconcile_books(desk, session, wall_clock, look_again_seconds=LOOK_AGAIN_SECONDS)
    await deliver(desk.storage, desk.ledger)
    message = f"{session}, {outcome.reconciled_at:%H:%M} UTC: {len(outcome.breaks)} breaks"
    return ended(message, name="Breaks" if outcome.breaks else None)


def is_open(calendar: TradingCalendar, now: datetime) -> bool:
    """Tell whether the exchange trades at that time."""
    day = calendar.local_date(now)
    return calendar.is_session(day) and calendar.open_at(day) <= now < calendar.close_at(day)
