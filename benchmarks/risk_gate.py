"""The gate with every limit set: one order, and a batch of 500 in an account of 500 positions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from benchmarks.desks import LIMITS, an_order
from benchmarks.markets import LAST
from benchmarks.measurement import Measurement, Run, at_most, percentile
from benchmarks.orders import desk_of
from trading.market.instruments import Equity
from trading.orders.orders import NewOrderSingle
from trading.risk.gate import RiskState, check_orders
from trading.risk.limits import RiskLimits
from trading.risk.scoped_limits import LimitScope, ScopedLimits, Sector
from trading.risk.trading_facts import QuoteFact, TradingFacts

_MARK = Decimal(100)
_CLUSTER = 50  # symbols that move together
_WIDE = Decimal(10**9)


def gate_all_limits(run: Run) -> Iterator[Measurement]:
    """Check a batch against all limits, and the same orders against those that a plain desk has."""
    desk = desk_of(run, "all-limits")
    symbols = desk.market.symbols()
    orders = [an_order(desk, LAST, symbol) for symbol in symbols]
    full, plain = (_state(symbols, orders, limits) for limits in (_limits(symbols), LIMITS))
    batch = _per_order(orders, *full, run.repeats(20))
    plain_batch = _per_order(orders, *plain, run.repeats(20))
    single = [took for order in orders for took in _per_order([order], *full, 1)]
    plain_single = [took for order in orders for took in _per_order([order], *plain, 1)]
    of = f"in an account of {len(symbols)} positions, every limit set; baseline: the limits of a plain desk"
    for percent in (50, 99):
        value, baseline = percentile(batch, percent), percentile(plain_batch, percent)
        note = f"risk check of each order of a batch of {len(orders)}, garbage collections included, {of}"
        aim = at_most(value, 200) if percent == 99 else None
        name = f"gate.all_limits.batch500.p{percent}"
        yield Measurement(name=name, value=value, unit="µs/order", baseline=baseline, note=note, aim=aim)
        value, baseline = percentile(single, percent), percentile(plain_single, percent)
        note = f"risk check of one order alone, {of}; most of it sums up the account"
        name = f"gate.all_limits.order.p{percent}"
        yield Measurement(name=name, value=value / 1000, unit="ms", baseline=baseline / 1000, note=note)


class _Timed(list[NewOrderSingle]):
    """Orders that note when the gate asks for each; the first time is that of the call."""

    def __init__(self, orders: Sequence[NewOrderSingle]) -> None:
        super().__init__(orders)
        self.asked_at = [time.perf_counter()]

    def __iter__(self) -> Iterator[NewOrderSingle]:
        for order in super().__iter__():
            yield order
            self.asked_at.append(time.perf_counter())


def _per_order(orders: Sequence[NewOrderSingle], state: RiskState, limits: RiskLimits, repeats: int) -> list[float]:
    """Return what each order took, µs; the first of a batch with all that the gate sums up before it."""
    took: list[float] = []
    for _ in range(repeats):
        timed = _Timed(orders)
        decisions = check_orders(timed, state, limits)
        took += [1e6 * (end - start) for start, end in pairwise(timed.asked_at)]
        assert all(decision.accepted for decision in decisions)
    return took


def _state(
    symbols: Sequence[str], orders: Sequence[NewOrderSingle], limits: RiskLimits
) -> tuple[RiskState, RiskLimits]:
    clusters = [frozenset(symbols[n : n + _CLUSTER]) for n in range(0, len(symbols), _CLUSTER)]
    at = orders[0].transact_time - timedelta(seconds=1)
    quote = QuoteFact(bid=Decimal("99.99"), ask=Decimal("100.01"), quoted_at=at)
    facts = {
        symbol: TradingFacts(
            instrument=Equity(symbol=symbol, mic="XNYS"),
            average_volume=Decimal(10**6),
            volatility_pct=Decimal("1.5"),
            correlated=clusters[n // _CLUSTER] - {symbol},
            quote=quote,
        )
        for n, symbol in enumerate(symbols)
    }
    held = dict.fromkeys(symbols, Decimal(100))
    state = RiskState(
        equity=Decimal(10**7),
        cash=Decimal(10**7),
        held=held,
        marks=dict.fromkeys(symbols, _MARK),
        facts=facts,
        market_volatility_pct=Decimal(20),
        closes_at=orders[0].expire_time,
        books={orders[0].book: held},
    )
    return state, limits


def _limits(symbols: Sequence[str]) -> RiskLimits:
    """Return every limit that can be set, each wide enough for the whole batch."""
    sectors = tuple(Sector(name=f"sector {n}", symbols=tuple(symbols[n::10])) for n in range(min(10, len(symbols))))
    subjects = [
        (LimitScope.STRATEGY, "main"),
        (LimitScope.ASSET_CLASS, "CS"),
        *((LimitScope.SECTOR, sector.name) for sector in sectors),
        *((LimitScope.INSTRUMENT, symbol) for symbol in symbols),
    ]
    scopes = tuple(
        ScopedLimits(scope=scope, subject=subject, max_notional=_WIDE, max_pct=Decimal(100), max_order_notional=_WIDE)
        for scope, subject in subjects
    )
    return replace(
        LIMITS,
        max_order_qty=Decimal(10**6),
        max_position_qty=Decimal(10**6),
        max_cluster_pct=Decimal(50),
        max_net_leverage=Decimal(2),
        max_orders_per_minute=10**6,
        max_turnover_per_day_pct=Decimal(1000),
        max_participation_pct=Decimal(5),
        max_order_volatility_pct=Decimal(1),
        max_spread_pct=Decimal(1),
        max_quote_age_seconds=60,
        max_margin_pct=Decimal(100),
        max_day_trades=3,
        max_market_volatility_pct=Decimal(60),
        short_sales_allowed=False,
        uncovered_shorts_allowed=False,
        trading_hours_only=True,
        sectors=sectors,
        scopes=scopes,
    )
