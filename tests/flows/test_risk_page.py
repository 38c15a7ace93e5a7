"""After the close a person sees what the account risks: in the ledger, in the UI, in the shell."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from prefect.artifacts import Artifact

from adapters.sample_bars import SampleBars
from tests.flows.desks import SYMBOLS, WEDNESDAY, Copy, DeskFolder
from trading.risk.limits import RefusalCode
from trading.risk.measure_limits import MeasureLimits
from trading.risk.report import RiskReport


async def test_the_close_leaves_a_report_whose_loss_is_that_of_the_positions(traded_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(traded_desk)

    assert (await desk.reconcile(WEDNESDAY)).is_completed()

    report = report_of(desk)
    assert (report.session, report.unmeasured) == (WEDNESDAY, {})
    expected = worst_losses(desk)
    assert report.tails[0].value_at_risk == pytest.approx(expected[int(len(expected) * 0.01)])
    assert 0 < sum(c.amount for c in report.contributors) <= report.tails[0].expected_shortfall  # ten of twenty
    assert {u.name for u in report.uses} >= {"largest position", "gross leverage", "buying power"}
    page = await Artifact.get("risk")
    assert page is not None
    assert "| historical |" in str(page.data)


async def test_a_limit_on_value_at_risk_lets_orders_through_until_it_is_reached(fresh_desk: DeskFolder, copy_of: Copy):
    limits = MeasureLimits(max_var_pct=Decimal("1.5"), history_sessions=200, benchmark="KO")
    desk = await copy_of(fresh_desk, measures=limits)

    assert (await desk.trade(WEDNESDAY)).is_completed()

    verdicts = desk.ledger.journal.risk_decisions("paper:2022-12-28:main")
    refused = [v for v in verdicts if not v.accepted]
    assert {v.code for v in refused} == {RefusalCode.MAX_VAR}
    assert 5 < len(refused) < 20
    assert "1.50 %" in refused[0].limit
    (use,) = [u for u in report_of(desk).uses if u.name.startswith("var")]
    assert 1.2 < use.value <= 1.5


async def test_nothing_is_added_to_without_the_history_that_a_limit_asks_for(fresh_desk: DeskFolder, copy_of: Copy):
    limits = MeasureLimits(max_var_pct=Decimal(5), history_sessions=500, benchmark="KO")
    desk = await copy_of(fresh_desk, measures=limits)

    await desk.trade(WEDNESDAY)

    verdicts = desk.ledger.journal.risk_decisions("paper:2022-12-28:main")
    assert {v.code for v in verdicts} == {RefusalCode.NOT_MEASURED}
    assert "of 500 sessions of history" in verdicts[0].text


def report_of(desk: DeskFolder) -> RiskReport:
    report = desk.ledger.risk_reports.last(desk.account)
    assert report is not None
    return report


def worst_losses(desk: DeskFolder) -> list[float]:
    """Return what the positions would have lost in each past session, the largest first, without any code of ours."""
    held = {s: float(o.cum_qty) for s, o in desk.orders().items()}
    frame = SampleBars().fetch(SYMBOLS, date(2021, 11, 1), WEDNESDAY).bars.frame
    closes = frame.pivot(index="session", columns="symbol", values="close").iloc[-262:]  # what the desk has in store
    returns = (closes / closes.shift() - 1).iloc[1:]
    worth = np.array([held[s] * closes[s].iloc[-1] for s in returns.columns])
    return sorted(-(returns.to_numpy() @ worth), reverse=True)
