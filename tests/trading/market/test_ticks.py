"""Ticks have one shape, whoever sends them."""

import numpy as np
import pandas as pd
import pytest

from trading.errors import TicksInvalid
from trading.market.ticks import TickKind, Ticks, ticks_frame

ARRIVED = pd.DataFrame(
    {
        "symbol": ["KO", "IBM"],
        "traded_at": pd.to_datetime(["2024-01-02 09:30:00.5-05:00", "2024-01-02 09:30:00.25-05:00"]),
        "received_at": pd.to_datetime(["2024-01-02 14:30:01+00:00"] * 2),
        "price": [59, 161],
        "size": [100, 1],
    }
)


def test_trades_stay_in_the_order_in_which_they_arrived():
    ticks = Ticks(frame=ticks_frame(ARRIVED, TickKind.TRADES), kind=TickKind.TRADES, source="feed")

    assert ticks.frame["symbol"].to_list() == ["KO", "IBM"]
    assert ticks.frame["traded_at"].to_list() == [
        pd.Timestamp("2024-01-02 14:30:00.5Z"),
        pd.Timestamp("2024-01-02 14:30:00.25Z"),
    ]
    assert ticks.frame["exchange"].to_list() == ["", ""]


def test_a_side_that_nobody_quotes_is_no_number():
    rows = ARRIVED.rename(columns={"traded_at": "quoted_at", "price": "bid", "size": "bid_size"})

    frame = ticks_frame(rows, TickKind.QUOTES)

    assert np.isnan(frame["ask"]).all()
    assert frame["bid"].to_list() == [59.0, 161.0]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda f: f.drop(columns="size"), "columns are"),
        (lambda f: f.astype({"price": "int64"}), "column price is int64, not float64"),
        (lambda f: f.assign(traded_at=f["traded_at"].dt.tz_localize(None)), "column traded_at is datetime64"),
        (lambda f: f.assign(traded_at=f["traded_at"].where([True, False])), "a tick has no traded_at"),
    ],
)
def test_a_frame_of_another_shape_is_refused(change, rule: str):
    frame = change(ticks_frame(ARRIVED, TickKind.TRADES))

    with pytest.raises(TicksInvalid, match=rule):
        Ticks(frame=frame, kind=TickKind.TRADES, source="feed")
