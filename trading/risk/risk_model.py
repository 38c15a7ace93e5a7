"""What one unit of value of each symbol does: in each scenario of the past, in each stress, for each Greek.

Everything here is linear in the value held, so a portfolio's measure is found from sums of rows. An option is a symbol
of its own: each scenario of its underlying is priced anew by its model, so what is linear is its value, not its price.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from trading.errors import InvalidValue
from trading.market.instruments import SecurityType
from trading.risk.option_revaluation import OptionPosition
from trading.risk.return_history import ReturnHistory, betas
from trading.risk.stress import StressScenario, StressTraits, built_in_scenarios, check_sectors, shock_of
from trading.risk.tail_measures import FloatArray

BETA, DELTA, GAMMA, VEGA = range(4)  # columns of `RiskModel.linear`; the stress scenarios follow
STRESS = 4
_ONE = Decimal(1)


def exposure_value(qty: Decimal, mark: Decimal, multiplier: Decimal = _ONE) -> float:
    """Return quantity x price x multiplier as a float: here the desk's Decimals become what is measured.

    Float has 15 digits, and a measure is never booked. -10 at 12.50 with a multiplier of 100 gives -12500.0.

    Raises:
        InvalidValue: a factor is not finite, or price or multiplier is not above 0.
    """
    for name, factor in (("quantity", qty), ("price", mark), ("multiplier", multiplier)):
        if not factor.is_finite() or (name != "quantity" and factor <= 0):
            raise InvalidValue(name, factor, "finite" if name == "quantity" else "finite and greater than 0")
    return float(qty * mark * multiplier)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolFacts:
    """What is known of a symbol beside its returns.

    Attributes:
        sector: "" when not known.
        daily_value: usual value traded in a day, in account currency, > 0; None when not known.
        duration_years: modified duration of a bond fund, or None.
        option: what prices it, when it is one.
    """

    sector: str = ""
    security_type: SecurityType = SecurityType.COMMON_STOCK
    daily_value: float | None = None
    duration_years: float | None = None
    option: OptionPosition | None = None

    def __post_init__(self) -> None:
        for name in ("daily_value", "duration_years"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InvalidValue(name, value, "finite and greater than 0, or left out")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskModel:
    """All symbols that can be measured, as rows.

    Attributes:
        index: row of each symbol.
        returns: what 1 of value earns in each scenario of the past, shape (n_symbols, n_scenarios).
        linear: what 1 of value adds to beta, delta, gamma, vega and the profit of each stress scenario, shape
            (n_symbols, 4 + n_stresses). Delta in value of the underlying; gamma in delta for a move of 1 %; vega for
            one percentage point of volatility.
        daily_value: usual value traded in a day, NaN when not known, shape (n_symbols,).
        scenarios: names of the stress scenarios.
        unmeasured: symbols without a row, each with the reason.
    """

    index: Mapping[str, int]
    returns: FloatArray
    linear: FloatArray
    daily_value: FloatArray
    scenarios: tuple[str, ...]
    unmeasured: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        history: ReturnHistory,
        *,
        benchmark: str,
        facts: Mapping[str, SymbolFacts] | None = None,
        scenarios: Sequence[StressScenario] | None = None,
    ) -> "RiskModel":
        """Make the model of a history; one model serves a whole batch of orders.

        Without a history of the benchmark no symbol has a beta, so none is measured.

        Raises:
            InvalidValue: a scenario names a sector that no symbol has, or the benchmark never moves.
        """
        known = dict(facts or {})
        stresses = tuple(built_in_scenarios() if scenarios is None else scenarios)
        sectors = frozenset(f.sector for f in known.values()) - {""}
        for scenario in stresses:
            check_sectors(scenario, sectors)
        names = tuple(s.name for s in stresses)
        market = history.column(benchmark)
        if market is None:
            return cls._without_benchmark(history, benchmark, known, names)
        rows = _Rows(history, market, known, stresses)
        return cls(
            index={symbol: row for row, symbol in enumerate(rows.symbols)},
            returns=rows.returns,
            linear=rows.linear,
            daily_value=np.array([known.get(s, SymbolFacts()).daily_value or np.nan for s in rows.symbols]),
            scenarios=names,
            unmeasured=dict(history.unmeasured) | rows.unmeasured,
        )

    @classmethod
    def _without_benchmark(
        cls, history: ReturnHistory, benchmark: str, known: Mapping[str, SymbolFacts], names: tuple[str, ...]
    ) -> "RiskModel":
        why = f"no history of the benchmark {benchmark}"
        n = len(history.sessions)
        return cls(
            index={},
            returns=np.empty((0, n)),
            linear=np.empty((0, STRESS + len(names))),
            daily_value=np.empty(0),
            scenarios=names,
            unmeasured=dict.fromkeys((*history.symbols, *known), why) | dict(history.unmeasured),
        )

    def values(self, held: Mapping[str, float]) -> FloatArray:
        """Return signed values in the order of the rows; symbols without a row are left out."""
        found = np.zeros(len(self.index))
        for symbol, value in held.items():
            if symbol in self.index:
                found[self.index[symbol]] = value
        return found


class _Rows:
    """The rows of a model while they are made: symbols with a history first, then options on them."""

    def __init__(
        self,
        history: ReturnHistory,
        market: FloatArray,
        known: Mapping[str, SymbolFacts],
        stresses: tuple[StressScenario, ...],
    ) -> None:
        plain = [s for s in history.symbols if s not in known or known[s].option is None]
        chosen = [history.symbols.index(s) for s in plain]
        returns = history.returns[:, chosen].T
        slopes = betas(returns.T, market)
        shocks = np.array(
            [
                [shock_of(x, _traits(s, beta, known.get(s))) for x in stresses]
                for s, beta in zip(plain, slopes, strict=True)
            ]
        ).reshape(len(plain), len(stresses))
        ones, zeros = np.ones(len(plain)), np.zeros(len(plain))
        linear = np.column_stack([slopes, ones, zeros, zeros, shocks])
        self.symbols, self.unmeasured = plain, dict[str, str]()
        more_returns, more_linear = [], []
        for symbol, fact in known.items():
            if fact.option is None:
                continue
            if fact.option.underlying not in plain:
                self.unmeasured[symbol] = f"its underlying {fact.option.underlying} has no history"
                continue
            row = plain.index(fact.option.underlying)
            scenario_returns = fact.option.returns(returns[row])
            moves = [fact.option.shocked(s, x) for s, x in zip(shocks[row], stresses, strict=True)]
            if not (np.isfinite(scenario_returns).all() and np.isfinite(moves).all()):
                self.unmeasured[symbol] = "its model has no price for it in some scenario"
                continue
            self.symbols.append(symbol)
            more_returns.append(scenario_returns)
            slope = betas(scenario_returns[:, None], market)[0]
            more_linear.append([slope, *fact.option.greeks_per_value(), *moves])
        self.returns = np.ascontiguousarray(np.vstack([returns, *more_returns]))
        self.linear = np.ascontiguousarray(np.vstack([linear, *more_linear]))


def _traits(symbol: str, beta: float, fact: SymbolFacts | None) -> StressTraits:
    if fact is None:
        return StressTraits(symbol=symbol, beta=beta)
    return StressTraits(
        symbol=symbol,
        beta=beta,
        sector=fact.sector,
        security_type=fact.security_type,
        duration_years=fact.duration_years,
    )
