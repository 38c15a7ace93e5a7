"""Ask market feeds, by the names of their blocks: Prefect keeps what a task is given, and keys are not for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from adapters.in_turn import InTurn, Missing
from adapters.quotes_in_turn import QuotesInTurn
from blocks.desk import Ledger, load, wall_clock
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from trading.errors import ChainInvalid, SourceUnavailable, UnknownSymbol
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.minute_bars import (
    MINUTE_COLUMNS,
    FetchedMinuteBars,
    MinuteBars,
    MinuteBarSource,
    minute_frame,
)
from trading.market.quotes import FetchedQuotes
from trading.options.chains import ChainSource, OptionChain

NO_MINUTES = pd.DataFrame(columns=list(MINUTE_COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedChains:
    """Chains as they were given, and what became of the underlyings."""

    chains: tuple[OptionChain, ...]
    outcomes: tuple[FetchOutcome, ...]


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=3600, cache_policy=NO_CACHE)
async def ask_minutes(
    feed: str, fallbacks: Sequence[str], storage: str, symbols: Sequence[str], session: date
) -> FetchedMinuteBars:
    """Fetch the minute bars of a session, each symbol's from the first feed that gives it; it may be retried.

    Raises:
        SourceUnavailable: no feed answered properly.
    """
    sources = [(await load(MarketFeed, name)).minutes() for name in (feed, *fallbacks)]
    missing, frames = Missing(tuple(dict.fromkeys(symbols)), sources[0].name), [minute_frame(NO_MINUTES)]

    def ask(source: MinuteBarSource, wanted: Sequence[str]) -> FetchedMinuteBars:
        return source.fetch(wanted, session, session)

    def ask_all() -> None:
        for answer, given in in_turn.ask(sources, missing, ask):
            frame = answer.bars.frame
            frames.append(frame[frame["symbol"].isin(given)])

    in_turn = await _in_turn(storage)
    await asyncio.to_thread(ask_all)
    if len(missing.down) == len(sources):
        raise missing.unavailable()
    frame = minute_frame(pd.concat(frames, ignore_index=True))
    return FetchedMinuteBars(bars=MinuteBars(frame=frame, source=sources[0].name), outcomes=missing.outcomes())


@task(retries=2, retry_delay_seconds=[2, 10], timeout_seconds=3600, cache_policy=NO_CACHE)
async def ask_chains(feed: str, fallbacks: Sequence[str], storage: str, underlyings: Sequence[str]) -> FetchedChains:
    """Fetch the chain of each underlying from the first feed that gives it; asking may be retried.

    Raises:
        SourceUnavailable: no feed gave any, and none said that it knows none.
    """
    sources = [(await load(MarketFeed, name)).chains() for name in (feed, *fallbacks)]
    missing, chains = Missing(tuple(dict.fromkeys(underlyings)), sources[0].name), list[OptionChain]()

    def ask_all() -> None:
        for answer, given in in_turn.ask(sources, missing, _chains):
            chains.extend(chain for chain in answer.chains if chain.underlying in given)

    in_turn = await _in_turn(storage)
    await asyncio.to_thread(ask_all)
    if len(missing.down) == len(sources):
        raise missing.unavailable()
    failed = tuple(outcome for outcome in missing.outcomes() if outcome.status is not FetchStatus.OK)
    return FetchedChains(chains=tuple(chains), outcomes=failed)


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


async def _in_turn(storage: str) -> InTurn:
    return InTurn(Ledger.of(await load(DeskStorage, storage)).providers, wall_clock)


def _chains(source: ChainSource, underlyings: Sequence[str]) -> FetchedChains:
    """Return the chains that a source gives; one that fails does not spoil the others.

    Raises:
        SourceUnavailable: all of them failed.
    """
    answers = {underlying: _chain(source, underlying) for underlying in underlyings}
    chains = tuple(answer for answer in answers.values() if isinstance(answer, OptionChain))
    outcomes = tuple(
        FetchOutcome(symbol=underlying, status=FetchStatus.OK) if isinstance(answer, OptionChain) else answer
        for underlying, answer in answers.items()
    )
    if outcomes and all(outcome.status is FetchStatus.FAILED for outcome in outcomes):
        raise SourceUnavailable(source.name, f"no chain came, last: {outcomes[-1].text}")
    return FetchedChains(chains=chains, outcomes=outcomes)


def _chain(source: ChainSource, underlying: str) -> OptionChain | FetchOutcome:
    """Return the chain, or why there is none."""
    try:
        return source.fetch(underlying)
    except UnknownSymbol as exc:
        return FetchOutcome(symbol=underlying, status=FetchStatus.UNKNOWN_SYMBOL, text=str(exc))
    except (SourceUnavailable, ChainInvalid) as exc:
        return FetchOutcome(symbol=underlying, status=FetchStatus.FAILED, text=str(exc))
