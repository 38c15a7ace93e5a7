"""The monitor over real ticks says what pandas says of them."""

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trading.market.ticks import TickKind, Ticks, ticks_frame
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.watched_session import WatchedSession

FOLDER = Path(os.environ.get("OPENBELL_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data")) / "ticks"
SYMBOLS = ("IBM", "BAC")
OPEN, CLOSE = datetime(2013, 10, 7, 13, 30, tzinfo=UTC), datetime(2013, 10, 7, 20, 0, tzinfo=UTC)
SECONDS = 1200
WINDOWS = (("1m", 60), ("5m", 300), ("15m", 900))
CLOSES = np.array([184.1, 13.9])

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no real ticks beside the repository")


@cache
def recorded(kind: TickKind) -> pd.DataFrame:
    """Return what was recorded of both symbols until the seconds are over, by the exchanges' time."""
    files = [pd.read_parquet(FOLDER / f"{symbol.lower()}_{kind}_20131007.parquet") for symbol in SYMBOLS]
    rows = pd.concat(files).rename(columns={"bid_price": "bid", "ask_price": "ask"})
    rows["at"] = rows["ts"].dt.tz_convert("UTC")
    rows = rows.sort_values("at", kind="stable", ignore_index=True)
    return rows[rows["at"] < pd.Timestamp(OPEN) + pd.Timedelta(seconds=SECONDS)]


def as_ticks(rows: pd.DataFrame, kind: TickKind) -> Ticks:
    frame = rows.assign(**{kind.time: rows["at"], "received_at": rows["at"]})
    return Ticks(frame=ticks_frame(frame, kind), kind=kind, source="exchanges")


@pytest.fixture(scope="module")
def measured() -> dict[Metric, pd.DataFrame]:
    """Return every metric by second and symbol."""
    batch = TickBatch.of_ticks(
        SYMBOLS,
        trades=as_ticks(recorded(TickKind.TRADES), TickKind.TRADES),
        quotes=as_ticks(recorded(TickKind.QUOTES), TickKind.QUOTES),
        one_sided_rows=True,
    )
    state = MarketState(
        WatchedSession(
            symbols=SYMBOLS, open_at=OPEN, close_at=CLOSE, previous_closes=CLOSES, usual_volumes=usual_by_minute()
        )
    )
    state.apply(batch)
    open_us = int(OPEN.timestamp()) * 1_000_000
    values = np.stack([state.step(open_us + second * 1_000_000).values for second in range(1, SECONDS + 1)])
    ends = pd.date_range(OPEN, periods=SECONDS + 1, freq="s")[1:]
    return {metric: pd.DataFrame(values[:, metric.row], index=ends, columns=SYMBOLS) for metric in Metric}


def usual_by_minute() -> np.ndarray:
    """Return made-up usual volumes: much at first, then ever less."""
    minutes = np.arange(1, 391)[:, None]
    return np.round(np.sqrt(minutes) * np.array([40_000.0, 900_000.0]))


def by_second(values: pd.Series) -> pd.Series:
    """Return the last value before the end of each second since the open."""
    return values.resample("1s", closed="left", label="right").last()


def sides(symbol: str) -> pd.DataFrame:
    rows = recorded(TickKind.QUOTES).query("symbol == @symbol").set_index("at")
    ends = pd.date_range(OPEN, periods=SECONDS + 1, freq="s")[1:]
    return (
        pd.DataFrame({side: by_second(rows[side].ffill()) for side in ("bid", "ask")})
        .ffill()
        .reindex(ends, method="ffill")
    )


def trades(symbol: str) -> pd.DataFrame:
    return recorded(TickKind.TRADES).query("symbol == @symbol").set_index("at")


