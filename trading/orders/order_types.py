"""What an order may say besides how much of what: its type, how long it holds, what must happen first, its legs.

Source: FIX 5.0 SP2, the tags named below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.errors import InvalidValue

LEG_MARK = "|"
"""Divides the legs in the symbol of a combo; no symbol of an instrument has it."""


class Side(StrEnum):
    """Side (FIX 54)."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """Return +1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderPurpose(StrEnum):
    """Why an order is made."""

    REBALANCE = "rebalance"  # towards the targets of a strategy
    PROTECT = "protect"  # rests at the broker, and closes a position at a loss or a profit
    FLATTEN = "flatten"  # closes a position while the desk is stopped; it may do nothing else


class OrdType(StrEnum):
    """OrdType (FIX 40); TRAILING_STOP is FIX's pegged order (P) with PegPriceType (1094) 8, trailing stop peg."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """TimeInForce (FIX 59); OPG is at the opening, CLS at the close, both for MARKET and LIMIT only.

    MARKET with OPG is what brokers call MOO and with CLS MOC, LIMIT with OPG LOO and with CLS LOC.
    """

    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


class PegOffsetType(StrEnum):
    """PegOffsetType (FIX 836): the unit of PegOffsetValue."""

    PRICE = "price"
    PERCENT = "percent"


class PositionEffect(StrEnum):
    """PositionEffect (FIX 77): whether an option order is to open or to close."""

    OPEN = "open"
    CLOSE = "close"


class ContingencyType(StrEnum):
    """ContingencyType (FIX 1385): OCO is one cancels the other, OTO one triggers the other."""

    OCO = "oco"
    OTO = "oto"


class TriggerDirection(StrEnum):
    """TriggerPriceDirection (FIX 1109): UP when the price is at the trigger or above, DOWN when at it or below."""

    UP = "up"
    DOWN = "down"

    def reached(self, px: Decimal, trigger_px: Decimal) -> bool:
        """Tell whether the price has reached the trigger."""
        return px >= trigger_px if self is TriggerDirection.UP else px <= trigger_px


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTrigger:
    """The order works only once the price of a symbol, perhaps another one, has been reached.

    Attributes:
        symbol: TriggerSymbol (FIX 1103).
        price: TriggerPrice (FIX 1102), > 0.
        direction: TriggerPriceDirection (FIX 1109).
    """

    symbol: str
    price: Decimal
    direction: TriggerDirection

    def __post_init__(self) -> None:
        require_symbol("symbol of a price trigger", self.symbol)
        require_positive(f"price of the trigger on {self.symbol}", self.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeTrigger:
    """The order works only from a time on.

    Attributes:
        at: EffectiveTime (FIX 168), UTC.
    """

    at: datetime

    def __post_init__(self) -> None:
        require_aware("at of a time trigger", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLeg:
    """One leg of an order in several instruments at once.

    Attributes:
        symbol: LegSymbol (FIX 600).
        ratio: LegRatioQty (FIX 623), >= 1: units of the leg in one unit of the order.
        side: LegSide (FIX 624) when the order is a BUY; a SELL order trades the opposite side of every leg.
    """

    symbol: str
    ratio: int
    side: Side

    def __post_init__(self) -> None:
        require_symbol("symbol of a leg", self.symbol)
        if self.ratio < 1:
            raise InvalidValue(f"ratio of leg {self.symbol}", self.ratio, "1 or more; a sale is told by its side")


def combo_symbol(legs: Sequence[OrderLeg]) -> str:
    """Return the symbol of an order in those legs, whatever their order.

    Buying 1 AAPL and selling 2 MSFT is `+1 AAPL|-2 MSFT`.
    """
    ordered = sorted(legs, key=lambda leg: leg.symbol)
    return LEG_MARK.join(f"{'+' if leg.side is Side.BUY else '-'}{leg.ratio} {leg.symbol}" for leg in ordered)


def is_combo(symbol: str) -> bool:
    """Tell whether a symbol is that of an order in legs: nothing is ever held in it, only in its legs."""
    return LEG_MARK in symbol


def require_symbol(name: str, symbol: str) -> None:
    """Require the symbol of one instrument.

    Raises:
        InvalidValue: it is empty, or that of a combo.
    """
    if not symbol or is_combo(symbol):
        raise InvalidValue(name, symbol, f"the symbol of one instrument, without {LEG_MARK!r}")


def require_positive(name: str, value: Decimal | None, why: str = "") -> None:
    """Require a finite number above 0.

    Raises:
        InvalidValue: it is not.
    """
    if value is None or not (value.is_finite() and value > 0):
        raise InvalidValue(name, value, f"finite and greater than 0{why}")


def require_aware(name: str, at: datetime) -> None:
    """Require a time that says its zone.

    Raises:
        InvalidValue: it does not.
    """
    if at.tzinfo is None:
        raise InvalidValue(name, at, "aware (UTC)")
