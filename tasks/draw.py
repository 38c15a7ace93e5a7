"""Draw pictures of what the ledger holds."""

import io
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Desk
from tasks.publish import publish_png
from trading.risk.report import RiskReport

_FULL = 2.0  # a bar ends there, however far a limit is exceeded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@task(name="draw_equity", timeout_seconds=60, cache_policy=NO_CACHE)
async def draw_equity(desk: Desk) -> int:
    """Publish the account's equity by session as a picture, and return the number of its points."""
    closes_at, worth = desk.market.calendar.close_at, desk.ledger.facts.reconciliations(desk.name)
    points = [(r.session, r.equity) for r in worth if r.reconciled_at >= closes_at(r.session)]  # earlier: a check
    if points:
        await publish_png("equity", equity_png(desk.name, points), f"Equity of {desk.name}")
    return len(points)


def equity_png(account: str, points: list[tuple[date, Decimal]]) -> bytes:
    """Return the equity curve as a PNG, 1,000 by 400 pixels."""
    from matplotlib.figure import Figure  # 0.5 s, for those who draw

    figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    days, values = np.array([day for day, _ in points], dtype="datetime64[D]"), [float(value) for _, value in points]
    axes.plot(days, values, marker="." if len(points) < 90 else "")
    axes.set_title(f"Equity of {account} after each session")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(alpha=0.3)
    figure.autofmt_xdate()
    return _png(figure)


def risk_png(report: RiskReport) -> bytes:
    """Return limits in use, profits of the past, contributors and stresses as a PNG, 1,200 by 800 pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), dpi=100)
    figure.subplots_adjust(left=0.24, right=0.98, top=0.9, bottom=0.06, wspace=0.4, hspace=0.25)
    uses, past, parts, stresses = figure.subplots(2, 2).flat
    figure.suptitle(f"Risk of {report.account} at {report.session}, equity {report.equity:,.2f} {report.currency}")
    uses.set_title("Limits in use, %", y=1)  # a title without a height has the axes laid out once more to find it
    _bars(uses, {f"{u.name} {u.subject}".strip() + f", {u.unit}": 100 * min(u.share, _FULL) for u in report.uses})
    uses.axvline(100, color="firebrick")
    past.set_title(f"Profit of sessions like the last {len(report.pnl)}", y=1)
    past.hist(report.pnl, bins=50, color="steelblue", histtype="stepfilled")
    for tail, style in zip(report.tails, ("-", "--", ":"), strict=False):
        label = f"expected shortfall {report.level:.0%}, {tail.method.replace('_', ' ').lower()}"
        past.axvline(-tail.expected_shortfall, color="firebrick", linestyle=style, label=label)
    if report.tails:
        past.legend(loc="upper left", fontsize="small")
    parts.set_title("Expected shortfall by position (historical)", y=1)
    _bars(parts, {c.symbol: c.amount for c in report.contributors})
    stresses.set_title("Loss in each scenario, % of equity", y=1)
    _bars(stresses, {s.scenario: 100 * s.loss / float(report.equity) for s in report.stresses})
    for axes in (past, parts):
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return _png(figure)


def _bars(axes: "Axes", values: Mapping[str, float]) -> None:
    """Draw a bar for each value, the first one on top."""
    axes.barh(list(values), list(values.values()), color="steelblue")
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
