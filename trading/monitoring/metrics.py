"""What is measured of every symbol, each second."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from trading.errors import InvalidValue
from trading.market.depth import BEST
from trading.monitoring.book_depth import IMPACT_VALUE
from trading.monitoring.liquidity_score import HALF_SPREAD_PCT, HALF_TOUCH_VALUE
from trading.monitoring.oddities import Oddity
from trading.monitoring.tick_batch import FloatArray


class Metric(StrEnum):
    """One number for each symbol and second."""

    BID = "bid"
    ASK = "ask"
    LAST = "last"
    MID = "mid"
    VOLUME = "volume"
    VWAP = "vwap"
    SPREAD = "spread"
    SPREAD_PCT = "spread_pct"
    RETURN_1M_PCT = "return_1m_pct"
    RETURN_5M_PCT = "return_5m_pct"
    RETURN_15M_PCT = "return_15m_pct"
    VOLATILITY_1M_PCT = "volatility_1m_pct"
    VOLATILITY_5M_PCT = "volatility_5m_pct"
    VOLATILITY_15M_PCT = "volatility_15m_pct"
    VOLUME_RATIO = "volume_ratio"
    LIQUIDITY = "liquidity"
    TREND = "trend"
    DAY_HIGH = "day_high"
    DAY_LOW = "day_low"
    DAY_RANGE_PCT = "day_range_pct"
    QUOTE_AGE_SECONDS = "quote_age_seconds"
    TRADE_AGE_SECONDS = "trade_age_seconds"
    CHANGE_PCT = "change_pct"
    DEPTH_BID = "depth_bid"
    DEPTH_ASK = "depth_ask"
    BOOK_IMBALANCE = "book_imbalance"
    IMPACT_PCT = "impact_pct"

    @property
    def meaning(self) -> "Meaning":
        """Return what it says."""
        return _MEANINGS[self]

    @property
    def row(self) -> int:
        """Return its row in the values of Metrics."""
        return _ROWS[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a metric says.

    Attributes:
        unknown: when it is NaN.
    """

    unit: str
    formula: str
    unknown: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metrics:
    """All metrics of all symbols at one time.

    Attributes:
        at_us: the end of the second they are measured at; microseconds since the epoch, UTC.
        values: a row for each Metric in its order, a column for each symbol of the watch list; NaN is not known.
    """

    at_us: int
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.values) != len(Metric):
            raise InvalidValue("values", self.values.shape, f"of {len(Metric)} rows, one for each metric")

    def of(self, metric: Metric) -> FloatArray:
        """Return one metric of all symbols."""
        row: FloatArray = self.values[metric.row]
        return row


