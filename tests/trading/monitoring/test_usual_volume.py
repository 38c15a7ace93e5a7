from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from trading.monitoring.usual_volume import usual_volumes

OPENS = {date(2024, 1, d): datetime(2024, 1, d, 14, 30, tzinfo=UTC) for d in (2, 3, 4, 5, 8)}


def bars(volumes: dict[int, list[float]], symbol: str = "IBM") -> pd.DataFrame:
    rows = [
        {"symbol": symbol, "bar_start": OPENS[date(2024, 1, day)] + timedelta(minutes=n), "volume": volume}
        for day, each in volumes.items()
        for n, volume in enumerate(each)
        if volume
    ]
    return pd.DataFrame(rows)


def test_what_is_usual_is_the_median_of_what_had_been_traded_by_each_minute():
    frame = bars({2: [10, 0, 30], 3: [20, 5, 5], 4: [30, 5, 5], 5: [40, 0, 0], 8: [900, 0, 1]})

    usual = usual_volumes(frame, OPENS, ["IBM"], 3)

    assert usual is not None
    assert usual[:, 0].tolist() == [30, 35, 40]


def test_a_symbol_that_traded_too_seldom_has_no_usual_volume():
    frame = bars({2: [10], 3: [10], 4: [10], 5: [10]})

    usual = usual_volumes(frame, OPENS, ["IBM", "NEW"], 1)

    assert usual is not None
    assert np.isnan(usual).all()


def test_too_few_sessions_tell_nothing():
    assert usual_volumes(bars({2: [10]}), {date(2024, 1, 2): OPENS[date(2024, 1, 2)]}, ["IBM"], 1) is None
