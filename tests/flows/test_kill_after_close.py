"""A process that reconciles or ingests may die at any moment of it: killed at each durable step, and run again."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from blocks.desk_storage import DeskStorage
from tests.flows.desks import TUESDAY, WEDNESDAY, DeskFolder, cents
from tests.flows.kills import killed_everywhere, what_was_traded

RECONCILE, INGEST = "flows.reconcile_day:reconcile_day", "flows.ingest_bars:ingest_bars"

pytestmark = pytest.mark.slow


def test_a_reconciliation_killed_at_any_step_is_completed_by_the_next_run(traded_desk: DeskFolder, tmp_path: Path):
    parameters = {"session": WEDNESDAY, "account": traded_desk.account_block}

    problems = killed_everywhere(traded_desk, tmp_path, RECONCILE, parameters, what_was_reconciled)

    assert not problems, "\n".join(problems)


def test_an_ingestion_killed_at_any_step_is_completed_by_the_next_run(empty_desk: DeskFolder, tmp_path: Path):
    parameters = {"session": TUESDAY, "source": empty_desk.source, "history_sessions": 30}

    problems = killed_everywhere(empty_desk, tmp_path, INGEST, parameters, what_was_stored)

    assert not problems, "\n".join(problems)


def what_was_reconciled(desk: DeskFolder) -> dict[str, Any]:
    """Return what was traded, with what the last reconciliation says of it."""
    traded, reconciled = what_was_traded(desk), desk.ledger.facts.reconciliations(desk.account)[-1]
    assert (reconciled.session, reconciled.breaks) == (WEDNESDAY, ())
    assert cents(reconciled.equity) == traded["equity"], "the reconciliation values the account otherwise"
    return traded | {"cash": reconciled.cash}


def what_was_stored(desk: DeskFolder) -> dict[str, Any]:
    """Return the bars that can be read, and the verdict on them."""
    bars = DeskStorage(home=desk.home).store().read("sample", None, date(2022, 1, 1), TUESDAY)
    verdict = desk.ledger.facts.quality("sample", TUESDAY)
    assert verdict is not None, "there is no verdict"
    leftovers = [path.name for path in (desk.home / "bars").rglob("*.part")]
    assert not leftovers, f"half a file was left: {leftovers}"
    return {"rows": len(bars.frame), "bars": bars.content_hash(), "verdict": verdict.verdict_id}
