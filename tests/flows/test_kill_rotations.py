"""A process that sells, buys and protects may die at any moment of it: killed at each durable step, and run again."""

from pathlib import Path

import pytest

from tests.flows.desks import WEDNESDAY, DeskFolder
from tests.flows.kills import MOMENTUM, TRADE, killed_everywhere, what_was_traded

pytestmark = pytest.mark.slow


def test_a_rotation_with_a_refused_order_killed_at_any_step_is_completed_by_the_next_run(
    invested_desk: DeskFolder, tmp_path: Path
):
    parameters = {"session": WEDNESDAY, "account": invested_desk.account_block, "strategy": MOMENTUM}

    problems = killed_everywhere(invested_desk, tmp_path, TRADE, parameters, what_was_traded)

    assert not problems, "\n".join(problems)


def test_a_protecting_killed_at_any_step_is_completed_by_the_next_run(fresh_desk: DeskFolder, tmp_path: Path):
    protection = {"stop_loss": {"unit": "percent", "value": 8}, "take_profit": {"unit": "percent", "value": 20}}
    parameters = {"session": WEDNESDAY, "account": fresh_desk.account_block, "protection": protection}
    intended = "commit decision+risk_decision+new_order"  # the last one; the first is that of the rebalance

    problems = killed_everywhere(fresh_desk, tmp_path, TRADE, parameters, what_was_traded, since=intended)

    assert not problems, "\n".join(problems)
