"""A process may die at any moment of a session: it is killed before and after each durable step, and run again."""

import signal
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from tests.flows.desk_process import Moment, StopAt, run_flow
from tests.flows.desks import WEDNESDAY, DeskFolder
from tests.flows.kills import MOMENTUM, TRADE, killed_everywhere, places_for, what_was_traded

pytestmark = pytest.mark.slow


def test_a_first_session_killed_at_any_step_is_completed_by_the_next_run(fresh_desk: DeskFolder, tmp_path: Path):
    parameters = {"session": WEDNESDAY, "account": fresh_desk.account_block}

    problems = killed_everywhere(fresh_desk, tmp_path, TRADE, parameters, what_was_traded)

    assert not problems, "\n".join(problems)


def test_a_refused_order_is_told_of_even_when_the_process_dies_right_after_the_refusal(
    invested_desk: DeskFolder, tmp_path: Path
):
    (desk, _) = places_for(invested_desk, tmp_path)
    parameters = {"session": WEDNESDAY, "account": desk.account_block, "storage": desk.storage, "strategy": MOMENTUM}
    refused = StopAt(step="commit decision+risk_decision+new_order", moment=Moment.AFTER)

    killed = run_flow(PREFECT_API_URL.value(), TRADE, parameters, desk.home, refused)
    again = run_flow(PREFECT_API_URL.value(), TRADE, parameters, desk.home)

    assert (killed.exit_code, again.exit_code) == (-signal.SIGKILL, 0)
    assert "refused paper:2022-12-28:main" in [alert.fingerprint for alert in desk.alerts()]
