"""Fetch daily bars from their source."""

from datetime import date
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.staged_bars import save_fetched
from blocks.desk import Market
from blocks.desk_storage import DeskStorage

OVERLAP_SESSIONS = 10  # fetched again each day, so that a move or a gap at the seam is seen, and a revision too


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=600, cache_policy=NO_CACHE)
async def fetch_bars(market: Market, storage: DeskStorage, session: date, history_sessions: int) -> Path:
    """Fetch all symbols into one staged file; asking is idempotent, so it may be retried.

    The first time `history_sessions` are fetched, later only what is new and a short overlap.

    Raises:
        SourceUnavailable: the provider did not answer properly.
    """
    first = first_session(market, session, history_sessions)
    fetched = market.source.fetch(market.symbols(), first, session)
    path = storage.staging_folder / f"{market.settings.name}-{session}.parquet"
    save_fetched(path, fetched)
    return path


def first_session(market: Market, session: date, history_sessions: int) -> date:
    """Return the first session to fetch: far back when the store has none of the sessions just before."""
    recent = market.calendar.sessions_before(session, OVERLAP_SESSIONS)
    stored = market.store.read(market.settings.name, None, recent, session).frame
    known = set(stored["symbol"].unique()) if len(stored) else set()
    back = OVERLAP_SESSIONS if set(market.instruments()) <= known else history_sessions
    return market.calendar.sessions_before(session, back)
