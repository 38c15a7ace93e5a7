"""Every breaker that trips outlives the process in which it tripped, and its reset is in the audit trail."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from adapters.sql.audit import first_broken_entry
from adapters.sql.breakers import SqlBreakers
from adapters.sql.engine import make_engine, reading
from adapters.sql.schema import migrate
from tests.breaker_builders import BEFORE, NEXT, a_valuation, seen, sendings
from tests.builders import ACCOUNT, CLOSE
from trading.risk.breaker_changes import BreakerEvent
from trading.risk.breakers import BreakerKind, BreakerRules
from trading.risk.observations import FillCost, RiskObservation

TRIP_AND_DIE = "from tests.adapters.sql.test_sql_breakers_killed import trip_and_die; trip_and_die()"


def all_at_once() -> RiskObservation:
    """Return an account in which everything is wrong: down a quarter in a day, in one symbol, out of reach, behind."""
    return seen(
        equity=75_000,
        valuations=[a_valuation(100_000, BEFORE)],
        values={"AIG": Decimal(60_000)},
        sendings=[replace(s, at=CLOSE) for s in sendings(accepted=980, rejected=20)],
        worst_break=Decimal(5_000),
        sessions_behind=2,
        reachable=False,
        fills=[FillCost(at=CLOSE, value=Decimal(10_000), cost=Decimal(100))],
        market_returns=[0.05, -0.05] * 10,
        disagreeing=Decimal("0.5"),
    )


def trip_and_die() -> None:
    """Trip all breakers, and be killed before anything else is done."""
    SqlBreakers(make_engine(os.environ["LEDGER"])).rule(BreakerRules(), all_at_once(), CLOSE, NEXT)
    os.kill(os.getpid(), signal.SIGKILL)


def test_every_breaker_outlives_a_kill_and_its_reset_is_in_the_audit_trail(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(make_engine(url))

    killed = subprocess.run(
        [sys.executable, "-c", TRIP_AND_DIE], env=os.environ | {"LEDGER": url}, timeout=120, check=False
    )
    engine = make_engine(url)
    breakers = SqlBreakers(engine)
    tripped = breakers.active(ACCOUNT, CLOSE)
    for change in tripped:
        subject = None if change.subject == ACCOUNT else change.subject
        breakers.reset(ACCOUNT, change.kind, subject, actor="ann", reason=f"seen to {change.kind}", now=CLOSE)

    with reading(engine) as connection:
        trail = connection.exec_driver_sql("SELECT actor, action, text FROM audit_entry").all()
    own = {kind for kind, _ in BreakerRules().items()}
    assert killed.returncode == -signal.SIGKILL
    assert {change.kind for change in tripped} == own
    assert len(own) == 11
    assert breakers.active(ACCOUNT, CLOSE) == ()
    for kind in own:
        ended = [
            row for row in trail if row.actor == "ann" and f"{BreakerEvent.RESET.value} {kind.value}" in row.action
        ]
        assert [row.text for row in ended] == [f"seen to {kind}"]
    assert first_broken_entry(engine) is None
    assert BreakerKind.WATCH_RULE not in own
