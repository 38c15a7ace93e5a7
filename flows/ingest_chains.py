"""On demand: option chains as they are now, fetched, checked, stored or put aside."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.desk import wall_clock
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.ask import ask_chains
from tasks.judge import judge_chains, publish_verdict, publish_volatilities
from tasks.keep import keep_chains
from trading.options.terms import PricingTerms

Rate = Annotated[float, Field(allow_inf_nan=False)]


@flow(
    name="ingest-chains",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def ingest_chains(
    feed: str,
    underlyings: Annotated[list[str], Field(min_length=1)],
    rate: Rate,
    dividend_yield: Rate = 0.0,
    fallbacks: list[str] | None = None,
    storage: str = "desk",
) -> State[Any]:
    """Fetch the option chain of each underlying, check every option, store good chains and quarantine the others.

    Args:
        feed: Name of the market feed block.
        underlyings: On whom.
        rate: Interest a year, continuously compounded: 0.05 is 5 %.
        dividend_yield: Of the underlyings a year, continuously compounded.
        fallbacks: Names of other market feed blocks, asked in this order for the chains that this one cannot give.
        storage: Name of the desk storage block.
    """
    terms = PricingTerms(rate=rate, dividend_yield=dividend_yield)
    fetched = await ask_chains(feed, fallbacks or [], storage, underlyings)
    verdict, judged = await judge_chains(feed, fetched, terms, wall_clock())
    stored = await keep_chains(storage, judged, verdict, terms)
    await publish_verdict(verdict)
    await publish_volatilities(judged, terms)
    bad = verdict.quarantined()
    message = f"{verdict.source}: {stored} chains stored, {len(bad)} of {len(verdict.verdicts)} quarantined"
    return ended(message, name="Quarantined" if bad else None)
