"""Ask market feeds, by the names of their blocks: Prefect keeps what a task is given, and keys are not for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.quotes_in_turn import QuotesInTurn
from blocks.desk import Ledger, load
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from trading.errors import ChainInvalid, SourceUnavailable, UnknownSymbol
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.minute_bars import FetchedMinuteBars
from trading.market.quotes import FetchedQuotes
from trading.options.chains import ChainSource, OptionChain


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedChains:
    """The chains that a feed gave, and what became of the others."""

    chains: tuple[OptionChain, ...]
    outcomes: tuple[FetchOutcome, ...]


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=3600, cache_policy=NO_CACHE)
async def ask_minutes(feed: str, symbols: Sequence[str], session: date) -> FetchedMinuteBars:
    """Fetch the minute bars of a session; asking is idempotent, so it may be retried.

    Raises:
        SourceUnavailable: the feed did not answer properly.
    """
    source = (await load(MarketFeed, feed)).minutes()
    return await asyncio.to_thread(source.fetch, symbols, session, session)


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=3600, cache_policy=NO_CACHE)
async def ask_chains(feed: str, underlyings: Sequence[str]) -> FetchedChains:
    """Fetch the chain of each underlying; asking is idempotent, so it may be retried.

    Raises:
        SourceUnavailable: the feed gave none, and did not say that it knows none.
    """
    source = (await load(MarketFeed, feed)).chains()
    chains: list[OptionChain] = []
    outcomes: list[FetchOutcome] = []
    for underlying in dict.fromkeys(underlyings):
        answer = await asyncio.to_thread(_chain, source, underlying)
        if isinstance(answer, OptionChain):
            chains.append(answer)
        else:
            outcomes.append(answer)
    if not chains and outcomes and all(outcome.status is FetchStatus.FAILED for outcome in outcomes):
        raise SourceUnavailable(source.name, f"no chain came, last: {outcomes[-1].text}")
    return FetchedChains(chains=tuple(chains), outcomes=tuple(outcomes))


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=600, cache_policy=NO_CACHE)
async def ask_quotes(feed: str, fallbacks: Sequence[str], storage: str, symbols: Sequence[str]) -> FetchedQuotes:
    """Fetch a quote of each symbol from the first feed that gives it; asking is idempotent, so it may be retried.

    Raises:
        SourceUnavailable: no feed answered properly.
    """
    sources = [(await load(MarketFeed, name)).quotes() for name in (feed, *fallbacks)]
    ledger = Ledger.of(await load(DeskStorage, storage))
    source = QuotesInTurn(sources, ledger.providers) if fallbacks else sources[0]
    return await asyncio.to_thread(source.fetch, symbols)


def _chain(source: ChainSource, underlying: str) -> OptionChain | FetchOutcome:
    """Return the chain, or why there is none."""
    try:
        return source.fetch(underlying)
    except UnknownSymbol as exc:
        return FetchOutcome(symbol=underlying, status=FetchStatus.UNKNOWN_SYMBOL, text=str(exc))
    except (SourceUnavailable, ChainInvalid) as exc:
        return FetchOutcome(symbol=underlying, status=FetchStatus.FAILED, text=str(exc))
