"""What the gate is told from outside the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol, Self

from trading.market.calendars import TradingCalendar
from trading.risk.approvals import ApprovalTerms
from trading.risk.limits import RiskLimits
from trading.risk.measure_limits import MeasureBreach
from trading.risk.trading_facts import BrokerMargin, TradingFacts


class PortfolioMeasures(Protocol):
    """The measures of a whole portfolio, kept up to date order by order."""

    def breach(self, symbol: str, signed_value: float) -> MeasureBreach | None:
        """Return the first measure that the order would make worse and beyond its limit, or None."""
        ...

    def reserve(self, symbol: str, signed_value: float) -> None:
        """Count the order as working from now on."""
        ...

    def copy(self) -> Self:
        """Return a portfolio that goes its own way from here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskInputs:
    """Limits and market, as they were when orders were proposed; what is held and working the ledger knows itself.

    Attributes:
        marks: last raw price per unit of every symbol held or ordered.
        blocked: symbols whose bars did not pass, each with the reason.
        facts: of symbols held or ordered; needed only where a limit needs them, but for instruments, whose lot size
            and multiplier always count.
        margin: what the broker says of margin; None counts all by `margin_rate_pct`.
        market_volatility_pct: annualised volatility of `market_benchmark`, in per cent; None when not known.
        closes_at: end of the regular session that the orders are for; None when not known.
        calendar: whose days and sessions day trades count in; None counts the days of UTC, and ten of them.
        portfolio: measures that have limits, of the account without the orders that are to be judged; None when none
            has. It is copied before anything is counted.
        approval: when a person must approve the orders; None: no person is asked.
        currency: of the account, for the texts.
        stated: what the broker states to be held, by which the orders of a stopped desk are judged; None elsewhere.
    """

    limits: RiskLimits
    marks: Mapping[str, Decimal]
    blocked: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, TradingFacts] = field(default_factory=dict)
    margin: BrokerMargin | None = None
    market_volatility_pct: Decimal | None = None
    closes_at: datetime | None = None
    calendar: TradingCalendar | None = None
    portfolio: PortfolioMeasures | None = None
    approval: ApprovalTerms | None = None
    stated: Mapping[str, Decimal] | None = None
    currency: str = "USD"

    def multipliers(self) -> dict[str, Decimal]:
        """Return the cash value of a price of 1 for a quantity of 1, of each symbol whose instrument is known."""
        return {s: known.instrument.multiplier for s, known in self.facts.items() if known.instrument is not None}
