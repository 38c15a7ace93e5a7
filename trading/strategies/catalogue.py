"""The catalogue of strategies: found by name, made from checked parameters, run so that a bad one does no harm."""

import hashlib
import importlib
import inspect
import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from numbers import Real
from types import MappingProxyType
from typing import cast

import pydantic

from trading.errors import InvalidValue, StrategyFailed
from trading.strategies.equal_weight import EqualWeight
from trading.strategies.momentum_rotation import MomentumRotation
from trading.strategies.moving_average_crossover import MovingAverageCrossover
from trading.strategies.strategy import PointInTimeBars, Strategy
from trading.validation import invalid_value_of

BUILT_IN: Mapping[str, type] = MappingProxyType(
    {cls.__name__: cls for cls in (EqualWeight, MomentumRotation, MovingAverageCrossover)}
)

_GROSS_TOLERANCE = 1e-9  # weights divided by their sum may add up to a bit more than 1


def make_strategy(name: str, parameters: Mapping[str, object]) -> Strategy:
    """Make a built-in strategy, or one of your own named `package.module:ClassName`.

    A name of your own is imported, which runs the code of its module.

    Raises:
        InvalidValue: no such strategy, no such parameter, or a value against its rule.
    """
    cls = BUILT_IN.get(name) or _imported(name)
    known = [p for p in inspect.signature(cls).parameters if p != "self"]
    for parameter in parameters:
        if parameter not in known:
            raise InvalidValue(f"parameter of {name}", parameter, _one_of(known))
    try:
        return cast(Strategy, cls(**parameters))
    except pydantic.ValidationError as exc:
        raise invalid_value_of(exc) from exc
    except (TypeError, ValueError) as exc:  # how a plain dataclass refuses
        raise InvalidValue(f"parameters of {name}", dict(parameters), f"such that it can be made ({exc})") from exc


def source_hash(strategy: Strategy) -> str:
    """Return the SHA-256 of the source text of the strategy's class, which is not that of functions it calls.

    Raises:
        InvalidValue: the source cannot be read, so its orders could not be traced.
    """
    cls = type(strategy)
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError) as exc:
        raise InvalidValue("strategy", cls.__qualname__, "a class in a file, so that its source can be read") from exc
    return hashlib.sha256(source.encode()).hexdigest()


def run_strategy(strategy: Strategy, bars: PointInTimeBars, *, max_gross: float = 1.0) -> dict[str, float]:
    """Return the checked weights of the strategy, which sees a copy of its last `lookback_sessions` rows and no more.

    Args:
        max_gross: largest sum of absolute weights.

    Raises:
        StrategyFailed: it raised, or its weights cannot be traded.
    """
    name = type(strategy).__name__
    try:
        lookback = strategy.lookback_sessions
        seen = replace(bars, closes=bars.closes.tail(lookback).copy())
        weights = strategy.target_weights(seen)
    except Exception as exc:  # a strategy is anyone's code: whatever it raises is its failure, not the desk's
        raise StrategyFailed(name, f"it raised {type(exc).__name__}: {exc}") from exc
    return check_weights(name, weights, [str(symbol) for symbol in bars.closes.columns], max_gross)


def check_weights(
    strategy_name: str, weights: Mapping[str, float], symbols: Collection[str], max_gross: float
) -> dict[str, float]:
    """Return the weights sorted by symbol, or refuse all of them.

    Raises:
        StrategyFailed: one is not a finite number or for an unknown symbol, or their absolute sum is over `max_gross`.
    """
    if not isinstance(weights, Mapping):
        kind = type(weights).__name__
        raise StrategyFailed(strategy_name, f"it returned a {kind}, but must return a dict of symbol to weight")
    for symbol, weight in weights.items():
        if symbol not in symbols:
            rule = f"it weighs {symbol!r}, which is not one of the {len(symbols)} symbols in its bars"
            raise StrategyFailed(strategy_name, f"{rule}; weigh only columns of bars.closes, or add it to the universe")
        if not isinstance(weight, Real) or isinstance(weight, bool) or not math.isfinite(weight):
            rule = f"the weight of {symbol} is {weight!r}, but must be a finite number"
            raise StrategyFailed(strategy_name, f"{rule}; leave out a symbol that cannot be weighed")
    gross = math.fsum(abs(weight) for weight in weights.values())
    if gross > max_gross + _GROSS_TOLERANCE:
        rule = f"its absolute weights add up to {gross:.6g}, but may be {max_gross:g} at most"
        raise StrategyFailed(strategy_name, f"{rule}; divide them by their sum, or allow it more")
    return {symbol: float(weights[symbol]) for symbol in sorted(weights)}


def _imported(name: str) -> type:
    module_name, _, class_name = name.partition(":")
    wanted = f"{_one_of(list(BUILT_IN))}, or package.module:ClassName"
    if not (module_name and class_name):
        raise InvalidValue("strategy", name, wanted)
    try:
        cls = getattr(importlib.import_module(module_name), class_name, None)
    except (ImportError, SyntaxError) as exc:
        raise InvalidValue("strategy", name, f"{wanted} that can be imported ({exc})") from exc
    if not (isinstance(cls, type) and hasattr(cls, "target_weights")):
        raise InvalidValue("strategy", name, f"a class with target_weights in module {module_name}")
    return cls


def _one_of(names: Collection[str]) -> str:
    return f"one of {', '.join(names)}" if names else "left out: it has no parameters"
