"""A person sees at the shell which breakers are tripped, and ends one by name and reason."""

import getpass
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from adapters.sql.ledger import Ledger, LedgerPlace
from adapters.sql.schema import migrate
from tests.cli.shell import openbell_in_turn
from trading.risk.breakers import BreakerRules
from trading.risk.observations import RiskObservation


def test_tripped_breakers_are_listed_reset_once_and_leave_their_trail(tmp_path: Path):
    migrate(LedgerPlace(home=tmp_path).engine())
    now = datetime.now(UTC)
    seen = RiskObservation(
        account="paper", session=date(2022, 12, 28), equity=Decimal(100), values={"KO": Decimal(31)}, reachable=False
    )
    Ledger.of(LedgerPlace(home=tmp_path)).breakers.rule(BreakerRules(), seen, now, now + timedelta(days=1))
    of_ko = ["reset", "concentration", "--subject", "KO", "--account", "paper", "--reason"]

    listed, status, unnamed, done, again, left, every, audit = openbell_in_turn(
        tmp_path,
        [
            ["breakers", "--json"],
            ["status", "--json"],
            ["reset", "concentration", "--account", "paper", "--reason", "which?"],
            [*of_ko, "meant to be"],
            [*of_ko, "once more"],
            ["breakers", "--account", "paper"],
            ["breakers", "--all", "--json"],
            ["audit"],
        ],
    )

    rows = {row["breaker"]: row for row in json.loads(listed.out)}
    assert rows["concentration KO"]["cause"] == "31.00 % of equity, 30 trips it"
    assert rows["broker_disconnected"]["action"] == "halt"
    page = json.loads(status.out)
    assert [row["breaker"] for row in page["Tripped breakers"]] == ["concentration KO", "broker_disconnected"]
    assert page["Desk"][0]["trades"] == "in part"
    assert (unnamed.exit_code, done.exit_code, again.exit_code) == (1, 0, 1)
    assert "must be a breaker that is tripped: broker_disconnected, concentration KO" in unnamed.err
    assert "it trips again after 12 hours" in " ".join(done.out.split())
    assert f"it was reset by {getpass.getuser()} at" in again.err
    assert "broker_disconnected" in left.out
    assert "concentration" not in left.out
    assert [row["state"] for row in json.loads(every.out)] == ["tripped", "tripped", "reset"]
    assert audit.exit_code == 0
