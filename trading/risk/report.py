"""The risk of an account at one moment: how much of each limit is used, measures, and who contributes most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from trading.risk.contributions import Contribution
from trading.risk.limit_uses import LimitUse
from trading.risk.measure_limits import MeasureUse
from trading.risk.risk_model import STRESS, RiskModel
from trading.risk.tail_measures import FloatArray, TailMethod, tail_risk_told


@dataclass(frozen=True, slots=True, kw_only=True)
class TailMeasure:
    """Value at risk and expected shortfall by one method, in account currency; `why` another one stood in."""

    method: TailMethod
    value_at_risk: float
    expected_shortfall: float
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StressLoss:
    """What a scenario would cost; below 0 it would earn."""

    scenario: str
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskReport:
    """The risk of an account.

    Attributes:
        contributors: largest parts of the historical expected shortfall.
        pnl: profit of each scenario of the past with what is held, oldest first; empty when nothing is measured.
        level: of the tails, a fraction.
        beta: of equity to the benchmark; None when not known.
        drawdown: fall of equity from its peak, as a fraction; None when not known.
        unmeasured: symbols held that have no measure, each with the reason.
    """

    account: str
    session: date
    reported_at: datetime
    equity: Decimal
    currency: str
    uses: tuple[LimitUse, ...]
    level: float
    tails: tuple[TailMeasure, ...]
    stresses: tuple[StressLoss, ...]
    contributors: tuple[Contribution, ...]
    pnl: tuple[float, ...] = ()
    benchmark: str = ""
    beta: float | None = None
    drawdown: float | None = None
    unmeasured: Mapping[str, str] = field(default_factory=dict)


def measure_uses(uses: Sequence[MeasureUse]) -> tuple[LimitUse, ...]:
    """Return the use of limits on measures in the same form."""
    return tuple(
        LimitUse(
            name=u.code.removeprefix("MAX_").replace("_", " ").lower() + (f" ({u.scenario})" if u.scenario else ""),
            value=u.value,
            limit=u.limit,
            unit=u.unit,
        )
        for u in uses
    )


def tails_of(pnl: FloatArray, level: float) -> tuple[TailMeasure, ...]:
    """Return the tail of a vector of profits by each method; none when nothing is measured."""
    if len(pnl) < 2:
        return ()
    found = [(method, tail_risk_told(pnl, level, method)) for method in TailMethod]
    return tuple(
        TailMeasure(
            method=method,
            value_at_risk=told.tail.value_at_risk,
            expected_shortfall=told.tail.expected_shortfall,
            why=told.why,
        )
        for method, told in found
    )


def stresses_of(model: RiskModel, held: Mapping[str, float]) -> tuple[StressLoss, ...]:
    """Return what each scenario would cost, the worst first."""
    losses = -(model.values(held) @ model.linear)[STRESS:]
    found = [StressLoss(scenario=s, loss=float(loss)) for s, loss in zip(model.scenarios, losses, strict=True)]
    return tuple(sorted(found, key=lambda s: -s.loss))
