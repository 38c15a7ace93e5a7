"""The deliverer: a process beside the desk that sends alerts, and tells an outside monitor whether the desk is well.

The watchdog keeps it running while channels are kept. It needs no Prefect server. Of it and a run that delivers, too,
the outbox lets one have each message.
"""

import asyncio
import logging
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.kept_channels import channels_path, kept_channels
from cli.dead_watches import dead_watches
from cli.prefect_server import is_healthy, server_in_use
from cli.prepare import desk_storage
from cli.watchdog import watchdog_row
from trading.errors import AlertNotDelivered, LedgerError

if TYPE_CHECKING:
    from adapters.outside_monitor import OutsideMonitor
    from adapters.sql.outbox import SqlOutbox

LOGGER = logging.getLogger("deliverer")
_LOOK_SECONDS = 5.0
_TOLD_WITHIN = timedelta(minutes=5)  # of what is grave; a channel that was down for a moment has taken it by then


async def deliver_beside(home: Path, ping_seconds: float) -> None:
    """Deliver and ping until other channels are kept, or none, or the process that started this one is gone."""
    from adapters.sql.ledger import Ledger
    from tasks.deliver import deliver_for_ever

    began_with, parent = _content(home), os.getppid()
    alerts = kept_channels(home)
    if alerts is None:
        return
    storage, monitor = desk_storage(home).model_copy(update={"alerts": alerts}), alerts.monitor()
    ledger = Ledger.of(storage)
    async with asyncio.TaskGroup() as group:
        works = [group.create_task(deliver_for_ever(storage, ledger))]
        if monitor is not None:
            works.append(group.create_task(ping_for_ever(home, monitor, ledger.outbox, ping_seconds)))
        while _content(home) == began_with and os.getppid() == parent:  # noqa: ASYNC110 - others change both
            await asyncio.sleep(1)
        for work in works:
            work.cancel()


async def ping_for_ever(home: Path, monitor: "OutsideMonitor", outbox: "SqlOutbox", every_seconds: float) -> None:
    """Tell the monitor whether the desk is well, every so often and whenever that has changed."""
    told, told_at = "", -float("inf")
    while True:
        try:
            found = await asyncio.to_thread(trouble, home, outbox, datetime.now(UTC))
            if found != told or time.monotonic() - told_at >= every_seconds:
                await monitor.ping(ok=not found)
                if found != told:
                    LOGGER.warning("Told the outside monitor: %s", found or "all is well")
                told, told_at = found, time.monotonic()
        except AlertNotDelivered as exc:
            LOGGER.error("%s", exc)
        except Exception:  # a face: alerts go out all the same, and the monitor, hearing nothing, raises the alarm
            LOGGER.exception("Could not look")
        await asyncio.sleep(min(_LOOK_SECONDS, every_seconds))


def trouble(home: Path, outbox: "SqlOutbox", now: datetime) -> str:
    """Return why the desk is not well, in one sentence; empty when it is.

    Well is: all of it is up, watches that should, and tells what is grave.
    """
    row = watchdog_row(home, now)
    if row != "looks":
        return f"The watchdog: {row}."
    dead = next(dead_watches(home, now), None)
    if dead is not None:
        return f"{dead.account}: {dead.text}"
    try:
        overdue = outbox.overdue(now - _TOLD_WITHIN)
    except LedgerError as exc:
        return f"Nothing can be told: {exc}"
    if overdue is not None:
        return f"Alert {overdue} is grave, and for {_TOLD_WITHIN.total_seconds() / 60:.0f} minutes no channel took it."
    server = server_in_use(home)
    if server is None or not any(is_healthy(home, server.port) for _ in range(2)):  # it may be busy for a moment
        return "Prefect's server does not answer."
    return ""


def _content(home: Path) -> bytes | None:
    try:
        return channels_path(home).read_bytes()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(message)s")
    asyncio.run(deliver_beside(Path(sys.argv[1]), float(sys.argv[2])))
