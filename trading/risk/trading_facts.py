"""What the gate is told of symbols and of the market besides prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trading.market.instruments import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteFact:
    """Best bid and ask; a side that nobody quotes is None, and so is a time that the provider does not tell.

    Attributes:
        received_at: when we had it; its age counts to then where that is after the decision. None: at the decision.
    """

    bid: Decimal | None
    ask: Decimal | None
    quoted_at: datetime | None
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingFacts:
    """What is known of one symbol; what is None is not known, and refuses where a limit needs it.

    Attributes:
        average_volume: mean of the daily volumes, in units, > 0.
        volatility_pct: standard deviation of the daily log returns, in per cent.
        correlated: symbols whose correlation with this one is above `cluster_correlation`, this one not among them.
        why_no_quote: why `quote` is None though one was asked for, and the way out.
    """

    instrument: Instrument | None = None
    average_volume: Decimal | None = None
    volatility_pct: Decimal | None = None
    correlated: frozenset[str] | None = None
    quote: QuoteFact | None = None
    why_no_quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerMargin:
    """What the broker says of margin.

    Attributes:
        initial: initial margin of the account, in its currency; the gate wants all that works counted in, which a
            broker may not have done (`trading.risk.margin_previews`).
        changes: what each order would add to it by the broker's what-if, by cl_ord_id; an order that is not there
            counts by `margin_rate_pct`.
        untold: why the broker did not tell it of an order, by cl_ord_id.
    """

    initial: Decimal
    changes: Mapping[str, Decimal] = field(default_factory=dict)
    untold: Mapping[str, str] = field(default_factory=dict)


NOTHING_KNOWN = TradingFacts()
