"""Keep what a market feed gave: in store what may be used, aside what may not; then the verdict."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from prefect import runtime, task
from prefect.cache_policies import NO_CACHE

from blocks.desk import Ledger, load
from blocks.desk_storage import DeskStorage
from tasks.judge import JudgedChain
from tasks.store import put_aside
from trading.market.bars import UpsertCount
from trading.market.feed_verdicts import FeedVerdict
from trading.market.minute_bars import FetchedMinuteBars, MinuteBars
from trading.options.terms import PricingTerms


@task(retries=1, retry_delay_seconds=2, timeout_seconds=600, cache_policy=NO_CACHE)
async def keep_minutes(storage: str, fetched: FetchedMinuteBars, verdict: FeedVerdict) -> UpsertCount:
    """Store the bars of good symbols, put those of the others aside, and record the verdict; it may be done twice."""
    places = await load(DeskStorage, storage)
    frame, reasons = fetched.bars.frame, {symbol: verdict.why(symbol) for symbol in verdict.quarantined()}
    bad = frame["symbol"].isin(reasons)
    good = frame[~bad].drop_duplicates(["symbol", "bar_start"])  # of two that differ the symbol is quarantined
    count = places.minute_store().upsert(MinuteBars(frame=good, source=verdict.source))
    rows = frame[bad].assign(reason=frame["symbol"].map(reasons))
    put_aside(_aside(places, verdict, str(verdict.session)), rows)
    Ledger.of(places).feeds.record(verdict)
    return count


@task(retries=1, retry_delay_seconds=2, timeout_seconds=600, cache_policy=NO_CACHE)
async def keep_chains(storage: str, judged: Sequence[JudgedChain], verdict: FeedVerdict, terms: PricingTerms) -> int:
    """Store the chains that are not quarantined, put the others aside, and record the verdict; it may be done twice.

    Returns:
        How many are stored.
    """
    places, bad = await load(DeskStorage, storage), verdict.quarantined()
    good = [each.chain for each in judged if each.chain.underlying not in bad]
    for chain in good:
        places.chain_store().save(chain, verdict.checked_at, terms)
    for each in judged:
        if each.chain.underlying in bad:
            put_aside(_aside(places, verdict, each.chain.underlying), _with_reason(each, verdict))
    Ledger.of(places).feeds.record(verdict)
    return len(good)


@task(retries=1, retry_delay_seconds=2, timeout_seconds=60, cache_policy=NO_CACHE)
async def keep_verdict(storage: str, verdict: FeedVerdict) -> None:
    """Record the verdict."""
    Ledger.of(await load(DeskStorage, storage)).feeds.record(verdict)


def _with_reason(judged: JudgedChain, verdict: FeedVerdict) -> pd.DataFrame:
    told = judged.report.options[["score", "verdict", "rules"]]
    return judged.chain.frame.assign(**told, reason=verdict.why(judged.chain.underlying))


def _aside(storage: DeskStorage, verdict: FeedVerdict, of: str) -> Path:
    name = f"{verdict.source}-{verdict.kind}-{of}-{runtime.flow_run.id}.parquet"
    return storage.quarantine_folder / quote(name, safe="")
