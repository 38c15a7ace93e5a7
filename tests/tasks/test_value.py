"""Positions are valued at the last good close, in the shares of the day."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from adapters.sql.schema import migrate
from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount
from blocks.desk import Desk, Ledger, Market
from blocks.desk_storage import DeskStorage
from tasks.value import last_prices, marks
from tests.builders import a_trade
from trading.market.bars import DailyBars, PriceBasis, bars_frame
from trading.market.corporate_actions import Split

EVENING = datetime(2020, 8, 28, 21, tzinfo=UTC)
THURSDAY, FRIDAY, MONDAY, TUESDAY = date(2020, 8, 27), date(2020, 8, 28), date(2020, 8, 31), date(2020, 9, 1)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose store ends for AAPL on the Friday before its 4-for-1 split: later bars were quarantined."""
    storage = DeskStorage(home=tmp_path)
    market = Market.of(BarSource(name="files", provider=Provider.FILES, path=tmp_path), storage)
    rows = pd.DataFrame({"symbol": "AAPL", "session": [THURSDAY, FRIDAY], "close": [500.04, 499.23]})
    market.store.upsert(DailyBars(frame=bars_frame(rows), source="files", price_basis=PriceBasis.RAW), EVENING)
    market.store.upsert_actions("files", [Split(symbol="AAPL", ex_date=MONDAY, new_per_old=Decimal(4))], EVENING)
    migrate(storage.engine())
    account = BrokerAccount(account="paper", bar_source=market.settings)
    return Desk(account=account, storage=storage, ledger=Ledger.of(storage), market=market)


def test_a_close_from_before_a_split_counts_in_old_shares_until_its_open(desk: Desk):
    assert last_prices(desk, FRIDAY, ["AAPL"]) == {"AAPL": Decimal("499.23")}
    assert last_prices(desk, FRIDAY, ["AAPL"], shares_of=MONDAY) == {"AAPL": Decimal("124.8075")}


def test_a_close_from_before_a_split_counts_in_new_shares_for_as_long_as_no_newer_one_is_good(desk: Desk):
    assert last_prices(desk, TUESDAY, ["AAPL"]) == {"AAPL": Decimal("124.8075")}


def test_what_has_no_close_is_worth_what_was_last_paid(desk: Desk):
    paid = a_trade(10, "21.50", symbol="XYZ")

    assert marks(desk, TUESDAY, ["XYZ", "AAPL"], [paid]) == {"XYZ": Decimal("21.50"), "AAPL": Decimal("124.8075")}
