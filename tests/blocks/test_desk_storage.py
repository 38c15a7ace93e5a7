"""The desk's bars lie in its folder, or where its settings say."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from blocks.desk_storage import DeskStorage
from trading.errors import InvalidValue
from trading.market.bars import DailyBars, PriceBasis, bars_frame

SESSION, EVENING = date(2024, 1, 2), datetime(2024, 1, 2, 22, tzinfo=UTC)


def a_bar() -> DailyBars:
    rows = pd.DataFrame({"symbol": ["KO"], "session": SESSION, "close": [59.0]})
    return DailyBars(frame=bars_frame(rows), source="files", price_basis=PriceBasis.RAW)


@pytest.mark.parametrize("elsewhere", [None, "lake"])
def test_bars_lie_in_the_desk_s_folder_or_at_a_url(tmp_path: Path, elsewhere: str | None):
    storage = DeskStorage(home=tmp_path / "desk", bars_url=elsewhere and str(tmp_path / elsewhere))

    storage.store().upsert(a_bar(), EVENING)

    assert storage.store().read("files", None, SESSION, SESSION).content_hash() == a_bar().content_hash()
    assert (tmp_path / "desk" / "bars").exists() == (elsewhere is None)


def test_what_a_url_needs_is_named_where_it_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "adapters.delta_intraday", None)

    with pytest.raises(InvalidValue, match="install openbell with its extra `lake`"):
        DeskStorage(home=tmp_path, bars_url="s3://bars/desk").store()
