"""What one unit of value of each symbol does: in each scenario of the past, in each stress, for each Greek.

Everything here is linear in the value held, so a portfolio's measure is found from sums of rows. An option is a symbol
of its own: each scenario of its underlying is priced anew by its model, so what is linear is its value, not its price.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

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


def exposure_value(symbol: str, qty: Decimal, mark: Decimal, multiplier: Decimal = _ONE) -> float:
    """Return quantity x price x multiplier as a float: here the desk's Decimals become what is measured.

    Float has 15 digits, and a measure is never booked. -10 at 12.50 with a multiplier of 100 gives -12500.0.

    Raises:
        InvalidValue: a factor is not finite, or price or multiplier is not above 0.
    """
    for name, factor in (("quantity", qty), ("price", mark), ("multiplier", multiplier)):
        if not factor.is_finite() or (name != "quantity" and factor <= 0):
            raise InvalidValue(
                f"{name} of {symbol}", factor, "finite" if name == "quantity" else "finite and greater than 0"
            )
    return float(qty * mark * multiplier)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolFacts:
    """What is known of a symbol beside its returns.

    Attributes:
        sector: "" when not known.
        daily_value: usual value traded in a day, in account currency, > 0; None when not known.
        duration_years: modified duration of a bond fund, or None.
        option: what prices it, when it is one.
        not_priced: why nothing prices it, although it is one.
    """

    sector: str = ""
    security_type: SecurityType = SecurityType.COMMON_STOCK
    daily_value: float | None = None
    duration_years: float | None = None
    option: OptionPosition | None = None
    not_priced: str = ""

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
        daily_values: usual value traded in a day, of the symbols of which it is known, with or without a row.
        scenarios: names of the stress scenarios.
        unmeasured: symbols without a row, each with the reason.
        unbounded: those of them that are options: they may lose more than they are worth, and move more than they cost.
    """

    index: Mapping[str, int]
    returns: FloatArray
    linear: FloatArray
    daily_values: Mapping[str, float]
    scenarios: tuple[str, ...]
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    unbounded: frozenset[str] = frozenset()

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
            daily_values=_daily_values(known),
            scenarios=names,
            unmeasured=dict(history.unmeasured) | rows.unmeasured,
            unbounded=_options(known) - {*rows.symbols},
        )

    @classmethod
    def _without_benchmark(
        cls, history: ReturnHistory, benchmark: str, known: Mapping[str, SymbolFacts], names: tuple[str, ...]
    ) -> "RiskModel":
        found = history.unmeasured.get(benchmark, "no bars in store")
        why = f"the benchmark {benchmark} has {found}; store them, or name another benchmark under measures"
        return cls(
            index={},
            returns=np.empty((0, max(len(history.sessions), 2))),  # nothing measured never moves
            linear=np.empty((0, STRESS + len(names))),
            daily_values=_daily_values(known),
            scenarios=names,
            unmeasured=dict.fromkeys((*history.symbols, *known), why) | dict(history.unmeasured),
            unbounded=_options(known),
        )

    def values(self, held: Mapping[str, float]) -> FloatArray:
        """Return signed values in the order of the rows; symbols without a row are left out."""
        found = np.zeros(len(self.index))
        for symbol, value in held.items():
            if symbol in self.index:
                found[self.index[symbol]] = value
        return found


class _Row(NamedTuple):
    returns: FloatArray
    linear: FloatArray


class _Rows:
    """The rows of a model while they are made: symbols with a history first, then options on them."""

    def __init__(
        self,
        history: ReturnHistory,
        market: FloatArray,
        known: Mapping[str, SymbolFacts],
        stresses: tuple[StressScenario, ...],
    ) -> None:
        options = {symbol: fact.option for symbol, fact in known.items() if fact.option is not None}
        self.unmeasured = {symbol: fact.not_priced for symbol, fact in known.items() if fact.not_priced}
        shares = {*history.symbols} - _options(known)
        self.symbols = [symbol for symbol in history.symbols if symbol in shares]
        plain = np.array([symbol in shares for symbol in history.symbols], dtype=np.bool_)
        returns = np.ascontiguousarray(history.returns.T)[plain]
        linear = np.array(
            [
                (beta, 1.0, 0.0, 0.0, *(shock_of(scenario, _traits(s, beta, known.get(s))) for scenario in stresses))
                for s, beta in zip(self.symbols, betas(returns.T, market).tolist(), strict=True)
            ]
        ).reshape(len(self.symbols), STRESS + len(stresses))
        more = self._of_options(options, returns, linear, market, stresses)
        self.returns = np.vstack([returns, *(row.returns for row in more)]) if more else returns
        self.linear = np.vstack([linear, *(row.linear for row in more)]) if more else linear

    def _of_options(
        self,
        options: Mapping[str, OptionPosition],
        returns: FloatArray,
        linear: FloatArray,
        market: FloatArray,
        stresses: tuple[StressScenario, ...],
    ) -> list[_Row]:
        rows = {symbol: row for row, symbol in enumerate(self.symbols)}
        found = []
        for symbol, option in options.items():
            if option.underlying not in rows:
                self.unmeasured[symbol] = f"its underlying {option.underlying} has no history"
                continue
            under = rows[option.underlying]
            try:
                row = _option_row(option, returns[under], linear[under, STRESS:].tolist(), market, stresses)
            except InvalidValue as exc:  # early exercise that needs QuantLib, where it is not installed
                self.unmeasured[symbol] = str(exc)
                continue
            if not (np.isfinite(row.returns).all() and np.isfinite(row.linear).all()):
                self.unmeasured[symbol] = "its model has no price for it in some scenario"
                continue
            self.symbols.append(symbol)
            found.append(row)
        return found


def _option_row(
    option: OptionPosition,
    returns: FloatArray,
    shocks: list[float],
    market: FloatArray,
    stresses: tuple[StressScenario, ...],
) -> _Row:
    earned = option.returns(returns)
    moves = [option.shocked(shock, scenario) for shock, scenario in zip(shocks, stresses, strict=True)]
    beta = float(betas(earned[:, None], market)[0])
    return _Row(earned, np.array([beta, *option.greeks_per_value(), *moves]))


def _options(known: Mapping[str, SymbolFacts]) -> frozenset[str]:
    return frozenset(symbol for symbol, fact in known.items() if fact.option is not None or fact.not_priced)


def _daily_values(known: Mapping[str, SymbolFacts]) -> dict[str, float]:
    return {symbol: fact.daily_value for symbol, fact in known.items() if fact.daily_value is not None}


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
