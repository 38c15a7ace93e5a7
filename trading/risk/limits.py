"""Risk limits: the values, and the stable codes of their refusals."""

from dataclasses import dataclass as plain_dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer, WithJsonSchema
from pydantic.dataclasses import dataclass

from trading.validation import STRICT

# A Decimal that a form shows as a number; its JSON is a number too (repr of a float returns the digits typed in).
FormDecimal = Annotated[
    Decimal, WithJsonSchema({"type": "number"}), PlainSerializer(float, return_type=float, when_used="json")
]


class RefusalCode(StrEnum):
    """Why an order was refused; these words never change their meaning."""

    HALTED = "HALTED"
    SYMBOL_BLOCKED = "SYMBOL_BLOCKED"
    SYMBOL_NOT_ALLOWED = "SYMBOL_NOT_ALLOWED"
    SYMBOL_LOCKED = "SYMBOL_LOCKED"  # an UNKNOWN order of the same symbol is not resolved yet
    BARS_NOT_PASSED = "BARS_NOT_PASSED"
    NO_PRICE = "NO_PRICE"
    PRICE_BAND = "PRICE_BAND"
    MAX_ORDER_NOTIONAL = "MAX_ORDER_NOTIONAL"
    MAX_POSITION_NOTIONAL = "MAX_POSITION_NOTIONAL"
    MAX_POSITION_PCT = "MAX_POSITION_PCT"
    MAX_GROSS_LEVERAGE = "MAX_GROSS_LEVERAGE"
    MAX_ORDERS_PER_DAY = "MAX_ORDERS_PER_DAY"
    MAX_NOTIONAL_PER_DAY = "MAX_NOTIONAL_PER_DAY"
    BUYING_POWER = "BUYING_POWER"
    CLOSES_NOTHING = "CLOSES_NOTHING"  # an order of a stopped desk that would do more than close a position


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class RiskLimits:
    """The limits of one account.

    The worst case counts: every working order that adds exposure as filled in full, none that lowers it as filled.
    """

    max_order_notional: Annotated[
        FormDecimal, Field(gt=0, description="Largest value of one order, in account currency.")
    ] = Decimal(250_000)
    max_position_notional: Annotated[
        FormDecimal, Field(gt=0, description="Largest value of the position in one symbol.")
    ] = Decimal(500_000)
    max_position_pct: Annotated[
        FormDecimal, Field(gt=0, description="Largest value of the position in one symbol, in per cent of equity.")
    ] = Decimal(25)
    max_gross_leverage: Annotated[
        FormDecimal,
        Field(
            gt=0,
            description="Largest sum of absolute position values, as a multiple of equity. "
            "A full rotation passes through 2: buys count before the sells that pay for them are filled.",
        ),
    ] = Decimal(2)
    max_orders_per_day: Annotated[int, Field(gt=0, description="Most orders of one session.")] = 500
    max_notional_per_day: Annotated[
        FormDecimal, Field(gt=0, description="Largest sum of order values of one session.")
    ] = Decimal(3_000_000)
    price_band_pct: Annotated[
        FormDecimal,
        Field(
            gt=0,
            description="Furthest that a limit or stop price may lie from the last price, in per cent (fat finger).",
        ),
    ] = Decimal(10)
    buying_power_multiple: Annotated[
        FormDecimal,
        Field(
            gt=0,
            description="Buying power as a multiple of equity: "
            "1 for a cash account, 2 for a margin account (Regulation T).",
        ),
    ] = Decimal(2)
    allowed_symbols: Annotated[
        tuple[str, ...], Field(description="Only these symbols may be traded; empty allows all.")
    ] = ()
    blocked_symbols: Annotated[tuple[str, ...], Field(description="These symbols may not be traded.")] = ()


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class RiskDecision:
    """What the gate decided about one order; recorded whether accepted or refused.

    Attributes:
        code: None when accepted.
        limit: the limit that refused it, in its own unit, as text; empty when accepted.
        value: what the order would have made of it.
        text: one sentence for a person.
    """

    cl_ord_id: str
    symbol: str
    accepted: bool
    code: RefusalCode | None = None
    limit: str = ""
    value: str = ""
    text: str = ""
