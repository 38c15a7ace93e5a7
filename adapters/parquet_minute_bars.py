"""The store of minute bars: one Parquet file per source and day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow.compute import field

from adapters.bar_versions import NUMBERS, TIME, RowKind, added_up, merge, sorted_bars, utc
from adapters.parquet_bars import source_folder
from adapters.parquet_files import locked, read_rows, read_whole, remove_file, write_durably
from trading.errors import BarsInvalid, StoreCorrupt
from trading.market.bars import UpsertCount
from trading.market.minute_bars import MinuteBars

MINUTES = pa.schema([("symbol", pa.string()), ("bar_start", TIME), *((name, pa.float64()) for name in NUMBERS)])
MINUTES_CODED = MINUTES.set(0, pa.field("symbol", pa.dictionary(pa.int32(), pa.string())))
MINUTE_ROWS = RowKind(key=("symbol", "bar_start"), values=NUMBERS)
_ONE_TICK = timedelta(microseconds=1)


class ParquetMinuteBars:
    """Minute bars in a folder, `SOURCE/2024-01-02.parquet` for the bars that start on that day, UTC.

    A day is replaced as a whole or not at all; readers need no lock. A bar that is corrected is replaced: of minutes no
    versions are kept.

    Args:
        root: the folder; made when the first bars are written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def upsert(self, bars: MinuteBars) -> UpsertCount:
        """Write the bars durably; they replace rows of the same source, symbol and minute. Repeating changes nothing.

        Raises:
            InvalidValue: the source cannot name a folder.
            BarsInvalid: a symbol has two bars for one minute.
            StoreCorrupt: a day that has to be merged with cannot be read.
            StoreUnavailable: a day could not be written; it is as it was.
        """
        folder = source_folder(self._root, bars.source)
        if bars.frame.duplicated(["symbol", "bar_start"]).any():
            raise BarsInvalid(bars.source, "a symbol has two bars for one minute")
        counts = [UpsertCount(added=0, changed=0, unchanged=0)]
        for day, rows in bars.frame.groupby(bars.frame["bar_start"].dt.floor("D"), sort=True):
            with locked(folder, "days"):
                counts.append(_merge(folder / f"{day:%Y-%m-%d}.parquet", rows))
        return added_up(counts)

    def read(self, source: str, symbols: Sequence[str] | None, start: datetime, end: datetime) -> MinuteBars:
        """Return the stored bars that start in [start, end) by symbol and time; all symbols when None.

        Raises:
            InvalidValue: a time has no time zone.
            StoreCorrupt: a day cannot be read.
        """
        since, until = utc("start", start), utc("end", end)
        names = f"{since:%Y-%m-%d}", f"{until - _ONE_TICK:%Y-%m-%d}"
        paths = [
            p for p in sorted(source_folder(self._root, source).glob("*.parquet")) if names[0] <= p.stem <= names[1]
        ]
        wanted = (field("bar_start") >= pa.scalar(since, TIME)) & (field("bar_start") < pa.scalar(until, TIME))
        if symbols is not None:
            wanted &= field("symbol").isin(pa.array(symbols, pa.string()))
        try:
            table = read_rows(paths, MINUTES_CODED, wanted) if paths else MINUTES_CODED.empty_table()
        except StoreCorrupt:
            if all(path.exists() for path in paths):
                raise
            return self.read(source, symbols, start, end)  # a day was forgotten meanwhile
        frame = sorted_bars(table)
        frame["bar_start"] = frame["bar_start"].dt.tz_localize("UTC")
        return MinuteBars(frame=frame, source=source)

    def forget_before(self, day: date) -> int:
        """Delete the days before that one, of every source.

        Returns:
            How many files are gone.

        Raises:
            StoreUnavailable: a file could not be deleted; running it again deletes the rest.
        """
        old = [path for path in self._root.glob("*/*.parquet") if path.stem < day.isoformat()]
        for path in old:
            with locked(path.parent, "days"):
                remove_file(path)
        return len(old)


def _merge(path: Path, rows: pd.DataFrame) -> UpsertCount:
    stored = read_whole(path, MINUTES) if path.exists() else MINUTES.empty_table()
    merged = merge(stored.to_pandas(), rows, MINUTE_ROWS)
    if merged.count.added or merged.count.changed:
        believed = merged.both.take(merged.believed)
        write_durably(pa.Table.from_pandas(believed, schema=MINUTES, preserve_index=False), path)
    return merged.count
