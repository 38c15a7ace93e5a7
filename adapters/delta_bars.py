"""The bar store over Delta Lake: in object storage, for desks on many machines, or in a folder."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute
from deltalake import DeltaTable
from pyarrow.compute import field
from pydantic import SecretStr

from adapters.bar_versions import (
    ACTION_ROWS,
    ACTIONS,
    BAR_ROWS,
    BARS,
    TIME,
    RowKind,
    action_rows,
    bar_versions,
    by_month,
    change,
    known_actions,
    newest_bars,
    not_before,
    require_basis,
    require_single,
    require_source_name,
    utc,
    withdrawn,
)
from adapters.delta_table import AppendedTable, LakePlace
from adapters.table_bars import no_rows
from trading.errors import StoreCorrupt
from trading.market.bars import BarVersion, DailyBars, PriceBasis, UpsertCount
from trading.market.corporate_actions import ActionTerms, CorporateAction

BASIS_KEY = "openbell.price_basis"
REVISION = pa.field("revision", pa.int64())  # tells which of two versions of the same moment is the newer one
WITHDRAWN = pa.field("withdrawn", pa.bool_())
MONTH = pa.field("month", pa.string())
BAR_LOG = BARS.set(1, pa.field("session", pa.date32())).append(REVISION).append(WITHDRAWN).append(MONTH)
ACTION_LOG = ACTIONS.append(REVISION).append(WITHDRAWN)
AGE = ("known_at", "revision")
KEPT = timedelta(days=7)


class DeltaBars:
    """A BarStore of two Delta Lake tables for each source: `SOURCE/bars`, by month, and `SOURCE/actions`.

    The tables hold every version of every row, and are only added to; what is newest is believed. So writers on many
    machines lose nothing of each other's; of two that correct the same bar, the one with the later `known_at` counts.

    Args:
        url: s3://bucket/prefix or that of another object storage, or a folder.
        storage_options: of Delta Lake, such as aws_access_key_id, aws_secret_access_key, aws_region, aws_endpoint_url.
    """

    def __init__(self, url: str, storage_options: Mapping[str, SecretStr] | None = None) -> None:
        self._place = LakePlace(url, dict(storage_options or {}))

    def upsert(self, bars: DailyBars, known_at: datetime) -> UpsertCount:
        """Write the bars durably, all or none; they take the place of rows of the same source, symbol and session.

        Raises:
            InvalidValue: the source is stored on another price basis, or `known_at` has no time zone.
            BarsInvalid: a symbol has two bars for one session.
            StoreCorrupt: what is stored cannot be read.
            StoreUnavailable: the storage cannot be reached, or refuses.
        """
        log, moment = self._bars(bars.source), utc("known_at", known_at)
        require_single(bars)
        table = log.open() or log.create({BASIS_KEY: str(bars.price_basis)})
        require_basis(_basis(table), bars)
        months = [month for month, _ in by_month(bars.frame)]
        stored = _latest(log.rows(table, field("month").isin(pa.array(months, pa.string()))), BAR_ROWS)
        return _write(log, table, stored, bars.frame, BAR_ROWS, moment)

    def read(
        self, source: str, symbols: Sequence[str] | None, first: date, last: date, as_of: datetime | None = None
    ) -> DailyBars:
        """Return the stored bars of the source between two sessions, both included; all symbols when None.

        A source that was never stored has no rows (and, for want of a better, raw ones).

        Args:
            as_of: return what was believed at that moment; what is believed now when None.

        Raises:
            StoreCorrupt: a file cannot be read.
            StoreUnavailable: the storage cannot be reached.
        """
        log, wanted = self._bars(source), _sessions(symbols, first, last) & _known_by(as_of)
        table = log.open()
        if table is None:
            return DailyBars(frame=no_rows(), source=source, price_basis=PriceBasis.RAW)
        frame = newest_bars(_coded(log.rows(table, wanted)), AGE)
        return DailyBars(frame=frame, source=source, price_basis=_basis(table))

    def versions(self, source: str, symbol: str, session: date) -> tuple[BarVersion, ...]:
        """Return all that was ever believed of one bar, the oldest first.

        Raises:
            StoreCorrupt: a file cannot be read.
            StoreUnavailable: the storage cannot be reached.
        """
        log = self._bars(source)
        table = log.open()
        if table is None:
            return ()
        rows = _by_age(log.rows(table, _sessions([symbol], session, session)))
        said = rows[[*BAR_ROWS.values, "withdrawn"]]
        told_again = (said.eq(said.shift()) | (said.isna() & said.shift().isna())).all(axis="columns")
        rows = rows[~told_again]  # two writers may have told the same: it was known since the first of them
        return bar_versions(rows.assign(superseded_at=rows["known_at"].shift(-1))[~rows["withdrawn"]])

    def withdraw(self, source: str, actions: Sequence[CorporateAction], known_at: datetime) -> int:
        """Believe these corporate actions no longer, whatever their terms; what is not stored changes nothing.

        Returns:
            How many were believed until then.

        Raises:
            StoreCorrupt: what is stored cannot be read.
            StoreUnavailable: the storage cannot be reached, or refuses.
        """
        log, moment, gone = self._actions(source), utc("known_at", known_at), 0
        for action in actions:
            terms = ActionTerms.of(action)
            wanted = _ex_dates(terms.ex_date, terms.ex_date)
            wanted &= (field("symbol") == terms.symbol) & (field("kind") == terms.kind.value)
            gone += _withdraw(log, wanted, ACTION_ROWS, moment)
        return gone

    def upsert_actions(self, source: str, actions: Sequence[CorporateAction], known_at: datetime) -> None:
        """Keep corporate actions durably, one per symbol, ex-date and kind; the newest word counts.

        Raises:
            InvalidValue: `known_at` has no time zone.
            StoreCorrupt: what is stored cannot be read.
            StoreUnavailable: the storage cannot be reached, or refuses.
        """
        log, moment = self._actions(source), utc("known_at", known_at)
        if not actions:
            return
        table = log.open() or log.create({})
        stored = _latest(log.rows(table, pyarrow.compute.scalar(True)), ACTION_ROWS)
        _write(log, table, stored, action_rows(actions), ACTION_ROWS, moment)

    def actions(
        self, source: str, first: date, last: date, as_of: datetime | None = None
    ) -> tuple[CorporateAction, ...]:
        """Return the corporate actions with ex-dates between two days, both included, by ex-date and symbol.

        Args:
            as_of: return what was believed at that moment; what is believed now when None.

        Raises:
            StoreCorrupt: a file cannot be read.
            StoreUnavailable: the storage cannot be reached.
        """
        log, wanted = self._actions(source), _ex_dates(first, last) & _known_by(as_of)
        table = log.open()
        return () if table is None else known_actions(log.rows(table, wanted), AGE)

    def compact(self, source: str, keep: timedelta = KEPT) -> None:
        """Join the small files that writing leaves; no row and no version is lost.

        Args:
            keep: files that were joined stay for so long, for those who are reading them.

        Raises:
            StoreUnavailable: it could not be done; what is stored is as it was.
        """
        self._bars(source).compact(keep)
        self._actions(source).compact(keep)

    def _bars(self, source: str) -> AppendedTable:
        name = f"{require_source_name(source)}/bars"
        return AppendedTable(place=self._place, name=name, schema=BAR_LOG, partition_by=("month",))

    def _actions(self, source: str) -> AppendedTable:
        return AppendedTable(place=self._place, name=f"{require_source_name(source)}/actions", schema=ACTION_LOG)


def _write(
    log: AppendedTable, table: DeltaTable, stored: pd.DataFrame, rows: pd.DataFrame, kind: RowKind, moment: pd.Timestamp
) -> UpsertCount:
    """Add the rows that are new or say something new."""
    gone = stored[stored["withdrawn"]].merge(rows[list(kind.key)], on=list(kind.key))
    believed = stored.loc[~stored["withdrawn"], kind.version]
    done = change(believed, rows, kind, not_before(moment, gone))
    if len(done.fresh):
        _append(log, table, done.fresh.assign(revision=_next_revision(stored), withdrawn=False))
    return done.count


def _withdraw(log: AppendedTable, wanted: pyarrow.compute.Expression, kind: RowKind, moment: pd.Timestamp) -> int:
    table = log.open()
    if table is None:
        return 0
    stored = _latest(log.rows(table, wanted), kind)
    gone = stored[~stored["withdrawn"]]
    if len(gone):
        ended = withdrawn(gone, moment)
        ended = ended.assign(known_at=ended["superseded_at"], revision=_next_revision(stored), withdrawn=True)
        _append(log, table, ended)
    return len(gone)


def _append(log: AppendedTable, table: DeltaTable, rows: pd.DataFrame) -> None:
    if "session" in rows:
        months = rows["session"].to_numpy().astype("datetime64[M]").astype(str)
        rows = rows.assign(month=months, session=rows["session"].dt.date)
    log.append(table, pa.Table.from_pandas(rows, schema=log.schema, preserve_index=False))


def _latest(table: pa.Table, kind: RowKind) -> pd.DataFrame:
    """Return the newest version of each row, whether it is believed or withdrawn."""
    return _by_age(table).drop_duplicates(list(kind.key), keep="last")


def _by_age(table: pa.Table) -> pd.DataFrame:
    if "session" in table.column_names:
        table = _with_stamps(table)
    rows = table.to_pandas().sort_values("revision", kind="stable")
    return rows.sort_values("known_at", kind="stable", na_position="first", ignore_index=True)


def _next_revision(stored: pd.DataFrame) -> int:
    return 1 + max(stored["revision"], default=0)


def _coded(table: pa.Table) -> pa.Table:
    symbols = table.column("symbol").cast(pa.string()).dictionary_encode()
    return _with_stamps(table).set_column(0, "symbol", symbols)


def _with_stamps(table: pa.Table) -> pa.Table:
    return table.set_column(1, "session", table.column("session").cast(BARS.field("session").type))


def _sessions(symbols: Sequence[str] | None, first: date, last: date) -> pyarrow.compute.Expression:
    wanted = (field("month") >= f"{first:%Y-%m}") & (field("month") <= f"{last:%Y-%m}")
    wanted &= (field("session") >= first) & (field("session") <= last)
    return wanted if symbols is None else wanted & field("symbol").isin(pa.array(symbols, pa.string()))


def _ex_dates(first: date, last: date) -> pyarrow.compute.Expression:
    return (field("ex_date") >= first) & (field("ex_date") <= last)


def _known_by(as_of: datetime | None) -> pyarrow.compute.Expression:
    if as_of is None:
        return pyarrow.compute.scalar(True)
    return field("known_at") <= pa.scalar(utc("as_of", as_of), TIME)


def _basis(table: DeltaTable) -> PriceBasis:
    written = table.metadata().configuration.get(BASIS_KEY)
    if written not in set(PriceBasis):
        raise StoreCorrupt(table.table_uri, f"its price basis is {written!r}")
    return PriceBasis(written)
