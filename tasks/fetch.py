"""Fetch daily bars from their source."""

import asyncio
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
from prefect import runtime, task
from prefect.cache_policies import NO_CACHE

from adapters.staged_bars import save_fetched
from blocks.desk import Ledger, Market
from blocks.desk_storage import DeskStorage
from tasks.publish import publish_table
from trading.errors import InvalidValue
from trading.market.bars import DailyBars, FetchedBars, bars_frame
from trading.market.providers import reliability, rests_until

FIRST_SESSIONS = 520  # two years, and some
OVERLAP_SESSIONS = 30  # fetched again each day: a move or gap at the seam is seen, a revision, and what is usual


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=600, cache_policy=NO_CACHE)
async def fetch_bars(
    market: Market, storage: DeskStorage, ledger: Ledger, session: date, history_sessions: int | None
) -> Path:
    """Fetch all symbols into one staged file; asking is idempotent, so it may be retried.

    Of a universe these are the members of the session and of the next, and what is held, so that it can be priced. Of a
    symbol without recent bars FIRST_SESSIONS are fetched, of others what is new and a short overlap; or of all as
    many as are asked for.

    Raises:
        SourceUnavailable: the provider did not answer properly.
    """
    recent, deep = _split(market, _symbols(market, ledger, session), session, history_sessions)
    calendar, far = market.calendar, (history_sessions or FIRST_SESSIONS) - 1
    # A provider is waited for on a thread of its own: the run goes on to answer Prefect.
    parts = [
        await asyncio.to_thread(market.source.fetch, symbols, calendar.sessions_before(session, back), session)
        for symbols, back in ((recent, OVERLAP_SESSIONS), (deep, far))
        if symbols
    ]
    path = _staged(market, storage, session)
    save_fetched(path, joined(parts))
    return path


def fetched_before(market: Market, storage: DeskStorage, session: date) -> Path:
    """Return the file of what the source gave for that session last.

    Raises:
        InvalidValue: nothing of it is kept.
    """
    kept = storage.checked_folder / f"{market.settings.name}-{session}.parquet"
    path = _staged(market, storage, session)  # a copy: another run may put a newer one in its place meanwhile
    try:
        shutil.copyfile(kept, path)
    except FileNotFoundError:
        rule = "a session whose bars were fetched lately; run ingest_bars with fetch=True to fetch them"
        raise InvalidValue("session", str(session), rule) from None
    return path


def _staged(market: Market, storage: DeskStorage, session: date) -> Path:
    """Return the file of this run: one beside it must not change what is checked here and then stored."""
    storage.staging_folder.mkdir(parents=True, exist_ok=True)
    return storage.staging_folder / f"{market.settings.name}-{session}-{runtime.flow_run.id}.parquet"


async def publish_providers(ledger: Ledger) -> None:
    """Publish how far each provider is to be relied on, from what it has answered lately."""
    rows = []
    for name in ledger.providers.names():
        answers = ledger.providers.lately(name)
        last, until = answers[-1], rests_until(answers)
        rows.append(
            {
                "provider": name,
                "reliability": round(reliability(answers) or 0.0, 4),
                "requests": len(answers),
                "seconds": round(sum(a.seconds for a in answers) / len(answers), 3),
                "last": f"{last.answered_at:%Y-%m-%d %H:%M} UTC",
                "given last": f"{last.given} of {last.asked}",
                "stale": sum(a.stale for a in answers),
                "disagreed": sum(a.disagreed for a in answers),
                "asked last until": f"{until:%Y-%m-%d %H:%M} UTC" if until else "",
                "said": last.text,
            }
        )
    await publish_table("providers", rows, "What each provider of bars has answered lately")


def _symbols(market: Market, ledger: Ledger, session: date) -> list[str]:
    if market.universe is None:
        return market.symbols()
    members, closed = market.symbols(session, market.calendar.next_session(session)), market.calendar.close_at(session)
    accounts = ledger.journal.accounts()
    return sorted({*members, *(s for account in accounts for s in ledger.facts.books(account, closed).held())})


def _split(
    market: Market, symbols: list[str], session: date, history_sessions: int | None
) -> tuple[list[str], list[str]]:
    """Return the symbols that have bars of just before the session, and those that have none yet."""
    if history_sessions is not None:
        return [], symbols
    since = market.calendar.sessions_before(session, OVERLAP_SESSIONS)
    stored = set(market.store.read(market.settings.name, None, since, session).frame["symbol"])
    return [s for s in symbols if s in stored], [s for s in symbols if s not in stored]


def joined(parts: Sequence[FetchedBars]) -> FetchedBars:
    """Return the answers of one source as one."""
    if len(parts) == 1:
        return parts[0]
    bars = parts[0].bars
    frame = bars_frame(pd.concat([p.bars.frame for p in parts], ignore_index=True))
    return FetchedBars(
        bars=DailyBars(frame=frame, source=bars.source, price_basis=bars.price_basis),
        outcomes=tuple(o for p in parts for o in p.outcomes),
        actions=tuple(a for p in parts for a in p.actions),
    )
