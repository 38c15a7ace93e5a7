"""Verify that the bars a decision needs have passed the quality gate."""

from datetime import date

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Desk
from trading.errors import BarsNotPassed
from trading.market.quality import DayVerdict, QualityReport


@task(name="verify_bars", timeout_seconds=60, cache_policy=NO_CACHE)
async def verify(desk: Desk, bars_session: date) -> QualityReport:
    """Return the verdict on the session's bars.

    Raises:
        BarsNotPassed: there is none, or it holds the day.
    """
    source = desk.market.settings.name
    report = desk.ledger.facts.quality(source, bars_session)
    if report is None:
        raise BarsNotPassed(bars_session, source, f"they were never checked; run ingest_bars for {bars_session} first")
    if report.day_verdict is DayVerdict.HOLD:
        found = report.quarantined()
        why = "; ".join(f"{symbol}: {text}" for symbol, text in list(found.items())[:5])
        raise BarsNotPassed(bars_session, source, f"the gate holds the day ({report.verdict_id}): {why}")
    return report
