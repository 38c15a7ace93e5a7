"""Builders of histories and portfolios: each shows only what a test is about."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from trading.risk.measure_limits import MeasureLimits
from trading.risk.portfolio_risk import PortfolioRisk
from trading.risk.return_history import ReturnHistory
from trading.risk.risk_model import RiskModel, SymbolFacts
from trading.risk.stress import StressScenario


def a_history(columns: Mapping[str, Sequence[float]], unmeasured: Mapping[str, str] | None = None) -> ReturnHistory:
    """Return a history of those returns, session by session from 2024 on."""
    returns = np.column_stack([np.asarray(c, dtype=float) for c in columns.values()])
    days = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(len(returns)))
    return ReturnHistory(symbols=tuple(columns), sessions=days, returns=returns, unmeasured=unmeasured or {})


def a_model(
    columns: Mapping[str, Sequence[float]],
    facts: Mapping[str, SymbolFacts] | None = None,
    scenarios: Sequence[StressScenario] = (),
    benchmark: str = "SPY",
) -> RiskModel:
    return RiskModel.of(a_history(columns), benchmark=benchmark, facts=facts, scenarios=scenarios)


def a_portfolio(model: RiskModel, limits: MeasureLimits, held=(), working=(), **more) -> PortfolioRisk:
    """Return a portfolio with an equity of 1,000."""
    return PortfolioRisk(held=dict(held), working=working, model=model, limits=limits, **({"equity": 1000.0} | more))
