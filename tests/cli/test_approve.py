"""`openbell approve`: a person's word on waiting orders, with neither Prefect nor a browser."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.sql.engine import make_engine
from adapters.sql.schema import migrate
from tests.adapters.sql.sql_desk import SqlLedger
from tests.builders import a_new_order
from tests.cli.shell import openbell_in_turn
from trading.risk.approvals import ApprovalRules, ApprovalTerms, ApprovalWhen

DECISION = "DU100:2024-03-15:main"


@pytest.fixture
def ledger(tmp_path: Path) -> SqlLedger:
    """A desk's ledger, in which two orders have waited for a minute."""
    engine = make_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    ledger = SqlLedger(engine, tmp_path / "STOP")
    asked_at = datetime.now(UTC) - timedelta(minutes=1)
    terms = ApprovalTerms(rules=ApprovalRules(when=ApprovalWhen.ALWAYS), asked_at=asked_at)
    ledger.intend(ledger.lease(), a_new_order(), a_new_order(cl_ord_id="t-2", symbol="MSFT"), approval=terms)
    return ledger


def test_a_person_sees_what_waits_answers_it_and_is_named_where_an_order_is_explained(
    ledger: SqlLedger, tmp_path: Path
):
    commands = [
        ["approve"],
        ["status"],
        ["approve", DECISION, "--only", "TSLA"],
        ["approve", "--account", "DU100", "--only", "msft", "--note", "AAPL reports tonight"],
        ["approve", DECISION, "--none"],
        ["approve"],
        ["explain", "t-1"],
        ["explain", "t-2"],
        ["audit"],
    ]

    lists, status, unknown, some, second, nothing, refused, sent, audit = openbell_in_turn(tmp_path, commands)

    assert DECISION in lists.out
    assert DECISION in status.out
    assert (unknown.exit_code, "symbol is 'TSLA', but must be one of the orders" in unknown.err) == (1, True)
    assert "1 of 2 orders" in some.out
    assert (second.exit_code, "answered already: some by" in second.err) == (1, True)
    assert nothing.out == "Waiting for approval: none\n"
    assert f"approval: not given: some by {getpass.getuser()}" in refused.out
    assert f"approval: given: some by {getpass.getuser()}" in sent.out
    assert "AAPL reports tonight" in sent.out
    assert "Every audit entry is as it was written." in audit.out


def test_an_answer_to_nothing_is_refused_in_one_line(ledger: SqlLedger, tmp_path: Path):
    mistakes = {
        "one with exactly one decision that waits, not none": ["--account", "DU999"],
        "left out with --none": ["--account", "DU100", "--only", "AAPL", "--none"],
        "one that waits for approval": ["DU100:2024-03-14:main"],
    }

    answers = openbell_in_turn(tmp_path, [["approve", *arguments] for arguments in mistakes.values()])

    for told, said in zip(mistakes, answers, strict=True):
        assert (said.exit_code, told in said.err, "Traceback" in said.err) == (1, True, False)
