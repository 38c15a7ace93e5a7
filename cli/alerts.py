"""`openbell alerts`: what is open, a person's word that it is seen to, and whether the channels work."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cyclopts import App, Parameter

from cli.pages import show
from cli.prepare import PREFECT_PORT, home_folder
from cli.shell import open_outbox, person, prefect, say
from trading.alerts import Alert, AlertState, Severity
from trading.errors import InvalidValue

alerts = App(name="alerts", help="See which alerts are open, acknowledge them, and try the channels.")
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
_SEVERAL = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@alerts.default
def list_alerts(*, as_json: Json = False) -> None:
    """List the open alerts, the gravest first: how old they are, who was told and who has acknowledged them."""
    show("Open alerts", alert_rows(open_outbox().open(), datetime.now(UTC)), as_json=as_json)


@alerts.command
def ack(
    alert: Annotated[int, Parameter(help="Number of the alert, as `openbell alerts` shows it.")],
    *,
    note: Annotated[str, Parameter(help="What is done about it; kept in the audit trail.")] = "",
) -> None:
    """Acknowledge an alert by your name: it is neither repeated nor escalated any more."""
    state = open_outbox().acknowledge(alert, actor=person(), note=note, now=datetime.now(UTC))
    still = "; it stays open until it is over" if state.is_open else ""
    say(f"Alert {alert} is acknowledged{still}: {state.alert.title}", markup=False)


@alerts.command(name="test")
def try_channels(
    *,
    port: Annotated[int, Parameter(help="Port of the Prefect server, on the loopback address.")] = PREFECT_PORT,
    as_json: Json = False,
) -> int:
    """Send a test alert through every channel at once, and show the answer of each."""
    with prefect(home_folder(), port):
        rows = asyncio.run(_test_rows())
    show("Answers of the channels", rows, as_json=as_json)
    return 0 if all(row["delivered"] == "yes" for row in rows) else 1


def alert_rows(states: tuple[AlertState, ...], now: datetime) -> list[dict[str, Any]]:
    """Return one row per alert."""
    return [
        {
            "alert": s.alert_id,
            "severity": s.alert.severity.value,
            "title": s.alert.title,
            "age": _age(now - s.alert.raised_at),
            "count": s.count,
            "told": ", ".join(name or "before channels had names" for name in s.told),
            "waits for": ", ".join(s.waiting),
            "acknowledged by": f"{s.acknowledged.actor}: {s.acknowledged.note}" if s.acknowledged else None,
        }
        for s in states
    ]


async def _test_rows() -> list[dict[str, Any]]:
    from blocks.desk import load
    from blocks.desk_storage import DeskStorage
    from tasks.deliver import TAKEN, send_now

    storage = await load(DeskStorage, "desk")
    if storage.alerts is None:
        rule = "an Openbell Alert Channels block; make one on the UI's Blocks page and choose it there"
        raise InvalidValue("alerts of the desk storage block", "nobody", rule)
    now = datetime.now(UTC)
    tried = Alert(
        fingerprint=f"test {now.isoformat()}",
        severity=Severity.INFO,
        title="A test",
        text=f"Sent by {person()} to see whether alerts arrive. Nothing is wrong.",
        raised_at=now,
    )
    answers = await send_now(storage.alerts, tried)
    return [
        {"channel": name, "delivered": "yes" if text == TAKEN else "NO", "answer": text}
        for name, text in answers.items()
    ]


def _age(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    return next(f"{seconds // size} {unit}" for size, unit in _SEVERAL if seconds >= size or size == 1)
