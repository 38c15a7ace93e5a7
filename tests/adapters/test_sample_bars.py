"""The bars that come with the installation."""

from datetime import date

import pandas as pd
import pytest

from adapters.sample_bars import SampleBars
from tests.bar_source_battery import BarSourceBattery, SourceCase
from trading.market.bars import PriceBasis


@pytest.fixture(scope="module")
def source() -> SampleBars:
    return SampleBars()


class TestSampleBars(BarSourceBattery):
    @pytest.fixture
    def case(self, source: SampleBars) -> SourceCase:
        # December 2022 had 21 sessions; the sample ends two before the last.
        return SourceCase(
            source=source,
            symbols=("AAPL", "KO", "XOM"),
            first=date(2022, 12, 1),
            last=date(2022, 12, 28),
            sessions=19,
            empty_year=2023,
        )


def test_the_sample_has_20_stocks_over_33_years(source: SampleBars):
    fetched = source.fetch(list(source.instruments()), date(1990, 1, 1), date(2022, 12, 31))

    frame = fetched.bars.frame
    assert frame["symbol"].nunique() == len(source.instruments()) == 20
    assert len(frame) == 20 * 8313
    assert (frame["session"].min(), frame["session"].max()) == (pd.Timestamp("1990-01-02"), pd.Timestamp("2022-12-28"))


def test_the_sample_says_that_its_prices_are_adjusted_and_that_it_has_closes_only(source: SampleBars):
    bars = source.fetch(["MSFT"], date(2022, 12, 27), date(2022, 12, 28)).bars

    assert bars.price_basis is PriceBasis.ADJUSTED
    assert bars.frame[["open", "high", "low", "volume"]].isna().all(axis=None)


@pytest.mark.parametrize(("symbol", "mic"), [("AAPL", "XNAS"), ("PEP", "XNAS"), ("KO", "XNYS"), ("RRC", "XNYS")])
def test_a_sample_stock_names_the_exchange_it_was_listed_on(source: SampleBars, symbol: str, mic: str):
    assert source.instruments()[symbol].mic == mic
