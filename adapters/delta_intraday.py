"""The stores of minute bars and of ticks over Delta Lake: in object storage, for many machines, or in a folder.

All sources lie in one table, so that old days of all of them can be forgotten. Rows tell the version of the table that
their writer saw: what one machine writes later has the higher number, and needs no clock.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pyarrow.compute import field
from pydantic import SecretStr

from adapters.bar_versions import TIME, merge, newest_bars, require_source_name, utc
from adapters.delta_bars import KEPT, DeltaBars
from adapters.delta_table import AppendedTable, LakePlace
from adapters.parquet_minute_bars import MINUTE_ROWS, MINUTES
from adapters.parquet_ticks import rows_digest, tick_schema
from trading.errors import BarsInvalid
from trading.market.bars import UpsertCount
from trading.market.minute_bars import MinuteBars
from trading.market.ticks import TickKind, Ticks

PARTS = ("source", "day")
REVISION = pa.field("revision", pa.int64())
BATCH = pa.field("batch", pa.int64())  # names what was written at once; the same again has the same name
POSITION = pa.field("position", pa.int32())  # in the batch
_PARTED = [pa.field(name, pa.string()) for name in PARTS]
MINUTE_LOG = pa.schema([*MINUTES, REVISION, BATCH, *_PARTED])
MINUTE_AGE = ("revision", "batch")
_ONE_TICK = timedelta(microseconds=1)
_HOUR_US = 3_600_000_000


class DeltaMinuteBars:
    """A MinuteStore of one Delta Lake table, `minute_bars/rows`, by source and UTC day.

    Of a minute the newest row counts. Of two machines that correct the same minutes at once, one counts for them all.

    Args:
        url: s3://bucket/prefix or that of another object storage, or a folder.
        storage_options: of Delta Lake, such as aws_access_key_id, aws_secret_access_key, aws_region, aws_endpoint_url.
    """

    def __init__(self, url: str, storage_options: Mapping[str, SecretStr] | None = None) -> None:
        place = LakePlace(url, dict(storage_options or {}))
        self._log = AppendedTable(place=place, name="minute_bars/rows", schema=MINUTE_LOG, partition_by=PARTS)

    def upsert(self, bars: MinuteBars) -> UpsertCount:
        """Write the bars durably, all or none; they replace rows of the same source, symbol and minute.

        Raises:
            InvalidValue: the source cannot name a folder.
            BarsInvalid: a symbol has two bars for one minute.
            StoreCorrupt: what is stored cannot be read.
            StoreUnavailable: the storage cannot be reached, or refuses.
        """
        source = require_source_name(bars.source)
        if bars.frame.duplicated(["symbol", "bar_start"]).any():
            raise BarsInvalid(bars.source, "a symbol has two bars for one minute")
        table = self._log.open() or self._log.create({})
        days = bars.frame["bar_start"].dt.strftime("%Y-%m-%d")
        stored = _newest(self._log.rows(table, _of(source) & field("day").isin(pa.array(days.unique(), pa.string()))))
        merged = merge(stored, bars.frame, MINUTE_ROWS)
        places = merged.believed[merged.believed >= len(stored)] - len(stored)
        if len(places):
            fresh = bars.frame.take(places)
            said = {"revision": table.version(), "batch": _name(fresh), "source": source}
            told = fresh.assign(**said, day=days.to_numpy()[places])
            self._log.append(table, pa.Table.from_pandas(told, schema=MINUTE_LOG, preserve_index=False))
        return merged.count

    def read(self, source: str, symbols: Sequence[str] | None, start: datetime, end: datetime) -> MinuteBars:
        """Return the stored bars that start in [start, end) by symbol and time; all symbols when None.

        Raises:
            InvalidValue: a time has no time zone.
            StoreCorrupt: a file cannot be read.
            StoreUnavailable: the storage cannot be reached.
        """
        wanted = _of(require_source_name(source)) & _between("bar_start", symbols, start, end)
        table = self._log.open()
        rows = MINUTE_LOG.empty_table() if table is None else self._log.rows(table, wanted)
        return MinuteBars(frame=_newest(rows), source=source)

    def forget_before(self, day: date) -> int:
        """Forget the days before that one, UTC, of every source; return how many days of a source are gone.

        Their files are deleted by `compact` a week later, for those who are reading them.

        Raises:
            StoreUnavailable: the storage cannot be reached, or refuses; nothing is forgotten.
        """
        return self._log.forget_before(day)

    def compact(self) -> int:
        """Join the small files that writing leaves, and return of how many days of a source.

        Raises:
            StoreUnavailable: it could not be done; what is stored is as it was.
        """
        return self._log.compact(KEPT)


class DeltaTicks:
    """A TickStore of two Delta Lake tables, `ticks/trades` and `ticks/quotes`, by source and UTC day.

    Of two machines that append at once, each one's ticks stay in their order.

    Args:
        url: s3://bucket/prefix or that of another object storage, or a folder.
        storage_options: of Delta Lake, such as aws_access_key_id, aws_secret_access_key, aws_region, aws_endpoint_url.
    """

    def __init__(self, url: str, storage_options: Mapping[str, SecretStr] | None = None) -> None:
        self._place = LakePlace(url, dict(storage_options or {}))

    def append(self, ticks: Ticks) -> int:
        """Write the ticks durably, all or none, after those there are; exactly the same ones again change nothing.

        Returns:
            How many ticks were not there yet.

        Raises:
            InvalidValue: the source cannot name a folder.
            StoreCorrupt: what is stored cannot be read.
            StoreUnavailable: the storage cannot be reached, or refuses.
        """
        source, kind, log = require_source_name(ticks.source), ticks.kind, self._log(ticks.kind)
        hours = ticks.frame.groupby(ticks.frame[kind.time].dt.floor("h"), sort=True)
        batches = [
            rows.assign(batch=_name(rows), position=np.arange(len(rows)), source=source, day=f"{hour:%Y-%m-%d}")
            for hour, rows in hours
        ]
        if not batches:
            return 0
        table = log.open() or log.create({})
        told = pd.concat(batches).assign(revision=table.version())
        # one equality for each, as a file whose statistics exclude it is not even opened
        same = reduce(operator.or_, [field("batch") == int(batch) for batch in told["batch"].unique()])
        wanted = _of(source) & field("day").isin(pa.array(told["day"].unique(), pa.string())) & same
        stored = log.rows(table, wanted, ["batch"]).column("batch").unique().to_pylist()
        fresh = told[~told["batch"].isin(stored)]
        if len(fresh):
            log.append(table, pa.Table.from_pandas(fresh, schema=log.schema, preserve_index=False))
        return len(fresh)

    def read(self, source: str, kind: TickKind, symbols: Sequence[str] | None, start: datetime, end: datetime) -> Ticks:
        """Return the ticks whose time is in [start, end), all symbols when None: by hour, and in it as they arrived.

        Raises:
            InvalidValue: a time has no time zone.
            StoreCorrupt: a file cannot be read.
            StoreUnavailable: the storage cannot be reached.
        """
        wanted = _of(require_source_name(source)) & _between(kind.time, symbols, start, end)
        log = self._log(kind)
        table = log.open()
        rows = log.schema.empty_table() if table is None else log.rows(table, wanted)
        return Ticks(frame=_in_order(rows, kind).to_pandas(), kind=kind, source=source)

    def compact(self, now: datetime) -> int:
        """Join the small files of the days up to that of `now`; return how many days of a source and kind had some.

        Raises:
            InvalidValue: `now` has no time zone.
            StoreUnavailable: it could not be done; what is stored is as it was.
        """
        last = utc("now", now).date()
        return sum(self._log(kind).compact(KEPT, last) for kind in TickKind)

    def forget_before(self, day: date) -> int:
        """Forget the days before that one, UTC, of every source; return how many days of a source and kind are gone.

        Their files are deleted by `compact` a week later, for those who are reading them.

        Raises:
            StoreUnavailable: the storage cannot be reached, or refuses; running it again forgets the rest.
        """
        return sum(self._log(kind).forget_before(day) for kind in TickKind)

    def _log(self, kind: TickKind) -> AppendedTable:
        schema = pa.schema([*tick_schema(kind), REVISION, BATCH, POSITION, *_PARTED])
        return AppendedTable(place=self._place, name=f"ticks/{kind}", schema=schema, partition_by=PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lake:
    """The stores of a desk at one URL."""

    bars: DeltaBars
    minutes: DeltaMinuteBars
    ticks: DeltaTicks

    @classmethod
    def at(cls, url: str, storage_options: Mapping[str, SecretStr]) -> "Lake":
        """Return the stores; nothing is asked of the storage yet.

        Raises:
            InvalidValue: `url` is no address.
        """
        return cls(
            bars=DeltaBars(url, storage_options),
            minutes=DeltaMinuteBars(url, storage_options),
            ticks=DeltaTicks(url, storage_options),
        )


def _name(rows: pd.DataFrame) -> int:
    return int.from_bytes(bytes.fromhex(rows_digest(rows)[:16]), "big", signed=True)


def _of(source: str) -> pyarrow.compute.Expression:
    return field("source") == source


def _between(time: str, symbols: Sequence[str] | None, start: datetime, end: datetime) -> pyarrow.compute.Expression:
    since, until = utc("start", start), utc("end", end)
    wanted = (field("day") >= f"{since:%Y-%m-%d}") & (field("day") <= f"{until - _ONE_TICK:%Y-%m-%d}")
    wanted &= (field(time) >= pa.scalar(since, TIME)) & (field(time) < pa.scalar(until, TIME))
    return wanted if symbols is None else wanted & field("symbol").isin(pa.array(symbols, pa.string()))


def _newest(rows: pa.Table) -> pd.DataFrame:
    """Return the row of each minute that counts, by symbol and time."""
    symbols = rows.column("symbol").cast(pa.string()).dictionary_encode()
    frame = newest_bars(rows.set_column(0, "symbol", symbols), MINUTE_AGE, time="bar_start")
    frame["bar_start"] = frame["bar_start"].dt.tz_localize("UTC")
    return frame


def _in_order(rows: pa.Table, kind: TickKind) -> pa.Table:
    """Return the ticks by hour and arrival, those that two writers told at once only once."""
    hours = rows.column(kind.time).cast(pa.int64()).to_numpy() // _HOUR_US
    revision, batch, position = (rows.column(name).to_numpy() for name in ("revision", "batch", "position"))
    order = np.lexsort([position, batch, revision, hours])
    again = pd.DataFrame({"batch": batch[order], "position": position[order]}).duplicated().to_numpy()
    return rows.select(tick_schema(kind).names).take(pa.array(order[~again])).cast(tick_schema(kind))