def samples(symbol: str) -> pd.Series:
    """Return the mid of uncrossed sides, else the last of a second with trades, else the sample before."""
    quoted = sides(symbol)
    mid = ((quoted["bid"] + quoted["ask"]) / 2).where(quoted["bid"] <= quoted["ask"])
    return mid.fillna(by_second(trades(symbol)["price"]).reindex(mid.index)).ffill()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_quotes_and_spread_are_those_of_pandas(symbol: str, measured: dict[Metric, pd.DataFrame]):
    quoted = sides(symbol)
    uncrossed = quoted["bid"] <= quoted["ask"]

    spread = (quoted["ask"] - quoted["bid"]).where(uncrossed)
    spread_pct = 200 * spread / (quoted["ask"] + quoted["bid"])

    np.testing.assert_array_equal(measured[Metric.BID][symbol], quoted["bid"])
    np.testing.assert_array_equal(measured[Metric.ASK][symbol], quoted["ask"])
    np.testing.assert_allclose(measured[Metric.SPREAD][symbol], spread, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(measured[Metric.SPREAD_PCT][symbol], spread_pct, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_volume_average_price_and_range_are_those_of_pandas(symbol: str, measured: dict[Metric, pd.DataFrame]):
    rows = trades(symbol).loc[OPEN:]
    ends = measured[Metric.VWAP].index

    value = (rows["price"] * rows["size"]).resample("1s", closed="left", label="right").sum().cumsum()
    volume = rows["size"].resample("1s", closed="left", label="right").sum().cumsum()
    high, low = by_second(rows["price"].cummax()).ffill(), by_second(rows["price"].cummin()).ffill()

    np.testing.assert_array_equal(measured[Metric.VOLUME][symbol], volume.reindex(ends).ffill())
    np.testing.assert_allclose(measured[Metric.VWAP][symbol], (value / volume).reindex(ends).ffill(), rtol=1e-9)
    np.testing.assert_array_equal(measured[Metric.DAY_HIGH][symbol], high.reindex(ends).ffill())
    np.testing.assert_array_equal(measured[Metric.DAY_LOW][symbol], low.reindex(ends).ffill())


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize(("name", "seconds"), WINDOWS)
def test_returns_and_volatility_are_those_of_pandas(
    symbol: str, name: str, seconds: int, measured: dict[Metric, pd.DataFrame]
):
    sampled = samples(symbol)
    full = slice(seconds, None)  # a window before it is full is worked by hand elsewhere

    returned = 100 * sampled.pct_change(seconds, fill_method=None)
    swung = 100 * np.sqrt((np.log(sampled).diff() ** 2).rolling(seconds).sum())

    np.testing.assert_allclose(
        measured[Metric(f"return_{name}_pct")][symbol].iloc[full], returned.iloc[full], rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(
        measured[Metric(f"volatility_{name}_pct")][symbol].iloc[full], swung.iloc[full], rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_trend_is_that_of_pandas(symbol: str, measured: dict[Metric, pd.DataFrame]):
    logs = np.log(samples(symbol))

    trend = (logs.diff(900) / logs.diff().abs().rolling(900).sum()).iloc[900:]

    np.testing.assert_allclose(measured[Metric.TREND][symbol].iloc[900:], trend, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_last_mid_change_range_and_ages_are_those_of_pandas(symbol: str, measured: dict[Metric, pd.DataFrame]):
    quoted, rows = sides(symbol), trades(symbol)
    ends = quoted.index
    last = by_second(rows["price"]).ffill().reindex(ends, method="ffill")
    session = rows.loc[OPEN:, "price"]
    high, low = (
        by_second(extreme).ffill().reindex(ends, method="ffill") for extreme in (session.cummax(), session.cummin())
    )
    quote_at = recorded(TickKind.QUOTES).query("symbol == @symbol")["at"]

    def age(at: pd.Series) -> np.ndarray:
        newest = pd.DatetimeIndex(at)[at.searchsorted(ends, side="left") - 1]
        return ((ends - newest) / pd.Timedelta(seconds=1)).to_numpy()

    expected = {
        Metric.LAST: last,
        Metric.MID: ((quoted["bid"] + quoted["ask"]) / 2).where(quoted["bid"] <= quoted["ask"]),
        Metric.CHANGE_PCT: 100 * (last / CLOSES[SYMBOLS.index(symbol)] - 1),
        Metric.DAY_RANGE_PCT: 100 * (high / low - 1),
        Metric.QUOTE_AGE_SECONDS: age(quote_at.reset_index(drop=True)),
        Metric.TRADE_AGE_SECONDS: age(rows.index.to_series(index=range(len(rows)))),
    }
    for metric, values in expected.items():
        np.testing.assert_allclose(measured[metric][symbol], values, rtol=1e-9, atol=1e-9, err_msg=metric)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_volume_ratio_and_liquidity_are_those_of_pandas(symbol: str, measured: dict[Metric, pd.DataFrame]):
    ends = measured[Metric.VOLUME].index
    rows = recorded(TickKind.QUOTES).query("symbol == @symbol").set_index("at")
    sizes = {
        side: by_second(rows[f"{side}_size"].where(rows[side] > 0).ffill()).ffill().reindex(ends, method="ffill")
        for side in ("bid", "ask")
    }
    quoted, elapsed = sides(symbol), np.arange(1, SECONDS + 1) / 60
    usual = np.interp(elapsed, np.arange(391), [0, *usual_by_minute()[:, SYMBOLS.index(symbol)]])

    ratio = (measured[Metric.VOLUME][symbol] / usual).where(elapsed >= 1)
    spread_pct = 200 * (quoted["ask"] - quoted["bid"]) / (quoted["ask"] + quoted["bid"])
    touch = np.minimum(quoted["bid"] * sizes["bid"], quoted["ask"] * sizes["ask"])
    parts = pd.DataFrame({"s": 1 / (1 + spread_pct / 0.1), "t": touch / (touch + 10_000), "v": ratio.clip(upper=1)})
    liquidity = np.exp(np.log(parts).mean(axis=1)).where(quoted["bid"] <= quoted["ask"])

    np.testing.assert_allclose(measured[Metric.VOLUME_RATIO][symbol], ratio, rtol=1e-9)
    np.testing.assert_allclose(measured[Metric.LIQUIDITY][symbol], liquidity, rtol=1e-9)
