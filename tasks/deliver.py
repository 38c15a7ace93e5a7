"""Deliver alerts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.alert_channels import AlertChannels
from blocks.desk import Clock, Ledger, wall_clock
from blocks.desk_storage import DeskStorage
from trading.alert_messages import AlertChannel, AlertMessage
from trading.alert_routes import AlertPolicy, AlertRoute, Notice, NoticeKind
from trading.alerts import Alert
from trading.errors import AlertNotDelivered, LedgerError

LOGGER = logging.getLogger(__name__)  # also used in hooks, which have no run's logger
TAKEN = "taken"
PATIENCE = timedelta(seconds=30)  # of a routine; what it leaves is sent by the deliverer, or by the next routine


@task(name="deliver_alerts", cache_policy=NO_CACHE)  # no time-out: a channel that is slow must not fail a routine
async def deliver(storage: DeskStorage, ledger: Ledger) -> int:
    """Send what is due in the outbox, and return how many alerts were taken; what is refused stays due.

    No message is begun after 30 s, and the answer of the last is waited for as long as its channel's time-out says.
    """
    return await deliver_due(storage, ledger, PATIENCE)


async def deliver_due(
    storage: DeskStorage, ledger: Ledger, patience: timedelta | None = None, clock: Clock = wall_clock
) -> int:
    """Send what is due now to each channel apart, and return how many alerts were taken, each channel's counted.

    Args:
        patience: after it no message is begun; None: all that is due is sent, however long that takes.
    """
    if storage.alerts is None:
        return 0
    policy, channels, taken = storage.alerts.policy(), storage.alerts.channels(), 0
    until = None if patience is None else clock() + patience
    while True:
        await asyncio.to_thread(ledger.outbox.plan, policy, clock())
        passed = sum(await asyncio.gather(*(_drain(ledger, policy, channel, clock, until) for channel in channels)))
        if not passed:
            return taken
        taken += passed


async def deliver_for_ever(
    storage: DeskStorage, ledger: Ledger, *, every_seconds: float = 0.5, clock: Clock = wall_clock
) -> None:
    """Deliver until canceled; no channel waits for another, and a ledger that is busy or gone is asked again.

    A message that is under way at the end has no receipt, and is sent again by whoever delivers next.
    """
    if storage.alerts is None:
        return
    policy, channels = storage.alerts.policy(), storage.alerts.channels()

    async def plan() -> None:
        await asyncio.to_thread(ledger.outbox.plan, policy, clock())

    async with asyncio.TaskGroup() as group:
        group.create_task(_again_and_again(plan, every_seconds))
        for channel in channels:
            group.create_task(_again_and_again(partial(_drain, ledger, policy, channel, clock), every_seconds))


async def send_now(alerts: AlertChannels, alert: Alert) -> dict[str, str]:
    """Send one alert past the outbox through every channel, whatever its rules; return the answer of each."""
    message = AlertMessage.of([Notice(alert_id=0, alert=alert, kind=NoticeKind.RAISED)])
    routes, channels = {r.name: r for r in alerts.policy().routes}, alerts.channels()
    answers = await asyncio.gather(*(_answer(c, routes[c.name], message) for c in channels))
    return {channel.name: text for channel, (_, text) in zip(channels, answers, strict=True)}


async def _again_and_again(work: Callable[[], Awaitable[object]], every_seconds: float) -> None:
    while True:
        try:
            await work()
        except LedgerError as exc:
            LOGGER.error("Alerts cannot be delivered: %s", exc)
        await asyncio.sleep(every_seconds)


async def _drain(
    ledger: Ledger, policy: AlertPolicy, channel: AlertChannel, clock: Clock, until: datetime | None = None
) -> int:
    """Send the channel what it may have now, message by message, and return how many alerts it took."""
    route, taken = next(r for r in policy.routes if r.name == channel.name), 0
    while until is None or clock() < until:
        message = await asyncio.to_thread(ledger.outbox.take, policy, route, clock())
        if message is None:
            break
        delivered, text = await _answer(channel, route, message.message)
        record = partial(ledger.outbox.record, message, policy, delivered=delivered, text=text, now=clock())
        await asyncio.to_thread(record)
        taken += len(message.notices) if delivered else 0
    return taken


async def _answer(channel: AlertChannel, route: AlertRoute, message: AlertMessage) -> tuple[bool | None, str]:
    """Return whether the channel took the message, None where nobody can know, and its words."""
    seconds = route.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            await channel.send(message)
    except TimeoutError:
        delivered, text = None, f"{channel.name} did not answer in {seconds:g} s; it may have taken it"
    except AlertNotDelivered as exc:
        delivered, text = False, exc.why
    else:
        return True, TAKEN
    LOGGER.error("%s was not delivered: %s", message.title, text)
    return delivered, text
