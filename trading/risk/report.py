"""The risk of an account at one moment: how much of each limit is used, measures, and who contributes most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from trading.errors import InvalidValue
from trading.orders.orders import Side
from trading.risk.contributions import Contribution
from trading.risk.exposure import AccountExposure
from trading.risk.gate import RiskState
from trading.risk.limits import RiskLimits
from trading.risk.measure_limits import MeasureUse
from trading.risk.risk_model import STRESS, RiskModel
from trading.risk.tail_measures import FloatArray, TailMethod, tail_risk_told


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """How much of one limit is used, in the worst case of the working orders.

    Attributes:
        value, limit: in `unit`.
        subject: the symbol that it is about, where it is about one.
    """

    name: str
    value: float
    limit: float
    unit: str
    subject: str = ""

    @property
    def share(self) -> float:
        """Return the part that is used; above 1 the limit is exceeded."""
        return self.value / self.limit


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


def limit_uses(state: RiskState, limits: RiskLimits) -> tuple[LimitUse, ...]:
    """Return the use of the account's own limits, each in its unit.

    Raises:
        InvalidValue: equity is not above 0, so no share of it can be told.
    """
    if state.equity <= 0:
        raise InvalidValue("equity", state.equity, "greater than 0, or no share of it can be told; check the account")
    exposure, currency = AccountExposure(state.held, state.working, state.marks, state.multipliers), state.currency
    symbols = sorted({*state.held, *(s for o in state.working for s in o.new_order.symbols)})
    values = {s: max(exposure.side(s, side).value for side in Side) for s in symbols}
    largest = max(values, key=lambda s: values[s], default="")
    value = values.get(largest, Decimal(0))
    share, gross = value / state.equity * 100, exposure.gross

    def use(name: str, used: Decimal | int, limit: Decimal | int, unit: str, subject: str = "") -> LimitUse:
        return LimitUse(name=name, value=float(used), limit=float(limit), unit=unit, subject=subject)

    return (
        use("largest position", value, limits.max_position_notional, currency, largest),
        use("largest position", share, limits.max_position_pct, "% of equity", largest),
        use("gross leverage", gross / state.equity, limits.max_gross_leverage, "x equity"),
        use("buying power", gross, state.equity * limits.buying_power_multiple, currency),
        use("orders of the session", state.orders_today, limits.max_orders_per_day, "orders"),
        use("value of the session's orders", state.notional_today, limits.max_notional_per_day, currency),
    )


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
