"""How much of each limit of an account is used, by the very sums that the gate goes by."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from trading.errors import InvalidValue
from trading.orders.orders import Side
from trading.risk.limits import RiskLimits
from trading.risk.risk_state import RiskState
from trading.risk.scoped_limits import LimitScope, ScopedLimits
from trading.risk.tally import HUNDRED, Tally

_ZERO = Decimal(0)
_OF_EQUITY = "% of equity"
_Most = Decimal | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """How much of one limit is used, in the worst case of the working orders.

    Attributes:
        value, limit: in `unit`.
        subject: the symbol, book, sector or asset class that it is about, where it is about one.
    """

    name: str
    value: float
    limit: float
    unit: str
    subject: str = ""

    @property
    def share(self) -> float:
        """Return the part that is used; above 1 the limit is exceeded, without bound when it is 0."""
        return self.value / self.limit if self.limit else math.inf if self.value > 0 else 0.0


def limit_uses(state: RiskState, limits: RiskLimits) -> tuple[LimitUse, ...]:
    """Return the use of every limit that is set, is a number, and is about more than one order at a time.

    The number of orders within a minute is left out: it is another one a minute later.

    Raises:
        InvalidValue: equity is not above 0, so no share of it can be told.
    """
    if state.equity <= 0:
        raise InvalidValue("equity", state.equity, "greater than 0, or no share of it can be told; check the account")
    tally = Tally(state, limits)
    found = (*_of_positions(tally), *_of_account(tally), *_of_day(tally), *_of_scopes(tally))
    return tuple(use for use in found if use is not None)


def _of_positions(tally: Tally) -> Iterator[LimitUse | None]:
    limits, equity, currency, worst = tally.limits, tally.state.equity, tally.state.currency, tally.exposure.worst
    symbol, value = _largest(worst)
    yield _use("largest position", value, limits.max_position_notional, currency, symbol)
    yield _use("largest position", value / equity * HUNDRED, limits.max_position_pct, _OF_EQUITY, symbol)
    sides = ((s, tally.exposure.side(s, side)) for s in worst for side in Side)
    quantities: dict[str, Decimal] = {}
    for s, side in sides:
        quantities[s] = max(quantities.get(s, _ZERO), side.held + side.opening)
    symbol, qty = _largest(quantities)
    yield _use("largest position", qty, limits.max_position_qty, "units", symbol)
    together = {s: sum((worst.get(o, _ZERO) for o in tally.facts(s).correlated or ()), worst[s]) for s in worst}
    symbol, value = _largest(together)
    yield _use("what moves together", value / equity * HUNDRED, limits.max_cluster_pct, _OF_EQUITY, symbol)


def _of_account(tally: Tally) -> Iterator[LimitUse | None]:
    limits, equity, exposure = tally.limits, tally.state.equity, tally.exposure
    gross, net = exposure.gross, max(*exposure.net.values(), _ZERO)
    yield _use("gross leverage", gross / equity, limits.max_gross_leverage, "x equity")
    yield _use("net leverage", net / equity, limits.max_net_leverage, "x equity")
    yield _use("buying power", gross, equity * limits.buying_power_multiple, tally.state.currency)
    yield _use("initial margin", tally.initial_margin / equity * HUNDRED, limits.max_margin_pct, _OF_EQUITY)
    if (volatility := tally.state.market_volatility_pct) is not None:
        yield _use(
            "volatility of the market",
            volatility,
            limits.max_market_volatility_pct,
            "% a year",
            limits.market_benchmark,
        )


def _of_day(tally: Tally) -> Iterator[LimitUse | None]:
    limits, equity, worth = tally.limits, tally.state.equity, tally.notional_today
    yield _use("orders of the session", tally.orders_today, limits.max_orders_per_day, "orders")
    yield _use("value of the session's orders", worth, limits.max_notional_per_day, tally.state.currency)
    yield _use("value of the session's orders", worth / equity * HUNDRED, limits.max_turnover_per_day_pct, _OF_EQUITY)
    volumes = {s: tally.facts(s).average_volume for s in tally.qty_today}
    shares = {s: tally.qty_today[s] / volume * HUNDRED for s, volume in volumes.items() if volume is not None}
    symbol, share = _largest(shares)
    yield _use("largest share of volume", share, limits.max_participation_pct, "% of average volume", symbol)
    yield _use("day trades of five sessions", tally.day_trades, limits.max_day_trades, "day trades")


def _of_scopes(tally: Tally) -> Iterator[LimitUse | None]:
    equity, currency = tally.state.equity, tally.state.currency
    for scoped in tally.limits.scopes:
        value = _held(tally, scoped)
        yield _use("positions of the", value, scoped.max_notional, currency, scoped.name)
        yield _use("positions of the", value / equity * HUNDRED, scoped.max_pct, _OF_EQUITY, scoped.name)
        count = tally.scope_orders[scoped.key]
        yield _use("orders of the session of the", count, scoped.max_orders_per_day, "orders", scoped.name)


def _held(tally: Tally, scoped: ScopedLimits) -> Decimal:
    of_book = scoped.scope is LimitScope.STRATEGY
    return tally.books[scoped.subject].gross if of_book else tally.groups[scoped.key]


def _largest(amounts: Mapping[str, Decimal]) -> tuple[str, Decimal]:
    return max(amounts.items(), key=lambda item: item[1], default=("", _ZERO))


def _use(name: str, used: Decimal | int, limit: _Most, unit: str, subject: str = "") -> LimitUse | None:
    if limit is None:
        return None
    return LimitUse(name=name, value=float(used), limit=float(limit), unit=unit, subject=subject)
