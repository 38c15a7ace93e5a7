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
from blocks.risk_limits import RiskLimitsBlock
from tasks.describe import describe
from tests.bar_builders import bars_frame
from trading.market.bars import DailyBars, PriceBasis
from trading.market.calendars import TradingCalendar
from trading.risk.limits import RiskLimits

LAST, SESSION = date(2024, 3, 28), date(2024, 4, 1)  # Good Friday lies between


def a_desk(home: Path, limits: RiskLimits) -> Desk:
    """A desk with 40 sessions of AAPL and of SPY in store, of 1,000 a day."""
    storage = DeskStorage(home=home)
    market = Market.of(BarSource(name="files", provider=Provider.FILES, path=home, symbols=["AAPL"]), storage)
    days = list(TradingCalendar("XNYS").sessions(date(2024, 1, 2), LAST))[-40:]
    rows = [(s, day, 100.0 + n % 2, 1000.0) for s in ("AAPL", "SPY") for n, day in enumerate(days)]
    frame = bars_frame(pd.DataFrame(rows, columns=["symbol", "session", "close", "volume"]))
    bars = DailyBars(frame=frame, source="files", price_basis=PriceBasis.RAW)
    market.store.upsert(bars, datetime(2024, 3, 28, 21, tzinfo=UTC))
    migrate(storage.engine())
    account = BrokerAccount(account="paper", bar_source=market.settings, risk_limits=RiskLimitsBlock(limits=limits))
    return Desk(account=account, storage=storage, ledger=Ledger.of(storage), market=market)


def test_facts_are_of_the_sessions_before_this_one(tmp_path: Path):
    desk = a_desk(tmp_path, RiskLimits(max_participation_pct=Decimal(5), max_market_volatility_pct=Decimal(60)))

    facts, market_volatility_pct = describe(desk, SESSION, ["AAPL", "GONE"])

    assert facts["AAPL"].average_volume == 1000
    assert facts["AAPL"].correlated == {"SPY"}
    assert "GONE" not in facts
    # By turns +0.995 % and -0.995 % a day, times the square root of 252.
    assert float(market_volatility_pct) == pytest.approx(0.995 * 15.87, abs=0.3)


def test_a_desk_without_such_limits_reads_no_bars(tmp_path: Path):
    facts, market_volatility_pct = describe(a_desk(tmp_path, RiskLimits()), SESSION, ["AAPL"])

    assert market_volatility_pct is None
    assert all(fact.average_volume is None for fact in facts.values())
