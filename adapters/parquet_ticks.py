"""The store of ticks: small Parquet files while an hour lasts, one of them when it is over."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pyarrow.compute import field

from adapters.bar_versions import TIME, utc
from adapters.parquet_bars import source_folder
from adapters.parquet_files import (
    held_for_reading,
    locked,
    make_folder,
    read_metadata,
    read_open,
    read_whole,
    remove_file,
    remove_folder,
    write_durably,
)
from trading.errors import StoreCorrupt, StoreUnavailable
from trading.market.ticks import TIME_DTYPE, TickKind, Ticks, dtypes

NAME = re.compile(r"(?P<hour>\d\d)\.(?P<what>part|hour)-(?P<number>\d{8})(-(?P<digest>[0-9a-f]{20}))?\.parquet")
DIGESTS_KEY = b"openbell.parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickFile:
    """One file of an hour: the part of that number, or all parts up to it joined."""

    path: Path
    hour: str
    number: int
    is_joined: bool
    digest: str | None


class ParquetTicks:
    """Ticks in a folder: `SOURCE/trades/2024-01-02/14.part-00000001-DIGEST.parquet`, by the UTC hour of the tick.

    `compact` joins the parts of an hour to `14.hour-00000017.parquet`, 17 being the last part in it; parts up to that
    number count no more, whether they are deleted already or not. So every tick is seen once, whenever a writer or
    `compact` is killed, and whoever reads meanwhile.

    Args:
        root: the folder; made when the first ticks are written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def append(self, ticks: Ticks) -> int:
        """Write the ticks durably after those there are; appending exactly the same ones again changes nothing.

        Returns:
            How many ticks were not there yet.

        Raises:
            InvalidValue: the source cannot name a folder.
            StoreUnavailable: they could not be written; those of earlier hours may have been, so append all again.
        """
        source, kind, added = source_folder(self._root, ticks.source), ticks.kind, 0
        for hour, rows in _by_hour(ticks.frame, kind):
            table = pa.Table.from_pandas(rows, schema=tick_schema(kind), preserve_index=False)
            with locked(source, kind):
                added += _append(source / kind / f"{hour:%Y-%m-%d}", f"{hour:%H}", table, rows_digest(rows))
        return added

    def read(self, source: str, kind: TickKind, symbols: Sequence[str] | None, start: datetime, end: datetime) -> Ticks:
        """Return the ticks whose time is in [start, end), all symbols when None: by hour, and in it as they arrived.

        Raises:
            InvalidValue: a time has no time zone.
            StoreCorrupt: a file cannot be read.
        """
        since, until = utc("start", start), utc("end", end)
        wanted = (field(kind.time) >= pa.scalar(since, TIME)) & (field(kind.time) < pa.scalar(until, TIME))
        if symbols is not None:
            wanted &= field("symbol").isin(pa.array(symbols, pa.string()))
        folder = source_folder(self._root, source)
        tables = [tick_schema(kind).empty_table()]
        with held_for_reading(folder, kind):
            hours = list(_hours(folder / kind, since, until))
        for day, hour in hours:
            with held_for_reading(folder, kind):
                files = {f.path: _opened(f) for f in _counting(day, hour)}
            if files:
                tables.append(read_open(files, tick_schema(kind), wanted))
        return Ticks(frame=pa.concat_tables(tables).to_pandas(), kind=kind, source=source)

    def compact(self, now: datetime) -> int:
        """Join the parts of the hours that are over; doing it again, or at the same time, changes nothing.

        Returns:
            How many hours were joined.

        Raises:
            StoreCorrupt: a part cannot be read; it is left where it is.
            StoreUnavailable: the joined file could not be written; the parts are as they were.
        """
        over = utc("now", now).floor("h")
        joined = 0
        for source, kind in self._streams():
            with locked(source, f"{kind}-compaction"):
                hours = list(_hours(source / kind, None, over))
                joined += sum(_compact(source, kind, day, hour) for day, hour in hours)
        return joined

    def forget_before(self, day: date) -> int:
        """Delete the ticks of the days before that one, of every source.

        Returns:
            How many days of a source and kind are gone.

        Raises:
            StoreUnavailable: a file could not be deleted; running it again deletes the rest.
        """
        forgotten = 0
        for source, kind in self._streams():
            with locked(source, f"{kind}-compaction"), locked(source, kind):
                for folder in _days(source / kind, None, pd.Timestamp(day, tz="UTC")):
                    remove_folder(folder)
                    forgotten += 1
        return forgotten

    def _streams(self) -> Iterator[tuple[Path, TickKind]]:
        for source in sorted(p for p in self._root.glob("*") if p.is_dir()):
            yield from ((source, kind) for kind in TickKind if (source / kind).is_dir())


def _by_hour(frame: pd.DataFrame, kind: TickKind) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
    """Yield the rows of each hour in order; those of one hour, as nearly all are, without a copy."""
    first, last = (each.floor("h") for each in (frame[kind.time].min(), frame[kind.time].max()))
    if first == last:
        yield first, frame
    else:
        yield from frame.groupby(frame[kind.time].dt.floor("h"), sort=True)


