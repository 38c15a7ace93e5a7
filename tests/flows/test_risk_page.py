"""After the close a person sees what the account risks: in the ledger, in the UI, in the shell."""

from datetime import date

import numpy as np
import pytest
from prefect.artifacts import Artifact

from adapters.sample_bars import SampleBars
from tests.flows.desks import SYMBOLS, WEDNESDAY, Copy, DeskFolder


async def test_the_close_leaves_a_report_whose_loss_is_that_of_the_positions(traded_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(traded_desk)

    assert (await desk.reconcile(WEDNESDAY)).is_completed()

    report = desk.ledger.risk_reports.last("paper")
    assert report is not None
    assert (report.session, report.unmeasured) == (WEDNESDAY, {})
    expected = worst_losses(desk)
    assert report.tails[0].value_at_risk == pytest.approx(expected[int(len(expected) * 0.01)])
    assert 0 < sum(c.amount for c in report.contributors) <= report.tails[0].expected_shortfall  # ten of twenty
    assert {u.name for u in report.uses} >= {"largest position", "gross leverage", "buying power"}
    page = await Artifact.get("risk")
    assert page is not None
    assert "| historical |" in str(page.data)


def worst_losses(desk: DeskFolder) -> list[float]:
    """Return what the positions would have lost in each past session, the largest first, without any code of ours."""
    held = {s: float(o.cum_qty) for s, o in desk.orders().items()}
    frame = SampleBars().fetch(SYMBOLS, date(2021, 11, 1), WEDNESDAY).bars.frame
    closes = frame.pivot(index="session", columns="symbol", values="close").iloc[-262:]  # what the desk has in store
    returns = (closes / closes.shift() - 1).iloc[1:]
    worth = np.array([held[s] * closes[s].iloc[-1] for s in returns.columns])
    return sorted(-(returns.to_numpy() @ worth), reverse=True)