def watching_tables() -> str:
    """Return the metrics and the oddities as Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| metric | unit | is | not known (NaN) |"
    yield "| --- | --- | --- | --- |"
    for metric in Metric:
        told = metric.meaning
        yield f"| `{metric}` | {told.unit} | {told.formula} | {told.unknown} |"
    yield ""
    yield "| oddity | is, and what becomes of it |"
    yield "| --- | --- |"
    yield from (f"| `{oddity}` | {oddity.meaning} |" for oddity in Oddity)


def _window_meanings(minutes: int) -> tuple[Meaning, Meaning]:
    until = f"until {minutes * 30} s have been sampled"
    change = f"100 (sample now / sample {minutes} min ago - 1)"
    swing = f"100 √(sum of squared changes of ln(sample) from second to second over {minutes} min); not annualised"
    return Meaning(unit="%", formula=change, unknown=until), Meaning(unit="%", formula=swing, unknown=until)


_ROWS = {metric: row for row, metric in enumerate(Metric)}
_NO_MID = "a side is not quoted, or the quote is crossed"
_NO_TRADE = "no trade since the open"
_NO_BOOK = "no order book is had of the symbol, it is not whole, not heard of, or crossed"
_RETURN_1M, _VOLATILITY_1M = _window_meanings(1)
_RETURN_5M, _VOLATILITY_5M = _window_meanings(5)
_RETURN_15M, _VOLATILITY_15M = _window_meanings(15)
_MEANINGS = {
    Metric.BID: Meaning(unit="price", formula="bid of the newest quote taken", unknown="nobody bids"),
    Metric.ASK: Meaning(unit="price", formula="ask of the newest quote taken", unknown="nobody offers"),
    Metric.LAST: Meaning(unit="price", formula="newest trade in sequence, before the open too", unknown="no trade"),
    Metric.MID: Meaning(unit="price", formula="(bid + ask) / 2", unknown=_NO_MID),
    Metric.VOLUME: Meaning(unit="units", formula="sum of the sizes of trades since the open", unknown="never"),
    Metric.VWAP: Meaning(unit="price", formula="sum of price × size since the open / volume", unknown="volume is 0"),
    Metric.SPREAD: Meaning(unit="price", formula="ask - bid", unknown=_NO_MID),
    Metric.SPREAD_PCT: Meaning(unit="% of mid", formula="100 (ask - bid) / mid", unknown=_NO_MID),
    Metric.RETURN_1M_PCT: _RETURN_1M,
    Metric.RETURN_5M_PCT: _RETURN_5M,
    Metric.RETURN_15M_PCT: _RETURN_15M,
    Metric.VOLATILITY_1M_PCT: _VOLATILITY_1M,
    Metric.VOLATILITY_5M_PCT: _VOLATILITY_5M,
    Metric.VOLATILITY_15M_PCT: _VOLATILITY_15M,
    Metric.VOLUME_RATIO: Meaning(
        unit="1 is as usual",
        formula="volume / what is usual since the open, or since it is watched, by this time of day, linear by minute",
        unknown="no profile, nothing usual since then, or the first minute is not over",
    ),
    Metric.LIQUIDITY: Meaning(
        unit="0 to 1",
        formula=f"geometric mean of 1 / (1 + spread_pct / {HALF_SPREAD_PCT:g}), of v / (v + {HALF_TOUCH_VALUE:,.0f}), "
        "v being price × size at the thinner side, and of the volume ratio, at most 1; each where known; 0 when a side "
        "is not quoted",
        unknown="no quote yet, or it is crossed",
    ),
    Metric.TREND: Meaning(
        unit="-1 to 1",
        formula="net change / sum of absolute changes of ln(sample) from second to second over 15 min (Kaufman's "
        "efficiency ratio with its sign); 0 when nothing moved",
        unknown="until 450 s have been sampled",
    ),
    Metric.DAY_HIGH: Meaning(unit="price", formula="highest trade since the open", unknown=_NO_TRADE),
    Metric.DAY_LOW: Meaning(unit="price", formula="lowest trade since the open", unknown=_NO_TRADE),
    Metric.DAY_RANGE_PCT: Meaning(unit="% of low", formula="100 (day_high / day_low - 1)", unknown=_NO_TRADE),
    Metric.QUOTE_AGE_SECONDS: Meaning(
        unit="s", formula="time since the newest quote taken was received", unknown="no quote"
    ),
    Metric.TRADE_AGE_SECONDS: Meaning(unit="s", formula="time since `last` was received", unknown="no trade"),
    Metric.CHANGE_PCT: Meaning(
        unit="%", formula="100 (last / previous close - 1)", unknown="no trade, or no previous close given"
    ),
    Metric.DEPTH_BID: Meaning(unit="units", formula=f"bid for at the best {BEST} prices; 0: none", unknown=_NO_BOOK),
    Metric.DEPTH_ASK: Meaning(unit="units", formula=f"offered at the best {BEST} prices; 0: none", unknown=_NO_BOOK),
    Metric.BOOK_IMBALANCE: Meaning(
        unit="-1 to 1",
        formula="(depth_bid - depth_ask) / (depth_bid + depth_ask); above 0 more is bid for than offered",
        unknown=f"both are 0; {_NO_BOOK}",
    ),
    Metric.IMPACT_PCT: Meaning(
        unit="% of mid",
        formula=f"how far the average price of {IMPACT_VALUE:,.0f} bought, or sold, at once by the book is from its "
        "mid; the worse of the two",
        unknown=f"the best {BEST} prices of a side hold less than that; {_NO_BOOK}",
    ),
}
