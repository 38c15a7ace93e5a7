"""On demand, before or in a session: whether the quotes of today may be traded on."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from blocks.desk import wall_clock
from flows.guard import ended
from flows.on_failure import tell_failure
from tasks.ask import ask_quotes
from tasks.judge import judge_quotes, publish_verdict
from tasks.keep import keep_verdict


@flow(
    name="check-quotes",
    retries=0,
    on_failure=[tell_failure],
    on_crashed=[tell_failure],
    on_cancellation=[tell_failure],
)
async def check_quotes(
    feed: str,
    symbols: Annotated[list[str], Field(min_length=1)],
    fallbacks: list[str] | None = None,
    daily_source: str | None = None,
    storage: str = "desk",
) -> State[Any]:
    """Ask once for a quote of each symbol, check it, and keep the verdict.

    Args:
        feed: Name of the market feed block.
        symbols: Of whom.
        fallbacks: Names of other market feed blocks, asked in this order for what the first cannot give.
        daily_source: Name under which the daily bars are stored whose closes the quotes must fit. None: that of the
            feed.
        storage: Name of the desk storage block.
    """
    fetched = await ask_quotes(feed, fallbacks or [], storage, symbols)
    verdict = await judge_quotes(feed, storage, fetched, daily_source, wall_clock())
    await keep_verdict(storage, verdict)
    await publish_verdict(verdict, fetched.outcomes)
    bad = verdict.quarantined()
    message = f"{verdict.source}: quotes of {len(verdict.verdicts)} symbols, {len(bad)} quarantined"
    return ended(message, name="Quarantined" if bad else None)
