"""Interactive Brokers passes the battery of all sources of bars, on the simulated gateway."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from adapters.ib.bars import IbBars
from adapters.ib.ib_settings import IbSettings
from adapters.ib.owner import OwnerLoop
from adapters.ib.sessions import Sessions
from ib_gateway.gateway import Gateway
from ib_gateway.gateway_settings import GatewaySettings
from tests.adapters.ib.ib_desk import QUICK
from tests.bar_source_battery import BarSourceBattery, SourceCase
from trading.errors import SourceUnavailable
from trading.market.bars import PriceBasis
from trading.market.instruments import Equity

NOW = datetime(2026, 11, 16, 15, tzinfo=UTC)
MONDAY, FRIDAY = date(2026, 11, 9), date(2026, 11, 13)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """Run a gateway in a thread, since bars are fetched without an event loop."""
    thread = OwnerLoop()
    gateway = Gateway(GatewaySettings(poll_seconds=0, history_requests=100_000), now=lambda: NOW)
    thread.wait(gateway.start())
    yield gateway
    thread.wait(gateway.stop())
    thread.stop()


@pytest.fixture(scope="module")
def source(gateway: Gateway) -> Iterator[IbBars]:
    settings = IbSettings(**{**QUICK, "port": gateway.port})
    sessions = Sessions()
    listed = [Equity(symbol="AAPL", mic="XNAS"), Equity(symbol="KO", mic="XNYS")]
    yield IbBars(listed, settings=settings, now=lambda: NOW, sessions=sessions)
    sessions.owner.wait(sessions.end())
    sessions.owner.stop()


class TestIbBars(BarSourceBattery):
    @pytest.fixture
    def case(self, source: IbBars) -> SourceCase:
        return SourceCase(source=source, symbols=("AAPL", "KO"), first=MONDAY, last=FRIDAY, sessions=5, empty_year=1950)


def test_bars_are_called_raw_and_are_whole(source: IbBars):
    bars = source.fetch(["AAPL"], MONDAY, FRIDAY).bars

    assert bars.price_basis is PriceBasis.RAW
    assert bars.frame.notna().all(axis=None)


def test_years_are_asked_for_in_years(source: IbBars):
    """IB refuses more than 365 days (TWS API, "Historical Data: valid durations").

    The simulated market trades every weekday: 104 weeks and two days are 522.
    """
    bars = source.fetch(["AAPL"], date(2024, 11, 14), FRIDAY).bars

    assert len(bars.frame) == 522


def test_a_gateway_that_is_away_is_the_sources_fault_and_not_the_symbols():
    sessions = Sessions()
    away = IbBars([], settings=IbSettings(**{**QUICK, "port": 1}), now=lambda: NOW, sessions=sessions)

    with pytest.raises(SourceUnavailable, match="nothing answers on 127"):
        away.fetch(["AAPL"], MONDAY, FRIDAY)

    sessions.owner.wait(sessions.end())
    sessions.owner.stop()
