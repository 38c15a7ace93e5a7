"""Alpaca's daily bars through alpaca-py, against a server on loopback that speaks its formats."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from adapters.alpaca_bars import AlpacaBars
from tests.adapters.alpaca_server import APPLE, APPLE_ACTIONS, KEY, SECRET, AlpacaServer
from tests.bar_source_battery import BarSourceBattery, SourceCase, statuses
from trading.errors import SourceUnavailable
from trading.market.adjustments import CashDividend, Split, adjusted_closes
from trading.market.bars import FetchedBars, FetchStatus, PriceBasis

FIRST, LAST = date(2020, 8, 27), date(2020, 9, 1)


@pytest.fixture
def alpaca(httpserver: HTTPServer) -> AlpacaServer:
    return AlpacaServer(httpserver, bars={"AAPL": APPLE, "IBM": APPLE}, actions=APPLE_ACTIONS)


def bars_at(
    alpaca: AlpacaServer, folder: Path, symbols: Sequence[str] = ("AAPL", "IBM"), **settings: Any
) -> AlpacaBars:
    return AlpacaBars(symbols, access=alpaca.access(folder, **settings))


class TestAlpacaBars(BarSourceBattery):
    @pytest.fixture
    def case(self, alpaca: AlpacaServer, tmp_path: Path) -> SourceCase:
        source, symbols = bars_at(alpaca, tmp_path), ("AAPL", "IBM")
        return SourceCase(source=source, symbols=symbols, first=FIRST, last=LAST, sessions=4, empty_year=2021)
