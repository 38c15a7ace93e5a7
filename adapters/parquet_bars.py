"""The bar store: one Parquet file per source and month for what is believed, one for what was believed before."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pyarrow.compute import field

from adapters.bar_versions import (
    ACTION_ROWS,
    ACTIONS,
    BAR_ROWS,
    BARS,
    BARS_CODED,
    action_rows,
    added_up,
    bar_versions,
    by_month,
    is_among,
    known_actions,
    newest_bars,
    require_basis,
    require_single,
    require_source_name,
    sorted_bars,
    stamps,
    utc,
)
from adapters.parquet_files import locked, read_metadata, read_rows
from adapters.table_bars import no_rows
from adapters.versioned_file import VersionedFile, read_as_of, read_superseded
from trading.errors import StoreCorrupt
from trading.market.bars import BarVersion, DailyBars, PriceBasis, UpsertCount
from trading.market.corporate_actions import CorporateAction

BARS_NOW = BARS_CODED.remove(BARS_CODED.get_field_index("known_at"))
BASIS_KEY = b"openbell.price_basis"
BARS_NAME = re.compile(r"\d{4}-\d{2}\.parquet")


class ParquetBars:
    """A BarStore in a folder: `SOURCE/2024-01.parquet` for bars, `SOURCE/actions.parquet` for corporate actions.

    Beside each lies `2024-01.superseded.parquet` once something in it has changed: the rows that are believed no
    longer. A file is replaced as a whole or not at all; readers need no lock. Bars of several months are written month
    by month: after a failure, the same upsert again writes what is missing.

    Args:
        root: the folder; made when the first bars are written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def upsert(self, bars: DailyBars, known_at: datetime) -> UpsertCount:
        """Write the bars durably; they take the place of rows of the same source, symbol and session.

        A month in which nothing changes is not written.

        Raises:
            InvalidValue: the source is stored on another price basis, or `known_at` has no time zone.
            BarsInvalid: a symbol has two bars for one session.
            StoreCorrupt: a month that has to be merged with cannot be read.
            StoreUnavailable: a month could not be written; it is as it was.
        """
        folder, moment = source_folder(self._root, bars.source), utc("known_at", known_at)
        require_single(bars)
        counts = [UpsertCount(added=0, changed=0, unchanged=0)]
        with ExitStack() as first_writer:
            if self._basis(bars.source) is None:  # two first writers must not bring two bases
                first_writer.enter_context(locked(folder, "source"))
            require_basis(self._basis(bars.source), bars)
            for month, rows in by_month(bars.frame):
                with locked(folder, month):
                    counts.append(_month_file(folder / f"{month}.parquet", bars.price_basis).merge(rows, moment))
        return added_up(counts)

    def read(
        self, source: str, symbols: Sequence[str] | None, first: date, last: date, as_of: datetime | None = None
    ) -> DailyBars:
        """Return the stored bars of the source between two sessions, both included; all symbols when None.

        A source that was never stored has no rows (and, for want of a better, raw ones).

        Args:
            as_of: return what was believed at that moment; what is believed now when None.

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        paths = self._months_between(source, first, last)
        if not paths:
            frame = no_rows()
        elif as_of is None:
            frame = sorted_bars(read_rows(paths, BARS_NOW, _wanted(symbols, first, last)))
        else:
            then = utc("as_of", as_of)
            frame = newest_bars(read_as_of(paths, BARS_CODED, _wanted(symbols, first, last), then))
        return DailyBars(frame=frame, source=source, price_basis=self._basis(source) or PriceBasis.RAW)

    def versions(self, source: str, symbol: str, session: date) -> tuple[BarVersion, ...]:
        """Return all that was ever believed of one bar, the oldest first.

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        paths, wanted = self._months_between(source, session, session), _wanted([symbol], session, session)
        if not paths:
            return ()
        believed = read_rows(paths, BARS, wanted).to_pandas()
        believed["superseded_at"] = stamps(len(believed), pd.NaT)
        superseded = read_superseded(paths, BARS, wanted).to_pandas()
        # What was put aside and is believed all the same was never superseded.
        rows = pd.concat([believed, superseded], ignore_index=True).drop_duplicates(BAR_ROWS.version, keep="first")
        return bar_versions(rows)

    def withdraw(self, source: str, actions: Sequence[CorporateAction], known_at: datetime) -> int:
        """Believe these corporate actions no longer, whatever their terms; what is not stored changes nothing.

        Returns:
            How many were believed until then.

        Raises:
            StoreCorrupt: the file cannot be read.
            StoreUnavailable: the file could not be written; it is as it was.
        """
        folder, moment = source_folder(self._root, source), utc("known_at", known_at)
        stored = _actions_file(folder)
        if not actions or not stored.path.exists():
            return 0
        with locked(folder, "actions"):
            return stored.withdraw(lambda rows: is_among(rows, actions), moment)

    def upsert_actions(self, source: str, actions: Sequence[CorporateAction], known_at: datetime) -> None:
        """Keep corporate actions durably, one per symbol, ex-date and kind; the newest word counts.

        Raises:
            InvalidValue: `known_at` has no time zone.
            StoreCorrupt: the file that has to be merged with cannot be read.
            StoreUnavailable: the file could not be written; it is as it was.
        """
        folder, moment = source_folder(self._root, source), utc("known_at", known_at)
        if not actions:
            return
        with locked(folder, "actions"):
            _actions_file(folder).merge(action_rows(actions), moment)

    def actions(
        self, source: str, first: date, last: date, as_of: datetime | None = None
    ) -> tuple[CorporateAction, ...]:
        """Return the corporate actions with ex-dates between two days, both included, by ex-date and symbol.

        Args:
            as_of: return what was believed at that moment; what is believed now when None.

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        path = _actions_file(source_folder(self._root, source)).path
        if not path.exists():
            return ()
        wanted = (field("ex_date") >= first) & (field("ex_date") <= last)
        if as_of is None:
            return known_actions(read_rows([path], ACTIONS, wanted))
        return known_actions(read_as_of([path], ACTIONS, wanted, utc("as_of", as_of)))

    def _months_between(self, source: str, first: date, last: date) -> list[Path]:
        return [p for p in self._months(source) if f"{first:%Y-%m}" <= p.stem <= f"{last:%Y-%m}"]

    def _months(self, source: str) -> list[Path]:
        folder = source_folder(self._root, source)
        return sorted(p for p in folder.glob("*.parquet") if BARS_NAME.fullmatch(p.name))

    def _basis(self, source: str) -> PriceBasis | None:
        months = self._months(source)
        return _basis_of(months[-1]) if months else None


def source_folder(root: Path, source: str) -> Path:
    """Return the folder of a source.

    Raises:
        InvalidValue: it would not be one inside the root.
    """
    return root / require_source_name(source)


def _month_file(path: Path, basis: PriceBasis) -> VersionedFile:
    return VersionedFile(path=path, schema=BARS, kind=BAR_ROWS, metadata={BASIS_KEY: str(basis)})


def _actions_file(folder: Path) -> VersionedFile:
    return VersionedFile(path=folder / "actions.parquet", schema=ACTIONS, kind=ACTION_ROWS, metadata={})


def _wanted(symbols: Sequence[str] | None, first: date, last: date) -> pyarrow.compute.Expression:
    wanted = (field("session") >= pd.Timestamp(first)) & (field("session") <= pd.Timestamp(last))
    if symbols is not None:
        wanted &= field("symbol").isin(pa.array(symbols, pa.string()))
    return wanted


def _basis_of(path: Path) -> PriceBasis:
    written = read_metadata(path, BASIS_KEY)
    if written not in set(PriceBasis):
        raise StoreCorrupt(str(path), f"its price basis is {written!r}")
    return PriceBasis(written)
