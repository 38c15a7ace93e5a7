"""Risk limits: the values of one account."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.risk.form_fields import FormDecimal, PerCent
from trading.risk.refusals import RefusalCode as RefusalCode
from trading.risk.risk_decisions import RiskDecision as RiskDecision
from trading.risk.scoped_limits import LimitScope, ScopedLimits, Sector
from trading.validation import STRICT, Contradiction

_USUAL_ORDER = Decimal(250_000)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class RiskLimits:
    """The limits of one account; one left out is no limit.

    The worst case counts: every working order that adds exposure as filled in full, none that lowers it as filled.
    """

    max_order_notional: Annotated[
        FormDecimal, Field(gt=0, description="Largest value of one order, in account currency.")
    ] = _USUAL_ORDER
    max_order_qty: Annotated[
        FormDecimal | None, Field(gt=0, description="Most units of one order: shares or contracts.")
    ] = None
    max_position_notional: Annotated[
        FormDecimal, Field(gt=0, description="Largest value of the position in one symbol.")
    ] = Decimal(500_000)
    max_position_qty: Annotated[
        FormDecimal | None, Field(gt=0, description="Most units of the position in one symbol, long or short.")
    ] = None
    max_position_pct: Annotated[
        PerCent, Field(description="Largest value of the position in one symbol, in per cent of equity: 25 is 25 %.")
    ] = Decimal(25)
    max_cluster_pct: Annotated[
        PerCent | None,
        Field(
            description="Largest sum of absolute values of the positions in a symbol and all that move with it, "
            "in per cent of equity."
        ),
    ] = None
    cluster_correlation: Annotated[
        float, Field(gt=0, lt=1, description="Correlation of daily returns above which symbols move together.")
    ] = 0.7
    max_gross_leverage: Annotated[
        FormDecimal,
        Field(
            gt=0,
            description="Largest sum of absolute position values, as a multiple of equity. "
            "A full rotation passes through 2: buys count before the sells that pay for them are filled.",
        ),
    ] = Decimal(2)
    max_net_leverage: Annotated[
        FormDecimal | None,
        Field(gt=0, description="Largest value of long less short positions, as a multiple of equity."),
    ] = None
    max_orders_per_day: Annotated[int, Field(gt=0, description="Most orders of one session.")] = 500
    max_orders_per_minute: Annotated[int | None, Field(gt=0, description="Most orders decided within 60 seconds.")] = (
        None
    )
    max_notional_per_day: Annotated[
        FormDecimal, Field(gt=0, description="Largest sum of order values of one session.")
    ] = Decimal(3_000_000)
    max_turnover_per_day_pct: Annotated[
        PerCent | None, Field(description="Largest sum of order values of one session, in per cent of equity.")
    ] = None
    max_participation_pct: Annotated[
        PerCent | None,
        Field(le=100, description="Largest share of a symbol's average volume that a session may order, in per cent."),
    ] = None
    max_order_volatility_pct: Annotated[
        FormDecimal | None,
        Field(
            gt=0,
            description="Largest value of one order times the symbol's daily volatility, in per cent of equity: "
            "0.05 is 0.05 %, 10 % of equity in what moves 0.5 % a day.",
        ),
    ] = None
    price_band_pct: Annotated[
        PerCent,
        Field(
            description="Furthest that a limit or stop price may lie from the last price, in per cent (fat finger).",
        ),
    ] = Decimal(10)
    max_spread_pct: Annotated[
        FormDecimal | None,
        Field(
            gt=0,
            le=100,
            description="Largest gap of bid and ask, in per cent of their middle: 0.05 is 0.05 %, five basis points. "
            "Quotes come from trade-session's `feed`; a symbol without a usable one is refused.",
        ),
    ] = None
    max_quote_age_seconds: Annotated[
        int | None,
        Field(
            gt=0,
            description="Oldest quote, in seconds. Quotes come from trade-session's `feed`; a symbol without a usable "
            "one is refused.",
        ),
    ] = None
    buying_power_multiple: Annotated[
        FormDecimal,
        Field(
            gt=0,
            description="Buying power as a multiple of equity: "
            "1 for a cash account, 2 for a margin account (Regulation T).",
        ),
    ] = Decimal(2)
    max_margin_pct: Annotated[
        PerCent | None, Field(description="Largest initial margin, in per cent of equity: 80 keeps 20 % free.")
    ] = None
    margin_rate_pct: Annotated[
        PerCent,
        Field(
            le=100,
            description="Initial margin of a position, in per cent of its value, where the broker does not say "
            "(Regulation T: 50).",
        ),
    ] = Decimal(50)
    max_day_trades: Annotated[
        int | None,
        Field(
            ge=0,
            description="Most day trades in five sessions: opened and closed on one day. 3 keeps below the four that "
            "made a pattern day trader of an account under 25,000 USD (FINRA 4210 until 2026-06-04; brokers may keep "
            "the rule until 2027-10-20).",
        ),
    ] = None
    max_market_volatility_pct: Annotated[
        PerCent | None,
        Field(description="Annualised volatility of the market, in per cent, above which nothing is added."),
    ] = None
    market_benchmark: Annotated[
        str, Field(min_length=1, description="Symbol in store that is the market for that limit.")
    ] = "SPY"
    history_sessions: Annotated[
        int,
        Field(
            ge=20,
            le=1000,
            description="Sessions that average volumes, volatilities and correlations are taken from.",
        ),
    ] = 60
    close_only: Annotated[bool, Field(description="Positions may only be closed.")] = False
    short_sales_allowed: Annotated[bool, Field(description="More may be sold than is held.")] = True
    uncovered_shorts_allowed: Annotated[
        bool,
        Field(description="Calls may be sold without the shares held, and puts without the cash to buy the shares."),
    ] = True
    trading_hours_only: Annotated[
        bool, Field(description="Orders may be sent before or in the regular session, and filled only in it.")
    ] = False
    reduce_to_fit: Annotated[
        bool,
        Field(
            description="An order that is too large is cut to whole lots that fit, instead of refused. "
            "Orders in legs, and those that only close a position, are never cut."
        ),
    ] = False
    allowed_symbols: Annotated[
        tuple[str, ...], Field(description="Only these symbols may be traded; empty allows all.")
    ] = ()
    blocked_symbols: Annotated[tuple[str, ...], Field(description="These symbols may not be traded.")] = ()
    sectors: Annotated[tuple[Sector, ...], Field(description="Sectors with their symbols, for limits on sectors.")] = ()
    scopes: Annotated[
        tuple[ScopedLimits, ...], Field(description="Limits on single books, symbols, sectors and asset classes.")
    ] = ()

    def __post_init__(self) -> None:
        _check_symbols(self.allowed_symbols, self.blocked_symbols)
        _check_sectors(self.sectors)
        largest = 2 if self.short_sales_allowed else 1  # an order may turn a position from long to short
        if self.max_order_notional != _USUAL_ORDER:
            _check_order(
                "max_order_notional",
                self.max_order_notional,
                "max_position_notional",
                self.max_position_notional,
                largest,
            )
        _check_order("max_order_qty", self.max_order_qty, "max_position_qty", self.max_position_qty, largest)
        known: set[tuple[LimitScope, str]] = set()
        for scoped in self.scopes:
            if scoped.key in known:
                raise Contradiction("scopes", scoped.name, "there once; put its limits into one entry")
            known.add(scoped.key)
            self._check_scope(scoped)

    @property
    def need_quotes(self) -> bool:
        """Tell whether a limit is set that needs quotes."""
        return self.max_spread_pct is not None or self.max_quote_age_seconds is not None

    @property
    def need_history(self) -> bool:
        """Tell whether a limit is set that needs bars of the last sessions."""
        needing = (
            self.max_participation_pct,
            self.max_order_volatility_pct,
            self.max_cluster_pct,
            self.max_market_volatility_pct,
        )
        return any(limit is not None for limit in needing)

    @property
    def need_margin(self) -> bool:
        """Tell whether a limit is set that needs margin."""
        return self.max_margin_pct is not None

    def _check_scope(self, scoped: ScopedLimits) -> None:
        sectors = [sector.name for sector in self.sectors]
        if scoped.scope is LimitScope.SECTOR and scoped.subject not in sectors:
            names = ", ".join(sorted(sectors)) or "none is named there"
            raise Contradiction("scopes", scoped.name, f"a sector of `sectors` ({names})")
        for name, mine, account in self._pairs(scoped):
            if mine is not None and mine > account:
                rule = f"at most the account's {account}: a part cannot have more than the whole"
                raise Contradiction(f"{name} of {scoped.name}", mine, rule)

    def _pairs(self, scoped: ScopedLimits) -> Sequence[tuple[str, Decimal | int | None, Decimal | int]]:
        """Return the limits of the scope beside those of the account that they may not exceed."""
        pairs: list[tuple[str, Decimal | int | None, Decimal | int]] = [
            ("max_order_notional", scoped.max_order_notional, self.max_order_notional),
            ("max_orders_per_day", scoped.max_orders_per_day, self.max_orders_per_day),
            ("max_pct", scoped.max_pct, self.max_gross_leverage * 100),
        ]
        if scoped.scope is LimitScope.INSTRUMENT:
            pairs += [
                ("max_notional", scoped.max_notional, self.max_position_notional),
                ("max_pct", scoped.max_pct, self.max_position_pct),
            ]
        return pairs


def _check_symbols(allowed: Sequence[str], blocked: Sequence[str]) -> None:
    both = sorted(set(allowed) & set(blocked))
    if both:
        raise Contradiction("blocked_symbols", ", ".join(both), "left out of allowed_symbols, or not blocked")


def _check_sectors(sectors: Sequence[Sector]) -> None:
    known: dict[str, str] = {}
    for name, symbol in ((sector.name, symbol) for sector in sectors for symbol in sector.symbols):
        if known.setdefault(symbol, name) != name:
            raise Contradiction(f"sector of {symbol}", f"{known[symbol]} and {name}", "one")
    names = [sector.name for sector in sectors]
    for name in {name for name in names if names.count(name) > 1}:
        raise Contradiction("sectors", name, "there once; put its symbols into one entry")


def _check_order(name: str, order: Decimal | None, whole: str, position: Decimal | None, largest: int) -> None:
    if order is not None and position is not None and order > largest * position:
        why = "an order can turn a position round, and do no more" if largest > 1 else "without short sales"
        raise Contradiction(name, order, f"at most {largest} x {whole}, which is {position}: {why}")
