"""Deliver alerts."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from blocks.desk import Ledger, wall_clock
from blocks.desk_storage import DeskStorage
from trading.errors import AlertNotDelivered


@task(name="deliver_alerts", timeout_seconds=60, cache_policy=NO_CACHE)
async def deliver(storage: DeskStorage, ledger: Ledger) -> int:
    """Send what is due in the outbox, and return how many alerts were taken; what is refused stays due."""
    return await deliver_due(storage, ledger)


async def deliver_due(storage: DeskStorage, ledger: Ledger) -> int:
    """Send what is due, record the receipt or the refusal."""
    due = ledger.outbox.due()
    if not due or storage.alerts is None:
        return 0
    try:
        await storage.alerts.sender().send(due)
    except AlertNotDelivered as exc:
        get_run_logger().error("%s", exc)
        ledger.outbox.record_delivery(due, delivered=False, text=str(exc), now=wall_clock())
        return 0
    ledger.outbox.record_delivery(due, delivered=True, text="", now=wall_clock())
    return len(due)
