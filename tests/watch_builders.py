"""A session to watch, and ticks of it by seconds since the open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric, Metrics
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.watched_session import WatchedSession

OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade, received `at`; the provider's time is the same unless it is told."""

    at: float
    px: float
    size: float = 100.0
    symbol: int = 0
    traded: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One quote, received `at`; the provider's time is the same unless it is told."""

    at: float
    bid: float
    ask: float
    bid_size: float = 100.0
    ask_size: float = 100.0
    symbol: int = 0
    quoted: float | None = None


def a_session(
    *symbols: str,
    previous_closes: Sequence[float] | None = None,
    usual_volumes: npt.NDArray[np.float64] | None = None,
    minutes: int = 60,
) -> WatchedSession:
    """Return a session of one symbol, IBM, unless others are named."""
    watched = symbols or ("IBM",)
    return WatchedSession(
        symbols=watched,
        open_at=OPEN,
        close_at=OPEN + timedelta(minutes=minutes),
        previous_closes=np.array(previous_closes or [NAN] * len(watched)),
        usual_volumes=usual_volumes,
    )


def at_us(seconds: float) -> int:
    """Return the time so many seconds after the open."""
    return int(OPEN.timestamp()) * 1_000_000 + round(seconds * 1_000_000)


def a_batch(*ticks: Trade | Quote, one_sided_rows: bool = False) -> TickBatch:
    """Return the ticks in the order given."""
    trades = [tick for tick in ticks if isinstance(tick, Trade)]
    quotes = [tick for tick in ticks if isinstance(tick, Quote)]
    return TickBatch(
        trade_symbol=np.array([each.symbol for each in trades], dtype=np.int32),
        trade_px=np.array([each.px for each in trades], dtype=np.float64),
        trade_size=np.array([each.size for each in trades], dtype=np.float64),
        traded_at=_times([each.at if each.traded is None else each.traded for each in trades]),
        trade_received_at=_times([each.at for each in trades]),
        quote_symbol=np.array([each.symbol for each in quotes], dtype=np.int32),
        bid=np.array([each.bid for each in quotes], dtype=np.float64),
        ask=np.array([each.ask for each in quotes], dtype=np.float64),
        bid_size=np.array([each.bid_size for each in quotes], dtype=np.float64),
        ask_size=np.array([each.ask_size for each in quotes], dtype=np.float64),
        quoted_at=_times([each.at if each.quoted is None else each.quoted for each in quotes]),
        quote_received_at=_times([each.at for each in quotes]),
        one_sided_rows=one_sided_rows,
    )


def watched(state: MarketState, until: int, *ticks: Trade | Quote, one_sided_rows: bool = False) -> Metrics:
    """Apply the ticks and step second by second until so many seconds after the open."""
    state.apply(a_batch(*ticks, one_sided_rows=one_sided_rows))
    metrics = None
    start = 0 if state.at_us is None else (state.at_us - at_us(0)) // 1_000_000
    for second in range(start + 1, until + 1):
        metrics = state.step(at_us(second))
    assert metrics is not None, "no second was left to step"
    return metrics


def told(metrics: Metrics, *names: Metric, symbol: int = 0) -> list[float]:
    """Return some metrics of one symbol."""
    return [float(metrics.of(name)[symbol]) for name in names]


def _times(seconds: Sequence[float]) -> npt.NDArray[np.int64]:
    return np.array([at_us(second) for second in seconds], dtype=np.int64)
