"""Quotes at the gate: which of those that a feed gave the limits on quotes may be held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from math import isfinite

import pandas as pd

from trading.market.feed_verdicts import FeedVerdict
from trading.market.quotes import QuoteKind, Quotes
from trading.risk.trading_facts import NOTHING_KNOWN, QuoteFact, TradingFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class GateQuotes:
    """What the gate is told of quotes.

    Attributes:
        usable: quotes by symbol.
        unusable: symbols that were asked for and have none, each with the reason, which names the way out.
    """

    usable: Mapping[str, QuoteFact] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)

    def beside(self, facts: Mapping[str, TradingFacts]) -> dict[str, TradingFacts]:
        """Return the facts with these quotes among them."""
        quoted = {
            symbol: replace(
                facts.get(symbol, NOTHING_KNOWN),
                quote=self.usable.get(symbol),
                why_no_quote=self.unusable.get(symbol, ""),
            )
            for symbol in {*self.usable, *self.unusable}
        }
        return {**facts, **quoted}


def gate_quotes(quotes: Quotes, verdict: FeedVerdict, *, live_only: bool) -> GateQuotes:
    """Return the quotes that passed the quality gate, and of every other symbol asked for the reason.

    Args:
        live_only: real money is traded, so that no quote of another kind may let it through.
    """
    given = {str(row.symbol): row for row in quotes.frame.itertuples(index=False)}
    quarantined = verdict.quarantined()
    usable, unusable = dict[str, QuoteFact](), dict[str, str]()
    for symbol in verdict.verdicts:
        row = given.get(symbol)
        if row is None or symbol in quarantined:
            unusable[symbol] = verdict.why(symbol) or f"{quotes.source} gave none that may be used; name another feed"
        elif live_only and row.kind != QuoteKind.LIVE:
            unusable[symbol] = f"that of {quotes.source} is {row.kind}, and real money is traded on live quotes only; "
            unusable[symbol] += "run it while the exchange quotes, or name a feed with live quotes"
        else:
            usable[symbol] = QuoteFact(
                bid=_price(row.bid), ask=_price(row.ask), quoted_at=_time(row.quoted_at), received_at=quotes.received_at
            )
    return GateQuotes(usable=usable, unusable=unusable)


def _price(px: float) -> Decimal | None:
    return Decimal(repr(float(px))) if isfinite(px) else None


def _time(at: pd.Timestamp) -> datetime | None:
    return None if pd.isna(at) else at.to_pydatetime()
