"""Fetch daily bars from their source."""

from datetime import date
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.staged_bars import save_fetched
from blocks.desk import Market
from blocks.desk_storage import DeskStorage

FIRST_SESSIONS = 520  # two years, and some
OVERLAP_SESSIONS = 10  # fetched again each day, so that a move or a gap at the seam is seen, and a revision too


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=600, cache_policy=NO_CACHE)
async def fetch_bars(market: Market, storage: DeskStorage, session: date, history_sessions: int | None) -> Path:
    """Fetch all symbols into one staged file; asking is idempotent, so it may be retried.

    The first time FIRST_SESSIONS are fetched, later what is new and a short overlap; or as many as are asked for.

    Raises:
        SourceUnavailable: the provider did not answer properly.
    """
    first = first_session(market, session, history_sessions)
    fetched = market.source.fetch(market.symbols(), first, session)
    path = storage.staging_folder / f"{market.settings.name}-{session}.parquet"
    save_fetched(path, fetched)
    return path


def first_session(market: Market, session: date, history_sessions: int | None) -> date:
    """Return the first session to fetch: far back when the store has none of a symbol's sessions just before."""
    if history_sessions is not None:
        return market.calendar.sessions_before(session, history_sessions - 1)
    recent = market.calendar.sessions_before(session, OVERLAP_SESSIONS)
    stored = market.store.read(market.settings.name, None, recent, session).frame
    known = set(stored["symbol"].unique()) if len(stored) else set()
    back = OVERLAP_SESSIONS if set(market.instruments()) <= known else FIRST_SESSIONS
    return market.calendar.sessions_before(session, back)
