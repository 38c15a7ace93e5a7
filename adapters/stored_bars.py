"""What a bar store holds of one source, as a source of bars itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adapters.table_bars import TableBars, asked_symbols
from trading.market.bars import BarStore, FetchedBars
from trading.market.instruments import Instrument


@dataclass(frozen=True, slots=True)
class StoredBars:
    """What the store holds of one source, as a BarSource: for backtests, and when the provider is away."""

    store: BarStore
    name: str
    offered: Mapping[str, Instrument]

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments on offer by symbol."""
        return self.offered

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the stored bars of all sessions from `first` to `last`, both included.

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        bars = self.store.read(self.name, asked_symbols(symbols, first, last), first, last)
        table = TableBars(bars.frame, source=self.name, price_basis=bars.price_basis, offered=self.offered)
        return table.fetch(symbols, first, last, self.store.actions(self.name, first, date.max))
