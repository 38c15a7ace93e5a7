"""The measures of a whole portfolio, kept up to date order by order, so that a gate can ask before each one.

Working orders may be filled or not, each in part or whole. What counts is the worst of it:

* Historical value at risk and expected shortfall, and stress: in each scenario every order counts as filled if it
  loses there, and as not filled if it gains. No choice of fills loses more in any scenario, so none measures more.
* Beta and Greeks: the larger, long or short, of all orders that raise it filled and of all that lower it filled.
* Liquidity: the larger side of each symbol.
* Normal and Cornish-Fisher tails have no such bound. The larger of two books counts: all orders filled; and for each
  symbol only the orders of its larger side.

An order "lowers" a measure if neither what is held, nor what would be held when all orders are filled, measures more
with it. When the worst lies beyond the limit with the order, then an order that adds to a position is refused unless it
lowers the measure and leaves the worst as it is; one that only closes is refused if it does neither. So whoever is over
a limit can always get out.

What is held or ordered without a measure counts as lost whole, whichever way it stands, and nothing may be added to it.
An option without a measure may lose more than it is worth: beside it nothing may be added at all.
"""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from trading.errors import InvalidValue
from trading.risk.measure_limits import MeasureBreach, MeasureLimits, MeasureUse
from trading.risk.measure_texts import breach_of, drawdown_breach, in_unit, limit_of, not_measured, unit_of
from trading.risk.portfolio_sums import Book, Sides, Sums
from trading.risk.refusals import RefusalCode
from trading.risk.risk_model import STRESS, RiskModel
from trading.risk.tail_measures import TailMethod, TailRisk, tail_risk

_SLACK = 1e-9  # sums of floats differ in the last digits by the order in which they were made
_LINEAR = (RefusalCode.MAX_BETA, RefusalCode.MAX_DELTA, RefusalCode.MAX_GAMMA, RefusalCode.MAX_VEGA)
_LOSES_WHOLE = (RefusalCode.MAX_BETA, RefusalCode.MAX_DELTA)  # what has no row has a beta and a delta of its value

Amounts = dict[RefusalCode, float]  # in account currency


class _Asked(NamedTuple):
    """The order last asked about, for it is mostly the next one reserved."""

    symbol: str
    value: float
    sides: Sides
    sums: Sums
    worst: Amounts


