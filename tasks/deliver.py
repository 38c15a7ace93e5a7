"""Deliver alerts."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Ledger, wall_clock
from blocks.desk_storage import DeskStorage
from trading.errors import AlertNotDelivered

LOGGER = logging.getLogger(__name__)  # also used in hooks, which have no run's logger
AT_ONCE = 20  # alerts in one message


@task(name="deliver_alerts", timeout_seconds=60, cache_policy=NO_CACHE)
async def deliver(storage: DeskStorage, ledger: Ledger) -> int:
    """Send what is due in the outbox, and return how many alerts were taken; what is refused stays due."""
    return await deliver_due(storage, ledger)


async def deliver_due(storage: DeskStorage, ledger: Ledger) -> int:
    """Send what is due, record the receipt or the refusal."""
    due, taken = ledger.outbox.due(), 0
    if storage.alerts is None:
        return 0
    for start in range(0, len(due), AT_ONCE):
        alerts, refusal = due[start : start + AT_ONCE], ""
        try:
            await storage.alerts.sender().send(alerts)
        except AlertNotDelivered as exc:
            refusal = str(exc)
            LOGGER.error("%s", exc)
        ledger.outbox.record_delivery(alerts, delivered=not refusal, text=refusal, now=wall_clock())
        taken += 0 if refusal else len(alerts)
    return taken
