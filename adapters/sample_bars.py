"""Real bars that come with the installation: 20 large US stocks, 1990 to 2022, no account and no network needed."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property

from adapters.table_bars import TableBars
from trading.market.bars import FetchedBars, PriceBasis, bars_frame
from trading.market.instruments import Equity, Instrument

# Where each was listed on 2022-12-28, the last session of the sample.
ON_NYSE = ("BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO", "LLY", "MRK", "PFE", "PG", "RRC", "UNH", "WMT", "XOM")
ON_NASDAQ = ("AAPL", "AMD", "MSFT", "PEP")


class SampleBars:
    """The sample prices of skfolio: closes only, adjusted for splits and dividends; survivors only, so no evidence.

    Args:
        name: recorded with every bar.

    Source: `skfolio.datasets.load_sp500_dataset` (BSD-3-Clause), read from the installed package.
    """

    def __init__(self, name: str = "sample") -> None:
        self.name = name

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the 20 stocks by symbol."""
        listed = [("XNYS", ON_NYSE), ("XNAS", ON_NASDAQ)]
        return {symbol: Equity(symbol=symbol, mic=mic) for mic, symbols in listed for symbol in symbols}

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included; there are no corporate actions."""
        return self._table.fetch(symbols, first, last)

    @cached_property
    def _table(self) -> TableBars:
        from skfolio.datasets import load_sp500_dataset  # 1.4 s and 200 MiB: only when asked

        closes = load_sp500_dataset().rename_axis(index="session", columns="symbol")
        rows = closes.unstack().rename("close").reset_index()
        return TableBars(bars_frame(rows), source=self.name, price_basis=PriceBasis.ADJUSTED)
