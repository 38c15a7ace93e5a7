"""All that the gate must know of an account besides its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from trading.errors import InvalidValue
from trading.orders.orders import NewOrderSingle, Order, Side
from trading.risk.inputs import PortfolioMeasures
from trading.risk.restrictions import Restriction
from trading.risk.trading_facts import BrokerMargin, TradingFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskState:
    """All that the gate must know of an account besides its limits.

    Attributes:
        equity: finite, in `currency`; may be negative.
        cash: finite; what short puts are covered by, and told to the person who is short of buying power.
        held: signed quantity per symbol.
        marks: last raw price per unit; one that is absent, not finite or not above 0 is no price.
        working: orders that may still trade, UNKNOWN ones included; final ones do no harm.
        orders_today: orders accepted before in this session, and changes of them.
        notional_today: their value by `trading.risk.exposure.order_notional`.
        today: the orders accepted before in this session, as they are in force.
        orders_last_minute: orders and changes accepted in the 60 seconds before.
        day_trades_before: day trades of the last four sessions, without this one.
        traded_today: cl_ord_id, symbol and side of each order that something was executed of today.
        halted: why trading is stopped, or None.
        blocked: symbols whose bars did not pass, each with the reason.
        multipliers: of instruments whose multiplier is not 1, where neither `facts` nor the symbol tell.
        restrictions: what tripped breakers forbid.
        books: signed quantity per symbol of each strategy book that a limit or restriction names.
        facts, margin, market_volatility_pct, closes_at, portfolio: as in `RiskInputs`.
    """

    equity: Decimal
    cash: Decimal
    held: Mapping[str, Decimal]
    marks: Mapping[str, Decimal]
    working: Sequence[Order] = ()
    orders_today: int = 0
    notional_today: Decimal = Decimal(0)
    today: Sequence[NewOrderSingle] = ()
    orders_last_minute: int = 0
    day_trades_before: int = 0
    traded_today: frozenset[tuple[str, str, Side]] = frozenset()
    halted: str | None = None
    blocked: Mapping[str, str] = field(default_factory=dict)
    multipliers: Mapping[str, Decimal] = field(default_factory=dict)
    currency: str = "USD"
    restrictions: Sequence[Restriction] = ()
    books: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    facts: Mapping[str, TradingFacts] = field(default_factory=dict)
    margin: BrokerMargin | None = None
    market_volatility_pct: Decimal | None = None
    closes_at: datetime | None = None
    portfolio: PortfolioMeasures | None = None

    def __post_init__(self) -> None:
        amounts = {"equity": self.equity, "cash": self.cash, "notional_today": self.notional_today}
        amounts |= {f"quantity held of {symbol}": qty for symbol, qty in self.held.items()}
        for name, amount in amounts.items():
            if not amount.is_finite():
                raise InvalidValue(name, amount, "a finite number")
