"""Arming: real money only after a proof on paper, and only by way of a Prefect server that keeps strangers out."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from pytest_httpserver import HTTPServer

from adapters.readiness_files import write_report
from adapters.sql.arming import SqlArming
from adapters.sql.engine import make_engine
from adapters.sql.schema import migrate
from cli.prefect_server import login_path, prefect_home
from tests.cli.shell import Said, openbell_in_turn
from trading.readiness import Check, ReadinessReport

LIVE = "U7654321"
WELL, BAD = Check(name="login", ok=True, text="fine"), Check(name="order canceled", ok=False, text="no", remedy="look")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A desk's folder whose paper account was proven yesterday."""
    engine = make_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    engine.dispose()
    prove(tmp_path)
    return tmp_path


def prove(home: Path, *checks: Check, days_ago: float = 1) -> None:
    report = ReadinessReport(
        account="DU1234567",
        host="127.0.0.1",
        port=4002,
        library="ib_async",
        server_version=178,
        checks=checks or (WELL,),
        at=datetime.now(UTC) - timedelta(days=days_ago),
    )
    write_report(home, report)


def a_server_runs(home: Path, server: HTTPServer) -> None:
    """Let that server be the one that the desk's commands join."""
    started = psutil.Process().create_time()
    record = {"pid": os.getpid(), "port": server.port, "started": started}
    (prefect_home(home) / "server.json").write_text(json.dumps(record))


def arm(home: Path, account: str = LIVE, hours: str = "8") -> Said:
    (said,) = openbell_in_turn(home, [["arm", "--account", account, "--hours", hours, "--reason", "first live day"]])
    return said


def armed(home: Path, account: str = LIVE) -> bool:
    until = SqlArming(make_engine(f"sqlite:///{home}/ledger.db")).armed_until(account)
    return until is not None and until > datetime.now(UTC)


def refusal(said: Said) -> str:
    assert said.exit_code == 1
    assert "Traceback" not in said.err
    return said.err


def test_an_account_that_was_proven_on_paper_is_armed(home: Path):
    said = arm(home)

    assert (said.exit_code, said.err) == (0, "")
    assert f"Account {LIVE} is armed until" in said.out
    assert armed(home)


def test_an_account_that_was_never_proven_is_not_armed(home: Path):
    (home / "readiness-DU1234567.json").unlink()

    said = refusal(arm(home))

    assert "there is no report of prove_readiness" in said
    assert "run the deployment prove-readiness with the block of the paper account" in said
    assert not armed(home)


@pytest.mark.parametrize(
    ("checks", "days_ago", "why"),
    [((WELL,), 31, "not of the last 30 days"), ((WELL, BAD), 1, "did not pass (order canceled)")],
)
def test_a_proof_that_is_old_or_did_not_pass_arms_nothing(
    home: Path, checks: tuple[Check, ...], days_ago: float, why: str
):
    prove(home, *checks, days_ago=days_ago)

    assert why in refusal(arm(home))
    assert not armed(home)


def test_a_damaged_report_is_named_and_arms_nothing(home: Path):
    (home / "readiness-DU1234567.json").write_text("{}")

    assert "readiness-DU1234567.json" in refusal(arm(home))
    assert not armed(home)


def test_a_running_server_that_answers_anyone_keeps_real_money_out(home: Path, httpserver: HTTPServer):
    httpserver.expect_request("/api/admin/version").respond_with_json("3.8.0")
    a_server_runs(home, httpserver)

    said = refusal(arm(home))

    assert "answers anyone, without a login" in said
    assert "`openbell up` starts a protected one" in said
    assert not armed(home)


def test_a_running_server_that_asks_for_a_login_lets_it_be_armed(home: Path, httpserver: HTTPServer):
    httpserver.expect_request("/api/admin/version").respond_with_data("Unauthorized", status=401)
    a_server_runs(home, httpserver)

    assert arm(home).exit_code == 0
    assert armed(home)


def test_a_login_that_was_emptied_keeps_real_money_out(home: Path):
    prefect_home(home)
    login_path(home).write_text("")

    said = refusal(arm(home))

    assert f"{login_path(home)} is empty; remove that file" in said
    assert not armed(home)


def test_disarming_asks_for_nothing(home: Path):
    arm(home)
    (home / "readiness-DU1234567.json").unlink()
    login_path(home).write_text("")

    said = arm(home, hours="0")

    assert (said.exit_code, said.out.strip()) == (0, "Disarmed.")
    assert not armed(home)


def test_a_paper_account_has_no_real_money_to_prove_anything_for(home: Path):
    (home / "readiness-DU1234567.json").unlink()

    assert arm(home, "DU1234567").exit_code == 0
