"""What was known on a day is what its traders had before them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd

from blocks.bar_source import BarSource, Provider
from blocks.desk import Market
from blocks.desk_storage import DeskStorage
from tasks.recall import recall
from trading.market.bars import DailyBars, PriceBasis, bars_frame
from trading.market.corporate_actions import Split

FRIDAY, MONDAY = date(2020, 8, 28), date(2020, 8, 31)
SPLIT = Split(symbol="AAPL", ex_date=MONDAY, new_per_old=Decimal(4))


def a_close(close: float) -> DailyBars:
    rows = pd.DataFrame({"symbol": ["AAPL", "KO"], "session": FRIDAY, "close": [close, 50.0]})
    return DailyBars(frame=bars_frame(rows), source="files", price_basis=PriceBasis.RAW)


def test_a_bar_corrected_on_monday_is_recalled_as_it_was_on_friday(tmp_path: Path):
    settings = BarSource(name="files", provider=Provider.FILES, path=tmp_path)
    market = Market.of(settings, DeskStorage(home=tmp_path))
    market.store.upsert(a_close(499.0), datetime(2020, 8, 29, 1, tzinfo=UTC))  # Friday evening in New York
    market.store.upsert(a_close(499.23), datetime(2020, 8, 31, 12, tzinfo=UTC))
    market.store.upsert_actions("files", [SPLIT], datetime(2020, 8, 31, 12, tzinfo=UTC))

    friday = recall(market, FRIDAY, ["AAPL"], FRIDAY, MONDAY)
    monday = recall(market, MONDAY, ["AAPL"], FRIDAY, MONDAY)

    assert friday.as_of == datetime(2020, 8, 29, 3, 59, 59, 999999, tzinfo=UTC)
    assert (friday.bars.frame["close"].to_list(), friday.actions) == ([499.0], ())
    assert (monday.bars.frame["close"].to_list(), monday.actions) == ([499.23], (SPLIT,))
