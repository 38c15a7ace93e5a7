"""Measures of a portfolio: all at once, and order by order before a gate."""

import statistics
import tracemalloc
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from time import perf_counter

import numpy as np
import pandas as pd
from scipy.stats import norm

from benchmarks.measurement import Measurement, Run, at_most, percentile, seconds
from trading.risk.measure_limits import MeasureLimits
from trading.risk.portfolio_risk import PortfolioRisk
from trading.risk.return_history import ReturnHistory
from trading.risk.risk_model import STRESS, RiskModel
from trading.risk.stress import StressScenario, built_in_scenarios
from trading.risk.tail_measures import TailMethod, tail_risk

_LEVEL, _BENCHMARK = 0.99, "S0"
_SCENARIOS = (*built_in_scenarios(), StressScenario(name="mine", market_pct=-20, volatility_pct=50))


def measures(run: Run) -> Iterator[Measurement]:
    """Find value at risk and expected shortfall by three methods, and five stress losses, of one portfolio."""
    symbols, sessions = (20, 200) if run.quick else (1000, 1000)
    history = _history(symbols, sessions, run.seed)
    held = {
        s: float(v)
        for s, v in zip(history.symbols, np.random.default_rng(run.seed).normal(0, 1e5, symbols), strict=True)
    }
    frame, values = pd.DataFrame(history.returns, columns=list(history.symbols)), pd.Series(held)

    def ours() -> list[float]:
        model = RiskModel.of(history, benchmark=_BENCHMARK, scenarios=_SCENARIOS)
        row = model.values(held)
        pnl = row @ model.returns
        tails = [x for method in TailMethod for x in tail_risk(pnl, _LEVEL, method)]
        return [*tails[:4], *(-(row @ model.linear)[STRESS:])]

    if not np.allclose(ours(), _by_pandas(frame, values), rtol=1e-6):
        raise RuntimeError("the two find different measures, so they cannot be compared")
    took = statistics.median(seconds(ours) for _ in range(run.repeats(9)))
    baseline = statistics.median(seconds(lambda: _by_pandas(frame, values)) for _ in range(run.repeats(5)))
    what = f"{symbols:,} positions over {sessions:,} sessions"
    yield Measurement(
        name="risk.measures",
        value=1000 * took,
        unit="ms",
        baseline=1000 * baseline,
        note=f"historical, normal and Cornish-Fisher value at risk and expected shortfall, betas and {len(_SCENARIOS)} "
        f"stress scenarios of {what}; baseline: the same in pandas, without Cornish-Fisher",
    )
    tracemalloc.start()
    ours()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield Measurement(
        name="risk.measures.memory",
        value=peak / 2**20,
        unit="MiB",
        baseline=history.returns.nbytes / 2**20,
        note=f"most memory taken for it beside the returns of {what}; baseline: those returns",
    )


def increments(run: Run) -> Iterator[Measurement]:
    """Ask before each of 500 orders what the portfolio would measure, and count it as working."""
    symbols, sessions = (20, 200) if run.quick else (500, 1000)
    history = _history(symbols, sessions, run.seed)
    model = RiskModel.of(history, benchmark=_BENCHMARK, scenarios=_SCENARIOS)
    limits = MeasureLimits(
        max_var_pct=Decimal(90),
        max_expected_shortfall_pct=Decimal(90),
        max_stress_loss_pct=Decimal(100),
        max_beta=Decimal(10),
        max_delta=Decimal(10**12),
        history_sessions=sessions,
    )
    took: list[float] = []
    for _ in range(run.repeats(10)):
        portfolio = _portfolio(model, limits, history.symbols)
        for i, symbol in enumerate(history.symbols):
            value = -50_000.0 if i % 2 else 100_000.0
            started = perf_counter()
            if portfolio.breach(symbol, value) is None:
                portfolio.reserve(symbol, value)
            took.append(1e6 * (perf_counter() - started))
    anew = [1e6 * seconds(lambda: _portfolio(model, limits, history.symbols).before()) for _ in range(run.repeats(50))]
    for percent in (50, 99):
        value = percentile(took, percent)
        yield Measurement(
            name=f"risk.increment.p{percent}",
            value=value,
            unit="µs",
            baseline=percentile(anew, percent),
            aim=at_most(value, 200) if percent == 99 else None,
            note=f"one order of {symbols} held against value at risk, expected shortfall, {len(_SCENARIOS)} stresses, "
            f"beta and delta of {symbols} positions over {sessions:,} sessions, and counted as working; baseline: "
            "measuring them anew without orders",
        )


def _portfolio(model: RiskModel, limits: MeasureLimits, symbols: tuple[str, ...]) -> PortfolioRisk:
    return PortfolioRisk(
        held=dict.fromkeys(symbols, 100_000.0), working=(), model=model, limits=limits, equity=1e5 * len(symbols)
    )


def _by_pandas(returns: pd.DataFrame, values: pd.Series) -> list[float]:
    pnl = (returns * values).sum(axis=1)
    worst = pnl.nsmallest(round(len(pnl) * (1 - _LEVEL)) + 1)
    covariance = returns.cov()
    z, deviation = norm.ppf(_LEVEL), float(np.sqrt(values @ covariance @ values))
    betas = covariance[_BENCHMARK] / returns[_BENCHMARK].var()
    shocks = [np.maximum(betas * s.market_pct / 100, -1) for s in _SCENARIOS]
    normal = [z * deviation, deviation * norm.pdf(z) / (1 - _LEVEL)]
    return [-worst.iloc[-1], -worst.iloc[:-1].mean(), *normal, *(-(shock * values).sum() for shock in shocks)]


def _history(symbols: int, sessions: int, seed: int) -> ReturnHistory:
    rng = np.random.default_rng(seed)
    market = rng.standard_t(4, (sessions, 1)) * 0.007
    own = rng.standard_t(4, (sessions, symbols)) * 0.012
    returns = np.clip(market * rng.uniform(0.5, 1.5, symbols) + own, -0.9, None)
    returns[:, 0] = market[:, 0]
    return ReturnHistory(
        symbols=tuple(f"S{i}" for i in range(symbols)),
        sessions=tuple(date(2020, 1, 1) + timedelta(days=i) for i in range(sessions)),
        returns=returns,
    )