class PortfolioRisk:
    """The measures that have a limit, before and after each order; each question costs O(number of scenarios).

    Made once for a batch of orders. Values are signed, in account currency and at the last price, those of orders too:
    `exposure_value` makes them.
    """

    def __init__(
        self,
        *,
        held: Mapping[str, float],
        working: Iterable[tuple[str, float]],
        model: RiskModel,
        limits: MeasureLimits,
        equity: float,
        drawdown: float | None = None,
        currency: str = "USD",
    ) -> None:
        """Measure what is held, then count each working order.

        Args:
            held: signed value of each position.
            working: symbol and signed value of what is left of each order that may still trade.
            equity: finite; at or below 0 every percentage of it is exceeded.
            drawdown: fall of equity from its peak, as a fraction in [0, 1]; None when not known.

        Raises:
            InvalidValue: a value, the equity or the drawdown is not finite, or the model is not one of as many sessions
                as the limits say.
        """
        given = {"equity": equity, "drawdown": drawdown or 0.0} | {f"value of {s}": v for s, v in held.items()}
        for name, value in given.items():
            _check_finite(name, value)
        if model.index and model.returns.shape[1] != limits.history_sessions:
            raise InvalidValue(
                "sessions of the model", model.returns.shape[1], f"{limits.history_sessions}, as limits say"
            )
        self._model, self._limits, self._equity, self._currency = model, limits, equity, currency
        self._drawdown = drawdown
        self._most = {code: most for code in RefusalCode if (most := limit_of(limits, code)) is not None}
        self._wants_row = bool(self._most.keys() - {RefusalCode.MAX_DRAWDOWN, RefusalCode.MAX_LIQUIDITY_DAYS})
        self._root = math.sqrt(limits.horizon_sessions)
        self._sides = {symbol: Sides(held=value) for symbol, value in held.items() if value}
        self._sums = Sums.of_held(model, self._sides)
        for symbol, value in working:
            self._count(symbol, value)
        self._now = self._worst(self._sums)
        self._asked: _Asked | None = None

    @property
    def unmeasured(self) -> dict[str, str]:
        """Return the symbols held or working without a measure, each with the reason."""
        return {s: self._why(s) for s in self._sides if s not in self._model.index}

    def copy(self) -> "PortfolioRisk":
        """Return a portfolio that goes its own way from here."""
        twin = copy.copy(self)
        twin._sides = dict(self._sides)
        return twin

    def before(self) -> tuple[MeasureUse, ...]:
        """Return how much of each limit that is set is used, in the worst case of the working orders."""
        uses = [self._use(code, value) for code, value in self._now.items()]
        if RefusalCode.MAX_DRAWDOWN in self._most and self._drawdown is not None:
            uses.append(self._drawdown_use(self._drawdown))
        if RefusalCode.MAX_LIQUIDITY_DAYS in self._most:
            days = max((self._days(s, side.worst) for s, side in self._sides.items()), default=0.0)
            uses.append(self._use(RefusalCode.MAX_LIQUIDITY_DAYS, days))
        return tuple(uses)

    def after(self, symbol: str, signed_value: float) -> tuple[MeasureUse, ...]:
        """Return the same for the measures of the whole portfolio, as if the order were working too."""
        _check_finite(f"value of the order in {symbol}", signed_value)
        _, sums = self._with(symbol, signed_value)
        return tuple(self._use(code, value, sums) for code, value in self._worst(sums).items())

    def breach(self, symbol: str, signed_value: float) -> MeasureBreach | None:
        """Return the first measure that the order would make worse and beyond its limit, or None.

        Raises:
            InvalidValue: the value is not finite.
        """
        _check_finite(f"value of the order in {symbol}", signed_value)
        if not self._most:
            return None
        old = self._sides.get(symbol, Sides())
        new, sums = self._with(symbol, signed_value)
        adds = abs(new.worst) > abs(old.worst)
        if adds and (found := self._cannot_add(symbol, old, new)):
            return found
        after = self._worst(sums)
        self._asked = _Asked(symbol, signed_value, new, sums, after)
        for code, value in after.items():
            if not self._beyond(code, value):
                continue
            worse = _larger(value, self._now[code])
            if worse if adds == worse else not self._lowers(code, symbol, signed_value, old):
                return breach_of(symbol, self._limits, self._use(code, self._now[code]), self._use(code, value, sums))
        return None

    def reserve(self, symbol: str, signed_value: float) -> None:
        """Count the order as working from now on.

        Raises:
            InvalidValue: the value is not finite.
        """
        asked, self._asked = self._asked, None
        if asked is not None and (asked.symbol, asked.value) == (symbol, signed_value):
            self._sides[symbol], self._sums, self._now = asked.sides, asked.sums, asked.worst
            return
        self._count(symbol, signed_value)
        self._now = self._worst(self._sums)

    def _count(self, symbol: str, value: float) -> None:
        _check_finite(f"value of the order in {symbol}", value)
        self._sides[symbol], self._sums = self._with(symbol, value)

    def _with(self, symbol: str, value: float) -> tuple[Sides, Sums]:
        old = self._sides.get(symbol, Sides())
        new = old.with_order(value)
        return new, self._sums.with_order(self._model, symbol, value, old, new)

    def _cannot_add(self, symbol: str, old: Sides, new: Sides) -> MeasureBreach | None:
        """Return why a position may not grow at all, or not to that size."""
        if self._wants_row and symbol not in self._model.index:
            return not_measured(symbol, "it", self._why(symbol))
        if self._wants_row and (option := next((s for s in self._sides if s in self._model.unbounded), None)):
            return not_measured(symbol, f"what {option} may lose", self._why(option))
        if RefusalCode.MAX_DRAWDOWN in self._most:
            if self._drawdown is None:
                return not_measured(symbol, "the fall of equity from its peak", "the peak is not known")
            use = self._drawdown_use(self._drawdown)
            if use.value > use.limit * (1 + _SLACK):
                return drawdown_breach(symbol, use)
        if RefusalCode.MAX_LIQUIDITY_DAYS in self._most:
            days = self._days(symbol, new.worst)
            if not math.isfinite(days):
                return not_measured(symbol, "the time to sell it", "its usual volume is not known")
            code = RefusalCode.MAX_LIQUIDITY_DAYS
            if self._beyond(code, days):
                before = self._use(code, self._days(symbol, old.worst))
                return breach_of(symbol, self._limits, before, self._use(code, days))
        return None

    def _worst(self, sums: Sums) -> Amounts:
        """Return the largest amount that each measure may come to, whichever orders are filled."""
        found: Amounts = {}
        lost = sums.adding.lost
        if RefusalCode.MAX_VAR in self._most or RefusalCode.MAX_EXPECTED_SHORTFALL in self._most:
            found |= self._tails(self._worst_tail(sums), lost)
        if RefusalCode.MAX_STRESS_LOSS in self._most:
            found[RefusalCode.MAX_STRESS_LOSS] = lost + _largest_loss(sums.low)
        for column, code in enumerate(_LINEAR):
            if code in self._most:
                amount = max(-float(sums.low[column]), float(sums.high[column]))
                found[code] = amount + (lost if code in _LOSES_WHOLE else 0.0)
        return found

    def _worst_tail(self, sums: Sums) -> TailRisk:
        level, method = self._limits.level, self._limits.method
        if method is TailMethod.HISTORICAL:
            return tail_risk(sums.worst, level)
        filled, adding = (tail_risk(book.pnl, level, method) for book in (sums.filled, sums.adding))
        return TailRisk(*map(max, zip(filled, adding, strict=True)))

    def _tails(self, tail: TailRisk, lost: float) -> Amounts:
        both = (RefusalCode.MAX_VAR, RefusalCode.MAX_EXPECTED_SHORTFALL)
        return {c: self._root * max(x, 0.0) + lost for c, x in zip(both, tail, strict=True) if c in self._most}

    def _beyond(self, code: RefusalCode, amount: float) -> bool:
        return in_unit(code, amount, self._equity) > self._most[code] * (1 + _SLACK)

    def _lowers(self, code: RefusalCode, symbol: str, value: float, sides: Sides) -> bool:
        """Tell whether a measure does not rise, neither on what is held nor when all orders are filled."""
        for book, position in ((self._sums.held, sides.held), (self._sums.filled, sides.filled)):
            before = self._of_book(code, book)
            after = self._of_book(code, book.with_order(self._model, symbol, value, position))
            if _larger(after, before):
                return False
        return True

    def _of_book(self, code: RefusalCode, book: Book) -> float:
        if code is RefusalCode.MAX_STRESS_LOSS:
            return book.lost + _largest_loss(book.linear)
        if code in _LINEAR:
            amount = abs(float(book.linear[_LINEAR.index(code)]))
            return amount + (book.lost if code in _LOSES_WHOLE else 0.0)
        return self._tails(tail_risk(book.pnl, self._limits.level, self._limits.method), book.lost)[code]

    def _days(self, symbol: str, value: float) -> float:
        """Return the sessions it takes to sell a position; infinite when its usual volume is not known."""
        daily = self._model.daily_values.get(symbol)
        if daily is None:
            return math.inf if value else 0.0
        return abs(value) / (daily * float(self._limits.participation_pct) / 100)

    def _use(self, code: RefusalCode, amount: float, sums: Sums | None = None) -> MeasureUse:
        return MeasureUse(
            code=code,
            limit=self._most[code],
            value=in_unit(code, amount, self._equity),
            unit=unit_of(code, self._currency),
            scenario=self._crisis(sums or self._sums) if code is RefusalCode.MAX_STRESS_LOSS else "",
        )

    def _drawdown_use(self, drawdown: float) -> MeasureUse:
        code = RefusalCode.MAX_DRAWDOWN
        return MeasureUse(code=code, limit=self._most[code], value=100 * drawdown, unit="% below the peak")

    def _crisis(self, sums: Sums) -> str:
        return self._model.scenarios[int(np.argmin(sums.low[STRESS:]))] if self._model.scenarios else ""

    def _why(self, symbol: str) -> str:
        return self._model.unmeasured.get(symbol, "it has no history")


def _larger(after: float, before: float) -> bool:
    return after > before + _SLACK * (1 + abs(before))


def _largest_loss(linear: np.typing.NDArray[np.float64]) -> float:
    stresses = linear[STRESS:]
    return max(-float(stresses.min()), 0.0) if len(stresses) else 0.0


def _check_finite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise InvalidValue(name, value, "a finite number")
