"""Limits on a part of an account: one strategy book, instrument, sector or asset class."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from trading.market.instruments import SecurityType
from trading.risk.form_fields import FormDecimal, PerCent
from trading.validation import STRICT, Contradiction


class LimitScope(StrEnum):
    """What part of an account a limit is about."""

    STRATEGY = "strategy"  # a strategy book
    INSTRUMENT = "instrument"
    SECTOR = "sector"
    ASSET_CLASS = "asset_class"  # a SecurityType (FIX 167)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Sector:
    """Symbols that a limit on their sector is about."""

    name: Annotated[str, Field(min_length=1, description="Name of the sector, such as Energy.")]
    symbols: Annotated[tuple[str, ...], Field(description="Its symbols; a symbol has one sector.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ScopedLimits:
    """The limits of one book, symbol, sector or asset class; they apply besides the account's."""

    scope: Annotated[LimitScope, Field(description="What the subject is.")]
    subject: Annotated[
        str,
        Field(
            min_length=1,
            description="Name of the book, symbol or sector; of an asset class CS (shares), ETF, OPT, FUT or FXSPOT.",
        ),
    ]
    max_notional: Annotated[
        FormDecimal | None, Field(gt=0, description="Largest sum of absolute position values, in account currency.")
    ] = None
    max_pct: Annotated[
        PerCent | None, Field(description="Largest sum of absolute position values, in per cent of equity: 5 is 5 %.")
    ] = None
    max_order_notional: Annotated[
        FormDecimal | None, Field(gt=0, description="Largest value of one order, in account currency.")
    ] = None
    max_orders_per_day: Annotated[int | None, Field(gt=0, description="Most orders of one session.")] = None
    close_only: Annotated[bool, Field(description="Positions may only be closed.")] = False
    blocked: Annotated[bool, Field(description="It may be neither bought nor sold.")] = False

    def __post_init__(self) -> None:
        if self.subject != self.subject.strip():
            raise Contradiction("subject", self.subject, "without blanks around it")
        if self.scope is LimitScope.ASSET_CLASS and self.subject not in set(SecurityType):
            kinds = ", ".join(SecurityType)
            raise Contradiction("subject of an asset class", self.subject, f"one of {kinds}")

    @property
    def key(self) -> tuple[LimitScope, str]:
        """Return what tells it from others."""
        return self.scope, self.subject

    @property
    def name(self) -> str:
        """Return it for a sentence: `sector Energy`."""
        return f"{self.scope.value.replace('_', ' ')} {self.subject}"
