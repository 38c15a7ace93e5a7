"""Quality of option chains: what an option can break, the thresholds, and the verdicts that follow."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as settings

from trading.market.quality import Finding, SymbolVerdict
from trading.validation import STRICT


class ChainRule(StrEnum):
    """What an option of a chain can break, the first two the chain itself; these words never change their meaning."""

    NO_UNDERLYING_PRICE = "NO_UNDERLYING_PRICE"
    SPOT_OFF_STRIKES = "SPOT_OFF_STRIKES"  # far outside all strikes: a split, or two units
    NUMBER_INVALID = "NUMBER_INVALID"  # infinite or negative, or no strike or expiry
    DUPLICATE = "DUPLICATE"
    EXPIRED = "EXPIRED"
    STRIKE_SCALE = "STRIKE_SCALE"  # a strike off by a factor near 100
    ASK_MISSING = "ASK_MISSING"  # absent or 0 beside a bid
    NO_QUOTE = "NO_QUOTE"
    CROSSED = "CROSSED"
    LOCKED = "LOCKED"
    FUTURE_QUOTE = "FUTURE_QUOTE"
    STALE = "STALE"
    BELOW_LEAST = "BELOW_LEAST"  # the ask below what exercise is worth
    ABOVE_MOST = "ABOVE_MOST"  # the bid above what can be received at most
    PARITY = "PARITY"  # call, put and underlying disagree
    STRIKE_ORDER = "STRIKE_ORDER"  # a vertical spread for less than nothing, or for more than it can pay
    CONVEXITY = "CONVEXITY"  # a butterfly for less than nothing
    CALENDAR = "CALENDAR"  # more time for less money
    WIDE_SPREAD = "WIDE_SPREAD"
    NO_OPEN_INTEREST = "NO_OPEN_INTEREST"


@settings(frozen=True, slots=True, kw_only=True, config=STRICT)
class ChainPolicy:
    """Thresholds of the quality gate for option chains; a gap is money for nothing, in per cent of the underlying."""

    max_bad_pct: Annotated[
        float,
        Field(ge=0, le=100, description="Quarantine the chain when more of its options are quarantined, in per cent."),
    ] = 10.0
    min_score: Annotated[
        float, Field(ge=0, le=1, description="Quarantine the chain when the mean score of its options is lower.")
    ] = 0.5
    warn_score: Annotated[
        float, Field(ge=0, le=1, description="Warn of the chain when the mean score of its options is lower.")
    ] = 0.8
    max_gap_pct: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False, description="Largest gap that prices of different moments explain."),
    ] = 0.1
    critical_gap_pct: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="A larger gap is a fault, whatever the market does.")
    ] = 2.0
    max_quote_age_minutes: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="An older quote is stale; one without a time never is.")
    ] = 60.0
    max_quote_lead_minutes: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="How far a clock may be ahead; a later quote is critical.")
    ] = 1.0
    max_spread_pct: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="Widest spread, in per cent of the middle.")
    ] = 50.0
    narrow_spread_pct: Annotated[
        float,
        Field(
            ge=0, allow_inf_nan=False, description="No spread is too wide below this, in per cent of the underlying."
        ),
    ] = 0.25
    max_strike_factor: Annotated[
        float, Field(gt=1, allow_inf_nan=False, description="Farthest strike from the underlying, as a factor.")
    ] = 20.0
    max_spot_factor: Annotated[
        float,
        Field(
            ge=1, allow_inf_nan=False, description="How far the underlying may be from the nearest strike, as a factor."
        ),
    ] = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainReport:
    """The verdict on one chain.

    Attributes:
        verdict: quarantined is not to be used at all.
        score: mean of the options' scores; 0 for a chain without any, or with a fault of its own.
        options: one row for each option in the chain's order: CHAIN_KEYS, `score` in [0, 1], `verdict` (a word of
            SymbolVerdict), `rules` (words of ChainRule it breaks, with blanks between them).
        findings: one for each rule broken, about the worst option, with the count of all.
    """

    underlying: str
    source: str
    verdict: SymbolVerdict
    score: float
    options: pd.DataFrame
    findings: tuple[Finding, ...]
    checked_at: datetime

    def usable(self) -> pd.DataFrame:
        """Return the rows of the options that are not quarantined; none of a chain that is."""
        if self.verdict is SymbolVerdict.QUARANTINE:
            return self.options.iloc[:0]
        return self.options[self.options["verdict"] != SymbolVerdict.QUARANTINE.value]
