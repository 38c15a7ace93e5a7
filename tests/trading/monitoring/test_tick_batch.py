"""Ticks on their way from the record to the monitor and back."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tests.watch_builders import NAN, OPEN, Quote, Trade, a_batch, at_us
from trading.errors import InvalidValue, TicksInvalid
from trading.market.ticks import TickKind, Ticks, ticks_frame
from trading.monitoring.tick_batch import QUOTE_FIELDS, TRADE_FIELDS, TickBatch
from trading.monitoring.watched_session import WatchedSession


def recorded_trades(*symbols: str) -> Ticks:
    rows = pd.DataFrame(
        {
            "symbol": symbols,
            "traded_at": [OPEN + timedelta(seconds=n) for n in range(len(symbols))],
            "received_at": [OPEN + timedelta(seconds=n, microseconds=40) for n in range(len(symbols))],
            "price": [10.0 + n for n in range(len(symbols))],
            "size": 5.0,
        }
    )
    return Ticks(frame=ticks_frame(rows, TickKind.TRADES), kind=TickKind.TRADES, source="test")


def recorded(batch: TickBatch, kind: TickKind, symbols: tuple[str, ...]) -> Ticks:
    rows = pd.DataFrame(batch.columns(kind, len(symbols)))
    rows["symbol"] = [symbols[place] for place in rows["symbol"]]
    times = [kind.time, "received_at"]
    rows[times] = rows[times].apply(pd.to_datetime, unit="us", utc=True)
    return Ticks(frame=ticks_frame(rows, kind), kind=kind, source="test")


def test_recorded_trades_become_columns_by_their_place_in_the_watch_list():
    batch = TickBatch.of_ticks(("IBM", "BAC"), trades=recorded_trades("BAC", "IBM", "BAC"))

    assert (batch.trade_symbol.tolist(), batch.trade_px.tolist()) == ([1, 0, 1], [10.0, 11.0, 12.0])
    assert batch.traded_at.tolist() == [at_us(0), at_us(1), at_us(2)]
    assert batch.trade_received_at[0] == at_us(0) + 40
    assert (len(batch), len(batch.quote_symbol)) == (3, 0)


def test_a_batch_goes_into_the_record_and_comes_back_as_it_was():
    ticks = (
        Trade(at=1.5, px=10.0, size=NAN, symbol=1, traded=1.25),
        Quote(at=2.5, bid=NAN, ask=11.0, ask_size=7, symbol=1, quoted=2.25),
        Quote(at=3.5, bid=9.0, ask=NAN),
    )
    batch, symbols = a_batch(*ticks), ("IBM", "BAC")

    trades, quotes = (recorded(batch, kind, symbols) for kind in (TickKind.TRADES, TickKind.QUOTES))
    again = TickBatch.of_ticks(symbols, trades=trades, quotes=quotes)

    assert quotes.frame["symbol"].tolist() == ["BAC", "IBM"]
    for name in (*TRADE_FIELDS, *QUOTE_FIELDS):
        np.testing.assert_array_equal(getattr(again, name), getattr(batch, name))


def test_a_symbol_that_is_not_watched_and_the_wrong_kind_are_refused():
    with pytest.raises(TicksInvalid, match="XYZ is not in the watch list"):
        TickBatch.of_ticks(("IBM",), trades=recorded_trades("IBM", "XYZ"))
    with pytest.raises(TicksInvalid, match="these are trades, and quotes are needed"):
        TickBatch.of_ticks(("IBM",), quotes=recorded_trades("IBM"))
    with pytest.raises(InvalidValue, match="trade_symbol is 1, but must be a place in the watch list of 1 symbols"):
        a_batch(Trade(at=0, px=1, symbol=1)).columns(TickKind.TRADES, 1)


def test_columns_that_do_not_fit_together_are_refused():
    one, two = np.array([1.0]), np.array([1.0, 2.0])

    with pytest.raises(InvalidValue, match="trade_px is '2 rows', but must be as long as the others"):
        TickBatch(trade_symbol=np.array([0], dtype=np.int32), trade_px=two)
    with pytest.raises(InvalidValue, match="trade_symbol is 'float64 of 1 dimensions', but must be int32"):
        TickBatch(trade_symbol=one)  # type: ignore[arg-type] # that is what is tested


def test_a_session_that_cannot_be_watched_is_refused():
    good = {"symbols": ("A", "B"), "open_at": OPEN, "close_at": OPEN + timedelta(minutes=2)}
    closes, usual = np.array([1.0, NAN]), np.array([[1.0, NAN], [2.0, NAN]])
    wrong = (
        {"symbols": ("A", "A")},
        {"symbols": ()},
        {"close_at": OPEN},
        {"open_at": OPEN + timedelta(microseconds=1)},
        {"previous_closes": closes[:1]},
        {"previous_closes": np.array([1.0, 0.0])},
        {"usual_volumes": usual[:1]},
        {"usual_volumes": -usual},
        {"usual_volumes": usual[::-1]},
    )

    WatchedSession(**good, previous_closes=closes, usual_volumes=usual)
    for each in wrong:
        with pytest.raises(InvalidValue, match=next(iter(each)).replace("close_at", "open_at")):
            WatchedSession(**{**good, "previous_closes": closes, **each})
