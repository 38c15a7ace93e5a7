"""Contracts: what can be traded, how a client names it, and the price steps each exchange allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType


class UnknownContract(LookupError):
    """A contract is named, by id or symbol, that the catalogue does not have."""

    def __init__(self, name: int | str) -> None:
        self.name = name
        super().__init__(f"contract {name!r} is not in the catalogue; look for it by a part of its symbol or name")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboLeg:
    """One leg of a BAG.

    Attributes:
        con_id: contract of the leg.
        ratio: units of the leg in one unit of the combo, > 0.
        action: BUY or SELL, as seen by the buyer of the combo.
    """

    con_id: int
    ratio: int
    action: str
    exchange: str = "SMART"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The contract block of the wire protocol; as a query, an empty field matches everything.

    Attributes:
        sec_type: STK, OPT, FUT, CASH, IND or BAG.
        last_trade_date: yyyymmdd, or yyyymm in a query for a month.
        right: C or P, for options.
        exchange: where it is routed to; `primary_exchange` is where it is listed.
        legs: of a BAG only; not a part of the twelve fields.
    """

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    last_trade_date: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    legs: tuple[ComboLeg, ...] = ()

    def fields12(self) -> tuple[int | float | str, ...]:
        """Return the twelve fields a client sends."""
        before = (self.con_id, self.symbol, self.sec_type, self.last_trade_date, self.strike, self.right)
        where = (self.exchange, self.primary_exchange, self.currency)
        return (*before, self.multiplier, *where, self.local_symbol, self.trading_class)

    def fields11(self) -> tuple[int | float | str, ...]:
        """Return the eleven fields the server sends: the twelve without the primary exchange."""
        fields = self.fields12()
        return fields[:8] + fields[9:]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStep:
    """From this price on, up to the next step, prices are multiples of the increment."""

    low_edge: Decimal
    increment: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A contract and all that its details say about it.

    Attributes:
        contract: fully named; its exchange is the default route (SMART, CME, IDEALPRO, ...).
        reference_px: the price its random walk reverts to.
        daily_volatility: standard deviation of one session's return, as a fraction.
        dividend_yield: a year's dividends as a fraction of the price; paid in four.
        daily_volume: units in a typical session; 0 where nothing trades (an index).
        market_rules: one price ladder id for each of `exchanges`, in their order.
        under_con_id: of the underlying of an option or future, else 0.
    """

    contract: Contract
    long_name: str
    reference_px: Decimal
    daily_volatility: float
    dividend_yield: float = 0.0
    daily_volume: int = 0
    exchanges: tuple[str, ...]
    market_rules: tuple[int, ...]
    min_tick: Decimal
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    stock_type: str = ""
    under_con_id: int = 0
    under_symbol: str = ""
    under_sec_type: str = ""

    def rule_at(self, exchange: str) -> int:
        """Return the price ladder of an exchange, or the default route's where it is not listed."""
        at = self.exchanges.index(exchange) if exchange in self.exchanges else 0
        return self.market_rules[at]

    def has_expired(self, on: date) -> bool:
        """Return whether the last trading day is before this day."""
        last = self.contract.last_trade_date
        return bool(last) and last < on.strftime("%Y%m%d")


def _ladder(*steps: tuple[str, str]) -> tuple[PriceStep, ...]:
    return tuple(PriceStep(low_edge=Decimal(low), increment=Decimal(increment)) for low, increment in steps)


CENT, PENNY_PILOT, SUB_DOLLAR, NICKEL_DIME, QUARTER, FX_PIP, YEN_PIP = 26, 32, 557, 109, 67, 59, 60

MARKET_RULES: Mapping[int, tuple[PriceStep, ...]] = MappingProxyType(
    {
        CENT: _ladder(("0", "0.01")),
        PENNY_PILOT: _ladder(("0", "0.01"), ("3", "0.05")),
        SUB_DOLLAR: _ladder(("0", "0.0001"), ("1", "0.01")),
        NICKEL_DIME: _ladder(("0", "0.05"), ("3", "0.1")),
        QUARTER: _ladder(("0", "0.25")),
        FX_PIP: _ladder(("0", "0.00005")),
        YEN_PIP: _ladder(("0", "0.005")),
    }
)


def increment_at(rule: int, price: Decimal) -> Decimal:
    """Return the step that a price (of either sign) must be a multiple of.

    Rule 109, options outside the penny programme: 0.05 at 2.95, 0.1 from 3 on.
    """
    steps = [step.increment for step in MARKET_RULES[rule] if step.low_edge <= abs(price)]
    return steps[-1]


_RIGHTS: Mapping[str, str] = MappingProxyType({"CALL": "C", "PUT": "P", "0": "", "?": ""})


def matches(listing: Listing, query: Contract) -> bool:
    """Return whether a listing is one that the query can mean; an empty field of the query means any."""
    own = listing.contract
    if query.con_id and query.con_id != own.con_id:
        return False
    right = _RIGHTS.get(query.right.upper(), query.right.upper())
    asked = (
        (query.symbol.upper(), own.symbol),
        (query.sec_type, own.sec_type),
        (right, own.right),
        (query.strike, own.strike),
        (query.multiplier, own.multiplier),
        (query.primary_exchange, own.primary_exchange),
        (query.currency, own.currency),
        (query.local_symbol, own.local_symbol),
        (query.trading_class, own.trading_class),
    )
    if any(want and want != have for want, have in asked):
        return False
    if query.exchange and query.exchange not in (*listing.exchanges, own.primary_exchange):
        return False
    return own.last_trade_date.startswith(query.last_trade_date)
