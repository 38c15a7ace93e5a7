"""Compare bars with those of a second provider."""

import asyncio
import time
from datetime import date, datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from adapters.staged_bars import load_fetched
from blocks.bar_source import BarSource
from blocks.desk import Ledger, Market
from trading.errors import MarketDataError
from trading.market.agreement import Agreement, compare
from trading.market.bars import FetchStatus
from trading.market.providers import ProviderAnswer
from trading.market.quality import Finding

ANSWER_SECONDS = 300.0
COMPARED_SESSIONS = 5  # what is older was compared on its day


@task(name="compare_bars", timeout_seconds=600, cache_policy=NO_CACHE)
async def compare_bars(
    market: Market, other: BarSource, ledger: Ledger, path: Path, session: date, now: datetime
) -> tuple[Finding, ...]:
    """Ask a second provider for the last sessions; return where the two differ, and keep how often they do.

    That the second one does not answer is no fault of the bars: it is recorded, and nothing is compared.
    """
    mine = load_fetched(path)
    # Of who stood in nothing is told here: the comparison is with the source itself.
    symbols = [o.symbol for o in mine.outcomes if o.status is FetchStatus.OK and not o.provider]
    if not symbols:
        return ()
    source = other.model_copy(update={"symbols": symbols, "universe_path": None}).source()
    first, started = market.calendar.sessions_before(session, COMPARED_SESSIONS - 1), time.monotonic()
    try:
        theirs = await asyncio.wait_for(asyncio.to_thread(source.fetch, symbols, first, session), ANSWER_SECONDS)
        found = compare(mine, theirs, market.settings.agreement)
    except (MarketDataError, TimeoutError) as exc:
        why = str(exc) or f"no answer within {ANSWER_SECONDS:.0f} s"
        get_run_logger().warning("Nothing was compared: %s", why)
        _keep(ledger, other.name, len(symbols), 0, now, time.monotonic() - started, why)
        return ()
    given = sum(outcome.status is FetchStatus.OK for outcome in theirs.outcomes)
    _keep(ledger, other.name, len(symbols), given, now, time.monotonic() - started, found=found)
    if found.compared:
        _keep(ledger, market.settings.name, found.compared, found.compared, now, 0.0, found=found)
    return found.findings


def _keep(
    ledger: Ledger,
    provider: str,
    asked: int,
    given: int,
    now: datetime,
    seconds: float,
    text: str = "",
    found: Agreement | None = None,
) -> None:
    ledger.providers.add(
        ProviderAnswer(
            provider=provider,
            answered_at=now,
            asked=asked,
            given=given,
            failed=asked if text else 0,
            seconds=seconds,
            text=text,
            disagreed=found.disagreed if found else 0,
        )
    )
