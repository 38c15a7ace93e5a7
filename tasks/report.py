"""Report what a watch sees to the Prefect UI; a server that is gone holds nothing up."""

import asyncio
import io
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from blocks.desk import wall_clock
from tasks.look import OwnAccount
from tasks.monitor import Monitor
from tasks.publish import publish_table, replace_markdown, replace_png
from trading.monitoring.watch_status import time_of


async def publish_progress(monitor: Monitor, own: OwnAccount, until: datetime) -> None:
    """Publish where the watch is, as it stands; each time in the place of the time before."""
    currency = own.desk.account.currency
    page = watch_page(monitor, until, currency)
    await replace_markdown("watch", page, f"Watch of {monitor.watch}: rewritten each minute while it watches")
    points = [(p.at, p.equity) for p in own.curve.points if p.equity is not None]
    if len(points) > 1:
        title = f"Equity of {monitor.watch} in {currency}, {own.session}, UTC"
        png = await asyncio.to_thread(session_png, title, points)  # the ticks of a feed come in this loop
        await replace_png("watch-equity", png, title)


async def publish_watch(monitor: Monitor) -> None:
    """Publish what the watch told, once it is over."""
    rows = [
        {
            "at": f"{time_of(event.at):%H:%M:%S} UTC",
            "rule": event.rule.rule_id,
            "severity": event.rule.severity.value,
            "what": "broken" if event.is_broken else "kept again",
            "text": event.text,
        }
        for event in monitor.told
    ]
    await publish_table(
        "watch-events", rows, f"What the watch of {monitor.watch} told last: {len(rows):,} of {monitor.told_count:,}"
    )


def watch_page(monitor: Monitor, until: datetime, currency: str) -> str:
    """Return the watch as Markdown."""
    status = monitor.files.read_status() or {}
    own = status.get("own") or {}
    broken = [
        f"| {b['rule_id']} | {b['subject']} | {b['severity']} | {b['since'][11:19]} | {b['text']} |"
        for b in status.get("broken", [])
    ]
    head = ["| broken rule | of | severity | since, UTC | what |", "| --- | --- | --- | --- | --- |"]
    lines = [
        f"**{status.get('state', 'begins')}** at {status.get('at', '?')[11:19]} UTC, until {until:%Y-%m-%d %H:%M} UTC; "
        f"{status.get('ticks', 0):,} ticks, {status.get('ticks_per_second', 0):,} in the last second, of "
        f"{status.get('watched', 0):,} symbols; market: {_words(status.get('market', [])) or 'not known'}",
        "",
        f"Equity {_money(own.get('equity'))} {currency}, day {_money(own.get('day_pnl'))}; orders open: "
        f"{status.get('orders', {}).get('open', 0)}; breakers: {_words(status.get('breakers', [])) or 'none tripped'}",
        "",
        *(head + broken if broken else ["No rule is broken."]),
        "",
        f"Told so far: {monitor.told_count}. Written at {wall_clock():%H:%M:%S} UTC; `openbell watch` shows it live.",
    ]
    return "\n".join(lines)


def session_png(title: str, points: list[tuple[datetime, float]]) -> bytes:
    """Return the equity curve of a session as a PNG, 1,000 by 400 pixels."""
    from matplotlib.figure import Figure  # 0.5 s, for those who draw

    figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(np.array([at.replace(tzinfo=None) for at, _ in points]), [equity for _, equity in points])
    axes.set_title(title)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(alpha=0.3)
    figure.autofmt_xdate()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _words(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _money(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.2f}"
