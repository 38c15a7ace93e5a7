"""What the gate is told of symbols and of the market besides prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trading.market.instruments import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteFact:
    """Best bid and ask; a side that nobody quotes is None, and so is a time that the provider does not tell."""

    bid: Decimal | None
    ask: Decimal | None
    quoted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingFacts:
    """What is known of one symbol; what is None is not known, and refuses where a limit needs it.

    Attributes:
        average_volume: mean of the daily volumes, in units, > 0.
        volatility_pct: standard deviation of the daily log returns, in per cent.
        correlated: symbols whose correlation with this one is above `cluster_correlation`, this one not among them.
    """

    instrument: Instrument | None = None
    average_volume: Decimal | None = None
    volatility_pct: Decimal | None = None
    correlated: frozenset[str] | None = None
    quote: QuoteFact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerMargin:
    """What the broker says of margin.

    Attributes:
        initial: initial margin of the account with all that works, in its currency.
        changes: what each order would add to it by the broker's what-if, by cl_ord_id; an order that is not there
            counts by `margin_rate_pct`.
    """

    initial: Decimal
    changes: Mapping[str, Decimal] = field(default_factory=dict)


NOTHING_KNOWN = TradingFacts()
