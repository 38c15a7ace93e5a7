"""Draw pictures of what the ledger holds."""

import io
from datetime import date
from decimal import Decimal

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Desk
from tasks.publish import publish_png


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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
