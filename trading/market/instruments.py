"""Instruments: what can be traded, where, in which steps."""

import math
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import ClassVar

from trading.errors import InvalidValue


class SecurityType(StrEnum):
    """SecurityType (FIX 167)."""

    COMMON_STOCK = "CS"
    EXCHANGE_TRADED_FUND = "ETF"
    OPTION = "OPT"
    FUTURE = "FUT"
    FX_SPOT = "FXSPOT"


class PutOrCall(StrEnum):
    """PutOrCall (FIX 201), by its usual letter."""

    PUT = "P"
    CALL = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What can be traded; one of its five kinds below.

    Attributes:
        symbol: Symbol (FIX 55); unique on the desk.
        mic: ISO 10383 code of the exchange whose calendar the instrument follows.
        currency: ISO 4217 code in which it is quoted and paid.
        tick_size: smallest step of a price, > 0.
        lot_size: smallest step of a quantity, > 0.
        multiplier: cash value of a price of 1 for a quantity of 1, > 0.
    """

    security_type: ClassVar[SecurityType]

    symbol: str
    mic: str
    currency: str = "USD"
    tick_size: Decimal = Decimal("0.01")
    lot_size: Decimal = Decimal(1)
    multiplier: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if not self.symbol or self.symbol != self.symbol.strip():
            raise InvalidValue("symbol", self.symbol, "non-empty, without blanks around it")
        if not (len(self.mic) == 4 and self.mic.isalnum() and self.mic.isupper()):
            raise InvalidValue(f"mic of {self.symbol}", self.mic, "an ISO 10383 code such as XNYS")
        for name in ("tick_size", "lot_size", "multiplier"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidValue(f"{name} of {self.symbol}", value, "finite and greater than 0")

    def round_to_tick(self, px: Decimal) -> Decimal:
        """Return the nearest price on the tick grid, half to even; 10.126 at 0.01 gives 10.13."""
        return (px / self.tick_size).to_integral_value(ROUND_HALF_EVEN) * self.tick_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity(Instrument):
    """A common share."""

    security_type = SecurityType.COMMON_STOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Etf(Instrument):
    """A share of an exchange-traded fund."""

    security_type = SecurityType.EXCHANGE_TRADED_FUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Option(Instrument):
    """A listed option.

    Attributes:
        underlying: symbol of what it is written on.
        maturity_date: MaturityDate (FIX 541).
        strike_px: StrikePrice (FIX 202), in currency per unit of the underlying, > 0.
    """

    security_type = SecurityType.OPTION

    underlying: str
    maturity_date: date
    strike_px: Decimal
    put_or_call: PutOrCall
    multiplier: Decimal = Decimal(100)

    def __post_init__(self) -> None:
        Instrument.__post_init__(self)
        if not (math.isfinite(self.strike_px) and self.strike_px > 0):
            raise InvalidValue(f"strike_px of {self.symbol}", self.strike_px, "finite and greater than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Future(Instrument):
    """A listed future; `maturity_date` is MaturityDate (FIX 541)."""

    security_type = SecurityType.FUTURE

    maturity_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class FxPair(Instrument):
    """A spot currency pair; `currency` is the one in which `base_currency` is quoted."""

    security_type = SecurityType.FX_SPOT

    base_currency: str
    tick_size: Decimal = Decimal("0.00005")
