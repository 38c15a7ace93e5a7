"""A person sees at the shell what is open, says that it is seen to, and is told when that cannot be said."""

import getpass
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.sql.ledger import Ledger, LedgerPlace
from adapters.sql.schema import migrate
from tests.cli.shell import openbell_in_turn
from trading.alerts import Alert, Severity


def test_open_alerts_are_listed_acknowledged_once_and_leave_their_trail(tmp_path: Path):
    migrate(LedgerPlace(home=tmp_path).engine())
    raised_at = datetime.now(UTC) - timedelta(minutes=7, seconds=5)
    for name, lasting, severity in (("order", False, Severity.CRITICAL), ("feed", True, Severity.EMERGENCY)):
        alert = Alert(
            fingerprint=name, severity=severity, title=f"The {name}", text="", raised_at=raised_at, lasting=lasting
        )
        Ledger.of(LedgerPlace(home=tmp_path)).outbox.raise_alert(alert)

    listed, acked, lasts, again, left, audit = openbell_in_turn(
        tmp_path,
        [
            ["alerts", "--json"],
            ["alerts", "ack", "1", "--note", "asked the broker"],
            ["alerts", "ack", "2"],
            ["alerts", "ack", "1"],
            ["alerts", "--json"],
            ["audit"],
        ],
    )

    rows = json.loads(listed.out)
    assert [(r["alert"], r["severity"], r["age"], r["count"]) for r in rows] == [
        (2, "emergency", "7 min", 1),
        (1, "critical", "7 min", 1),
    ]
    assert (acked.exit_code, lasts.exit_code, again.exit_code, audit.exit_code) == (0, 0, 1, 0)
    assert "stays open until it is over: The feed" in " ".join(lasts.out.split())
    assert f"{getpass.getuser()} did at" in again.err
    assert [r["title"] for r in json.loads(left.out)] == ["The feed"]


def test_alerts_are_read_without_what_takes_seconds_to_load():
    loaded = "import sys, cli.alerts, cli.watch, adapters.sql.outbox; print(*sys.modules)"

    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()

    assert not {"prefect", "pandas", "scipy", "exchange_calendars", "apprise"} & set(modules)