def _append(day: Path, hour: str, table: pa.Table, digest: str) -> int:
    files = _files(day, hour)
    if digest in _digests(files):
        return 0
    try:
        make_folder(day)
    except OSError as exc:
        raise StoreUnavailable(str(day), str(exc)) from exc
    number = 1 + max((f.number for f in files), default=0)
    write_durably(table, day / f"{hour}.part-{number:08}-{digest}.parquet")
    return len(table)


def _compact(source: Path, kind: TickKind, day: Path, hour: str) -> bool:
    with locked(source, kind):  # a listing that misses a part being added would leave it out for ever
        counting = _counting(day, hour)
    has_parts = any(not f.is_joined for f in counting)
    if has_parts:
        table = pa.concat_tables([read_whole(f.path, tick_schema(kind)) for f in counting])
        table = table.replace_schema_metadata({DIGESTS_KEY: ",".join(sorted(_digests(counting)))})
        write_durably(table, day / f"{hour}.hour-{counting[-1].number:08}.parquet")
    with locked(source, kind):  # no one is opening what is deleted
        counting = _counting(day, hour)
        for file in _files(day, hour):
            if file not in counting:
                remove_file(file.path)
    return has_parts


def _files(day: Path, hour: str) -> list[TickFile]:
    names = (NAME.fullmatch(path.name) for path in day.glob(f"{hour}.*.parquet"))
    return [
        TickFile(
            path=day / found.string,
            hour=hour,
            number=int(found["number"]),
            is_joined=found["what"] == "hour",
            digest=found["digest"],
        )
        for found in names
        if found
    ]


def _counting(day: Path, hour: str) -> list[TickFile]:
    """Return the files that hold each tick of the hour once, in order of arrival."""
    files = _files(day, hour)
    joined = max((f for f in files if f.is_joined), key=lambda f: f.number, default=None)
    parts = [f for f in files if not f.is_joined and (joined is None or f.number > joined.number)]
    return ([joined] if joined else []) + sorted(parts, key=lambda f: f.number)


def _digests(files: Sequence[TickFile]) -> set[str]:
    """Return the digests of all that was ever appended to the hour of these files."""
    digests = {f.digest for f in files if f.digest}
    for file in files:
        if file.is_joined:
            digests |= set(read_metadata(file.path, DIGESTS_KEY).split(","))
    return digests


def _opened(file: TickFile) -> pa.NativeFile:
    """Open a file so that it may be deleted meanwhile; parts are small and many, and would be too many open files."""
    try:
        return pa.OSFile(str(file.path)) if file.is_joined else pa.BufferReader(file.path.read_bytes())
    except OSError as exc:
        raise StoreCorrupt(str(file.path), str(exc)) from exc


def _hours(folder: Path, since: pd.Timestamp | None, until: pd.Timestamp) -> Iterator[tuple[Path, str]]:
    """Yield the day and hour of all files from the hour of `since` on that begin before `until`."""
    for day in _days(folder, since, until):
        hours = sorted({path.name[:2] for path in day.glob("*.parquet") if NAME.fullmatch(path.name)})
        for hour in hours:
            start = pd.Timestamp(f"{day.name} {hour}:00", tz="UTC")
            if start < until and (since is None or start + timedelta(hours=1) > since):
                yield day, hour


def _days(folder: Path, since: pd.Timestamp | None, until: pd.Timestamp) -> list[Path]:
    """Return the folders of the days from that of `since` on that begin before `until`."""
    days = sorted(p for p in folder.glob("????-??-??") if p.is_dir())
    return [
        p for p in days if (since is None or p.name >= f"{since:%Y-%m-%d}") and pd.Timestamp(p.name, tz="UTC") < until
    ]


def tick_schema(kind: TickKind) -> pa.Schema:
    """Return how ticks of that kind are stored."""
    types = {"float64": pa.float64(), "str": pa.string(), TIME_DTYPE: TIME}
    return pa.schema([(name, types[wanted]) for name, wanted in dtypes(kind).items()])


def rows_digest(rows: pd.DataFrame) -> str:
    """Return what names these rows for ever; equal ones have equal names."""
    digest = hashlib.sha256(f"{len(rows)}".encode())
    for column in (rows[name] for name in rows.columns):
        if column.dtype.kind == "f":
            digest.update(column.to_numpy("<f8").tobytes())
        elif column.dtype.kind == "M":
            digest.update(column.dt.tz_localize(None).to_numpy("<M8[us]").tobytes())
        else:
            digest.update(_joined(column))
    return digest.hexdigest()[:20]


def _joined(words: pd.Series) -> bytes:
    """Return the words with a zero byte between them, as Python's own `join` would, in a hundredth of its time."""
    array = pa.array(words, pa.string())
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    line = pa.ListArray.from_arrays([0, len(whole)], whole)
    joined: bytes = pyarrow.compute.binary_join(line, "\x00")[0].as_buffer().to_pybytes()
    return joined
