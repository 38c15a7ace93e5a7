"""Quoting: the quotes of a moment, and what the gate for quotes says of them."""

from collections.abc import Sequence

from prefect.logging import get_run_logger

from blocks.broker_account import Mode
from blocks.desk import Desk, wall_clock
from tasks.ask import ask_quotes
from tasks.judge import judge_quotes
from trading.errors import MarketDataError
from trading.ledger import Decision
from trading.market.feed_verdicts import FeedVerdict
from trading.market.quotes import Quotes
from trading.risk.gate_quotes import GateQuotes, gate_quotes

ASK_SECONDS = 240  # a quote that comes later than that is none of the moment, and the session waits
RETRY_SECONDS = 2


async def judged_quotes(desk: Desk, feed: str, storage: str, symbols: Sequence[str]) -> tuple[Quotes, FeedVerdict]:
    """Ask for a quote of each symbol and judge them beside the account's last closes.

    Raises:
        MarketDataError: the feed is down.
        TimeoutError: it takes too long.
    """
    asking = ask_quotes.with_options(retries=1, retry_delay_seconds=RETRY_SECONDS, timeout_seconds=ASK_SECONDS)
    fetched = await asking(feed, [], storage, symbols)
    return fetched.quotes, await judge_quotes(feed, storage, fetched, desk.market.settings.name, wall_clock())


async def quotes_at_gate(
    desk: Desk, decision: Decision, feed: str | None, storage: str, *, rehearsal: bool
) -> GateQuotes:
    """Return the quotes of what is ordered, where a limit needs them; a feed that is down gives none, and says why."""
    symbols = sorted(target.symbol for target in decision.targets if target.order_qty)
    if not symbols or not desk.account.risk_limits.limits.need_quotes:
        return GateQuotes()
    if rehearsal:
        why = "a session that is over has no quotes; rehearse it with an account without these limits"
        return GateQuotes(unusable=dict.fromkeys(symbols, why))
    if feed is None:
        return GateQuotes()
    try:
        quotes, verdict = await judged_quotes(desk, feed, storage, symbols)
    except (MarketDataError, TimeoutError) as exc:
        get_run_logger().warning("No quotes reach the gate: %s", exc)
        why = f"market feed {feed} gave none: {exc}; mend it, or name another feed"
        return GateQuotes(unusable=dict.fromkeys(symbols, why))
    return gate_quotes(quotes, verdict, live_only=desk.account.mode is Mode.LIVE)
