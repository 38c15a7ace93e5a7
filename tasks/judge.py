"""Judge what a market feed gave: hold it against the rules of its gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.desk import load
from blocks.desk_storage import DeskStorage
from blocks.market_feed import MarketFeed
from tasks.ask import FetchedChains
from tasks.publish import publish_table
from tasks.value import last_closes
from trading.errors import InvalidValue
from trading.market.bars import DailyBars, FetchOutcome, PriceBasis
from trading.market.calendars import TradingCalendar
from trading.market.feed_verdicts import FeedKind, FeedVerdict
from trading.market.minute_bars import FetchedMinuteBars
from trading.market.minute_checks import check_minutes
from trading.market.quality import SymbolVerdict
from trading.market.quote_checks import check_quotes
from trading.market.quotes import FetchedQuotes
from trading.market.scores import SymbolScore
from trading.options.at_the_money import at_the_money
from trading.options.chain_checks import check_chain
from trading.options.chain_quality import ChainReport
from trading.options.chains import OptionChain
from trading.options.terms import PricingTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedChain:
    """A chain, and what its gate said."""

    chain: OptionChain
    report: ChainReport


@task(timeout_seconds=900, cache_policy=NO_CACHE)
async def judge_minutes(
    feed: str, storage: str, fetched: FetchedMinuteBars, session: date, daily_source: str | None, now: datetime
) -> FeedVerdict:
    """Check the minute bars of a session, beside its daily bars where these are in store."""
    settings, places = await load(MarketFeed, feed), await load(DeskStorage, storage)
    symbols = [outcome.symbol for outcome in fetched.outcomes]
    daily = places.store().read(daily_source or settings.name, symbols, session, session)
    report = check_minutes(
        fetched.bars,
        calendar=TradingCalendar(settings.mic),
        policy=settings.minute_quality,
        now=now,
        daily=_traded(daily),
    )
    verdict = FeedVerdict(
        kind=FeedKind.MINUTES,
        source=settings.name,
        session=session,
        verdicts=_scored(report.symbols, report.scores),
        findings=report.findings,
        checked_at=now,
    )
    return verdict.with_unanswered(fetched.outcomes)


@task(timeout_seconds=900, cache_policy=NO_CACHE)
async def judge_chains(
    feed: str, fetched: FetchedChains, terms: PricingTerms, now: datetime
) -> tuple[FeedVerdict, tuple[JudgedChain, ...]]:
    """Check each chain as of its own moment."""
    settings = await load(MarketFeed, feed)
    judged = tuple(
        JudgedChain(chain=chain, report=check_chain(chain, terms, settings.chain_quality)) for chain in fetched.chains
    )
    verdict = FeedVerdict(
        kind=FeedKind.CHAINS,
        source=settings.name,
        session=None,
        verdicts={each.report.underlying: (each.report.verdict, each.report.score) for each in judged},
        findings=tuple(finding for each in judged for finding in each.report.findings),
        checked_at=now,
    )
    return verdict.with_unanswered(fetched.outcomes), judged


@task(timeout_seconds=300, cache_policy=NO_CACHE)
async def judge_quotes(
    feed: str, storage: str, fetched: FetchedQuotes, daily_source: str | None, now: datetime
) -> FeedVerdict:
    """Check the quotes, beside the last closes in store, in the shares of today."""
    settings, places = await load(MarketFeed, feed), await load(DeskStorage, storage)
    calendar, source = TradingCalendar(settings.mic), daily_source or settings.name
    today = calendar.local_date(now)
    last = calendar.previous_session(today + timedelta(days=1))
    symbols = [outcome.symbol for outcome in fetched.outcomes]
    closes = last_closes(places.store(), source, calendar, last, symbols, shares_of=today)
    report = check_quotes(
        fetched,
        calendar=calendar,
        policy=settings.quote_quality,
        now=now,
        closes={symbol: float(close) for symbol, close in closes.items()},
    )
    return FeedVerdict(
        kind=FeedKind.QUOTES,
        source=settings.name,
        session=None,
        verdicts=_scored(report.symbols, report.scores),
        findings=report.findings,
        checked_at=now,
    )


async def publish_verdict(verdict: FeedVerdict, outcomes: Sequence[FetchOutcome] = ()) -> None:
    """Publish verdict, score and findings of every symbol, and who gave it where another feed stood in."""
    given_by = {outcome.symbol: outcome.provider or verdict.source for outcome in outcomes}
    rows = [
        {
            "symbol": symbol,
            "verdict": word.value,
            "score": round(score, 4),
            "given by": given_by.get(symbol, verdict.source),
            "findings": "; ".join(f.text for f in verdict.findings if f.symbol == symbol),
        }
        for symbol, (word, score) in sorted(verdict.verdicts.items())
    ]
    of = f" of {verdict.session}" if verdict.session else ""
    await publish_table(f"{verdict.kind}-verdicts", rows, f"Whether {verdict.kind} of {verdict.source}{of} may be used")


async def publish_volatilities(judged: Sequence[JudgedChain], terms: PricingTerms) -> None:
    """Publish the volatility at the money of each expiry of each chain, or why there is none."""
    rows = [row for each in judged for row in volatility_rows(each, terms)]
    await publish_table("chains-volatilities", rows, "Implied volatility a year, of the strike nearest to the price")


def volatility_rows(judged: JudgedChain, terms: PricingTerms) -> list[dict[str, str | float]]:
    """Return a row for each expiry, or one that says why there is none."""
    underlying, usable = judged.chain.underlying, judged.report.usable()
    try:
        found = at_the_money(judged.chain, terms, usable)
        why_not = "no option of it may be used"
    except InvalidValue as exc:
        found, why_not = usable.iloc[:0], str(exc)
    if found.empty:
        return [{"underlying": underlying, "expiry": "", "strike": "", "call": "", "put": "", "why not": why_not}]
    return [
        {
            "underlying": underlying,
            "expiry": f"{row.expiry:%Y-%m-%d}",
            "strike": float(row.strike),
            "call": _percent(row.call),
            "put": _percent(row.put),
            "why not": "",
        }
        for row in found.itertuples()
    ]


def _percent(volatility: float) -> str:
    return "" if volatility != volatility else f"{volatility:.1%}"


def _traded(daily: DailyBars) -> DailyBars | None:
    """Return daily bars that minutes can be held against; adjusted for dividends they were never traded at."""
    return None if daily.price_basis is PriceBasis.ADJUSTED or daily.frame.empty else daily


def _scored(
    symbols: Sequence[tuple[str, SymbolVerdict]], scores: Sequence[SymbolScore]
) -> dict[str, tuple[SymbolVerdict, float]]:
    return {symbol: (word, scored.score) for (symbol, word), scored in zip(symbols, scores, strict=True)}
