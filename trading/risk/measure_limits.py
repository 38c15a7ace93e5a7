"""Limits on measures of a whole portfolio: value at risk, stress, beta, liquidity, Greeks."""

from dataclasses import dataclass as plain_dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from trading.risk.form_fields import FormDecimal, PerCent, per_cent_from
from trading.risk.refusals import RefusalCode
from trading.risk.tail_measures import TailMethod
from trading.validation import STRICT


def _fraction(value: float) -> float:
    if not 0.9 <= value <= 0.999:
        raise ValueError("a fraction from 0.9 to 0.999: write 0.99 for 99 %")
    return value


TailPct = Annotated[PerCent, Field(le=100)]
LossPct = Annotated[FormDecimal, Field(le=100), per_cent_from(Decimal(1))]
Positive = Annotated[FormDecimal, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class MeasureLimits:
    """Limits on measures of the whole portfolio; a limit left out is no limit.

    What is in per cent is refused where it was surely meant otherwise: value at risk and expected shortfall below
    0.1 % or above 100 % of equity, stress loss and drawdown below 1 % or above 100 %.
    """

    max_var_pct: Annotated[
        TailPct | None, Field(description="Largest value at risk, in per cent of equity: 5 is 5 %.")
    ] = None
    max_expected_shortfall_pct: Annotated[
        TailPct | None, Field(description="Largest expected shortfall, in per cent of equity: 5 is 5 %.")
    ] = None
    max_stress_loss_pct: Annotated[
        LossPct | None, Field(description="Largest loss in any stress scenario, in per cent of equity: 30 is 30 %.")
    ] = None
    max_drawdown_pct: Annotated[
        LossPct | None,
        Field(description="Fall of equity from its peak, in per cent, beyond which nothing is added: 15 is 15 %."),
    ] = None
    max_beta: Annotated[
        Positive | None, Field(description="Largest beta of equity to the benchmark, long or short: 1.2.")
    ] = None
    max_liquidity_days: Annotated[
        Positive | None, Field(description="Most sessions that it may take to sell the position in one symbol.")
    ] = None
    max_delta: Annotated[
        Positive | None,
        Field(description="Largest net delta, long or short: value of the underlyings held, in account currency."),
    ] = None
    max_gamma: Annotated[
        Positive | None,
        Field(description="Largest change of net delta for a move of 1 % of all underlyings, in account currency."),
    ] = None
    max_vega: Annotated[
        Positive | None,
        Field(description="Largest gain or loss for one percentage point of volatility, in account currency."),
    ] = None
    method: Annotated[TailMethod, Field(description="How both are found: by what happened, or by a distribution.")] = (
        TailMethod.HISTORICAL
    )
    level: Annotated[
        float,
        AfterValidator(_fraction),
        Field(description="Confidence of value at risk and expected shortfall, as a fraction: 0.99 is 99 %."),
    ] = 0.99
    horizon_sessions: Annotated[
        int, Field(ge=1, le=250, description="Sessions that value at risk and expected shortfall look ahead.")
    ] = 1
    history_sessions: Annotated[
        int,
        Field(ge=100, le=5000, description="Sessions of history that scenarios are taken from; a symbol needs all."),
    ] = 500
    participation_pct: Annotated[
        FormDecimal, Field(ge=1, le=100, description="Share of a day's usual volume that may be sold, in per cent.")
    ] = Decimal(10)
    benchmark: Annotated[
        str, Field(min_length=1, description="Symbol that betas, and market moves in stress scenarios, refer to.")
    ] = "SPY"

    def __post_init__(self) -> None:
        var, shortfall = self.max_var_pct, self.max_expected_shortfall_pct
        if var is not None and shortfall is not None and shortfall < var:
            raise ValueError(
                f"coherent: expected shortfall is never smaller than value at risk, so with "
                f"max_expected_shortfall_pct {shortfall} the max_var_pct {var} could not be reached"
            )
        if self.history_sessions * (1 - self.level) < 1 - 1e-9:
            needed = round(1 / (1 - self.level))
            raise ValueError(f"coherent: level {self.level} needs a history_sessions of {needed} at least")

    @property
    def any_set(self) -> bool:
        """Tell whether there is a limit at all."""
        return any(value is not None for value in self._limits())

    def _limits(self) -> tuple[Decimal | None, ...]:
        return (
            self.max_var_pct,
            self.max_expected_shortfall_pct,
            self.max_stress_loss_pct,
            self.max_drawdown_pct,
            self.max_beta,
            self.max_liquidity_days,
            self.max_delta,
            self.max_gamma,
            self.max_vega,
        )


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class MeasureBreach:
    """One measure that an order would make worse, and beyond its limit.

    Attributes:
        limit, before, after: in the unit of the limit, as text.
        text: one sentence for a person.
    """

    code: RefusalCode
    symbol: str
    limit: str
    before: str
    after: str
    text: str


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class MeasureUse:
    """How much of one limit is used.

    Attributes:
        limit, value: in `unit`; a value is infinite when it is a share of no equity, or time to sell without a volume.
        scenario: which stress scenario is the worst; empty for other measures.
    """

    code: RefusalCode
    limit: float
    value: float
    unit: str
    scenario: str = ""
