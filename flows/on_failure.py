"""On failure: a routine that fails or crashes tells a person, through the outbox."""

from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from blocks.desk import Ledger, load, wall_clock
from blocks.desk_storage import DeskStorage
from tasks.deliver import PATIENCE, deliver_due, send_now
from trading.alerts import Alert, Severity
from trading.errors import LedgerError


async def tell_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Put an alert into the outbox and try to deliver it; Prefect calls this by these parameter names."""
    places = await load(DeskStorage, flow_run.parameters.get("storage", "desk"))
    alert = Alert(
        fingerprint=f"failed {flow_run.id} {flow_run.run_count}",
        severity=Severity.CRITICAL,
        title=f"{flow.name} {state.name}",
        text=f"Run {flow_run.name} ended as {state.name}: {state.message}\nRunning it again is safe.",
        raised_at=wall_clock(),
    )
    try:
        ledger = Ledger.of(places)
        ledger.outbox.raise_alert(alert)
    except LedgerError:
        if places.alerts is not None:  # the outbox is what failed: say it at once, or nobody hears of it
            await send_now(places.alerts, alert)
        return
    await deliver_due(places, ledger, PATIENCE)
