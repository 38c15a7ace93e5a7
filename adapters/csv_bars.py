"""Bars from files: a folder with one file per symbol, or one file with all of them; CSV or Parquet."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd

from adapters.bar_files import read_bars
from adapters.csv_actions import read_actions
from adapters.table_bars import TableBars, asked_symbols, no_rows
from trading.errors import BarsInvalid, SourceUnavailable
from trading.market.bars import FetchedBars, FetchOutcome, FetchStatus, PriceBasis
from trading.market.corporate_actions import CorporateAction
from trading.market.instruments import Equity, Instrument

SUFFIXES = (".csv", ".parquet")


class CsvBars:
    """Bars from a folder of SYMBOL.csv (or .parquet), or from one long file with a column `symbol`.

    Every file is read once in the life of the source: make a new one to see changes on disk.

    Args:
        path: the folder or file; what its columns may be called and hold stands in `bar_files`.
        price_basis: what has been done to the prices. The files cannot tell.
        actions_path: CSV of splits and dividends, see `csv_actions`; None when there are none.
        mic: ISO 10383 code of the exchange whose calendar the symbols follow.
        listed: instruments of the symbols that are no shares on `mic`.
        name: recorded with every bar.
    """

    def __init__(
        self,
        path: Path,
        *,
        price_basis: PriceBasis,
        actions_path: Path | None = None,
        mic: str = "XNYS",
        currency: str = "USD",
        listed: Mapping[str, Instrument] | None = None,
        name: str = "files",
    ) -> None:
        self.name = name
        self._path, self._actions_path, self._price_basis = path, actions_path, price_basis
        self._mic, self._currency, self._listed = mic, currency, dict(listed or {})
        self._read: dict[str, pd.DataFrame | BarsInvalid] = {}

    def instruments(self) -> Mapping[str, Instrument]:
        """Return an instrument for every symbol there is a file or a row of.

        Raises:
            SourceUnavailable: the path is not there.
            BarsInvalid: the one long file does not hold bars.
        """
        symbols = sorted(self._files) if self._is_folder() else self._long_file.symbols
        shares = {s: Equity(symbol=s, mic=self._mic, currency=self._currency) for s in symbols}
        return shares | {s: i for s, i in self._listed.items() if s in shares}

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return the bars of all sessions from `first` to `last`, both included.

        In a folder, a file that does not hold bars fails its own symbol; its outcome names file, row and column.

        Raises:
            SourceUnavailable: the path is not there.
            BarsInvalid: the one long file, or the file of actions, does not hold what it should.
        """
        if not self._is_folder():
            return self._long_file.fetch(symbols, first, last, self._actions)
        answers = {s: self._read_symbol(s) for s in asked_symbols(symbols, first, last) if s in self._files}
        invalid = {s: answer for s, answer in answers.items() if isinstance(answer, BarsInvalid)}
        frames = [answer for _, answer in sorted(answers.items()) if isinstance(answer, pd.DataFrame)]
        fetched = self._table(frames).fetch(symbols, first, last, self._actions)
        return replace(fetched, outcomes=tuple(_failed(o, invalid) for o in fetched.outcomes))

    @cached_property
    def _long_file(self) -> TableBars:
        return self._table([read_bars(self._path, symbol=None)])

    @cached_property
    def _files(self) -> Mapping[str, Path]:
        try:
            found = sorted(self._path.iterdir())
        except OSError as exc:
            raise SourceUnavailable(self.name, f"the folder {self._path} cannot be read, {exc}") from exc
        files = [f for f in found if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")]
        return {f.stem: f for f in files if f != self._actions_path}

    @cached_property
    def _actions(self) -> Sequence[CorporateAction]:
        return () if self._actions_path is None else read_actions(self._actions_path, self._currency)

    def _is_folder(self) -> bool:
        if not self._path.exists():
            raise SourceUnavailable(self.name, f"there is no file or folder {self._path}")
        return self._path.is_dir()

    def _read_symbol(self, symbol: str) -> pd.DataFrame | BarsInvalid:
        if symbol not in self._read:
            try:
                self._read[symbol] = read_bars(self._files[symbol], symbol=symbol)
            except BarsInvalid as invalid:
                self._read[symbol] = invalid
        return self._read[symbol]

    def _table(self, frames: Sequence[pd.DataFrame]) -> TableBars:
        return TableBars(
            pd.concat(frames, ignore_index=True) if frames else no_rows(),
            source=self.name,
            price_basis=self._price_basis,
            offered=self._files if self._path.is_dir() else (),
        )


def _failed(outcome: FetchOutcome, invalid: Mapping[str, BarsInvalid]) -> FetchOutcome:
    if outcome.symbol not in invalid:
        return outcome
    return replace(outcome, status=FetchStatus.FAILED, text=str(invalid[outcome.symbol]))
