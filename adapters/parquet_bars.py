"""The bar store: one Parquet file per source and month, and what it holds as a source of bars."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.dataset

from adapters.parquet_files import locked, read_metadata, read_whole, write_durably
from adapters.table_bars import TableBars, asked_symbols, no_rows
from trading.errors import BarsInvalid, InvalidValue, StoreCorrupt
from trading.market.bars import BAR_COLUMNS, DailyBars, FetchedBars, PriceBasis, UpsertCount
from trading.market.corporate_actions import ActionKind, ActionTerms, CorporateAction
from trading.market.instruments import Instrument

NUMBERS = BAR_COLUMNS[2:]
BARS = pa.schema(
    [("symbol", pa.string()), ("session", pa.timestamp("us")), *((name, pa.float64()) for name in NUMBERS)]
)
BARS_CODED = BARS.set(0, pa.field("symbol", pa.dictionary(pa.int32(), pa.string())))
ACTIONS = pa.schema(
    [
        ("symbol", pa.string()),
        ("ex_date", pa.date32()),
        ("kind", pa.string()),
        ("value", pa.string()),  # a Decimal as text: exact, however many digits
        ("currency", pa.string()),
    ]
)
BASIS_KEY = b"openbell.price_basis"
BARS_NAME = re.compile(r"\d{4}-\d{2}\.parquet")
ACTIONS_NAME = "actions.parquet"
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


class ParquetBars:
    """A BarStore in a folder: `SOURCE/2024-01.parquet` for bars, `SOURCE/actions.parquet` for corporate actions.

    A month is replaced as a whole or not at all; readers need no lock. Bars of several months are written month by
    month: after a failure, the same upsert again writes what is missing.

    Args:
        root: the folder; made when the first bars are written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def upsert(self, bars: DailyBars) -> UpsertCount:
        """Write the bars durably, replacing rows of the same source, symbol and session.

        A month in which nothing changes is not written.

        Raises:
            InvalidValue: the source is stored on another price basis.
            BarsInvalid: a symbol has two bars for one session.
            StoreCorrupt: a month that has to be merged with cannot be read.
            StoreUnavailable: a month could not be written; it is as it was.
        """
        folder = self._folder(bars.source)
        if bars.frame.duplicated(["symbol", "session"]).any():
            raise BarsInvalid(bars.source, "a symbol has two bars for one session")
        counts = [UpsertCount(added=0, changed=0, unchanged=0)]
        with ExitStack() as first_writer:
            if self._basis(bars.source) is None:  # two first writers must not bring two bases
                first_writer.enter_context(locked(folder, "source"))
            self._require_basis(bars)
            for month, rows in bars.frame.groupby(bars.frame["session"].dt.strftime("%Y-%m"), sort=True):
                with locked(folder, str(month)):
                    counts.append(_merge(folder / f"{month}.parquet", rows, bars.price_basis))
        return UpsertCount(
            added=sum(c.added for c in counts),
            changed=sum(c.changed for c in counts),
            unchanged=sum(c.unchanged for c in counts),
        )

    def read(self, source: str, symbols: Sequence[str] | None, first: date, last: date) -> DailyBars:
        """Return the stored bars of the source between two sessions, both included; all symbols when None.

        A source that was never stored has no rows (and, for want of a better, raw ones).

        Raises:
            StoreCorrupt: a file cannot be read.
        """
        paths = [p for p in self._months(source) if f"{first:%Y-%m}" <= p.stem <= f"{last:%Y-%m}"]
        frame = _read_months(paths, symbols, first, last) if paths else no_rows()
        return DailyBars(frame=frame, source=source, price_basis=self._basis(source) or PriceBasis.RAW)

    def upsert_actions(self, source: str, actions: Sequence[CorporateAction]) -> None:
        """Keep corporate actions durably, one per symbol, ex-date and kind; the newest word counts.

        Raises:
            StoreCorrupt: the file that has to be merged with cannot be read.
            StoreUnavailable: the file could not be written; it is as it was.
        """
        folder = self._folder(source)
        if not actions:
            return
        with locked(folder, "actions"):
            stored = {_key(action): action for action in self._stored_actions(source)}
            merged = stored | {_key(action): action for action in actions}
            if merged != stored:
                rows = [_action_row(merged[key]) for key in sorted(merged)]
                write_durably(pa.Table.from_pylist(rows, schema=ACTIONS), folder / ACTIONS_NAME)

    def actions(self, source: str, first: date, last: date) -> tuple[CorporateAction, ...]:
        """Return the corporate actions with ex-dates between two days, both included, by ex-date and symbol.

        Raises:
            StoreCorrupt: the file cannot be read.
        """
        return tuple(a for a in self._stored_actions(source) if first <= a.ex_date <= last)

    def as_source(self, source: str, instruments: Mapping[str, Instrument]) -> "StoredBars":
        """Return what is stored of a source as a source of bars itself."""
        return StoredBars(self, source, instruments)

    def _folder(self, source: str) -> Path:
        if not SOURCE_NAME.fullmatch(source):
            raise InvalidValue("source", source, "letters, digits, blanks and . _ -, as it names a folder")
        return self._root / source

    def _months(self, source: str) -> list[Path]:
        folder = self._folder(source)
        return sorted(p for p in folder.glob("*.parquet") if BARS_NAME.fullmatch(p.name))

    def _basis(self, source: str) -> PriceBasis | None:
        months = self._months(source)
        return _basis_of(months[-1]) if months else None

    def _require_basis(self, bars: DailyBars) -> None:
        stored = self._basis(bars.source)
        if stored not in (None, bars.price_basis):
            rule = f"{stored}, as all that is stored of {bars.source}; store other prices under another source name"
            raise InvalidValue("price_basis", str(bars.price_basis), rule)

    def _stored_actions(self, source: str) -> list[CorporateAction]:
        path = self._folder(source) / ACTIONS_NAME
        if not path.exists():
            return []
        return [_action(row) for row in read_whole(path, ACTIONS).to_pylist()]


@dataclass(frozen=True, slots=True)
class StoredBars:
    """What the store holds of one source, as a BarSource: for backtests, and when the provider is away."""

    store: ParquetBars
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


def _merge(path: Path, rows: pd.DataFrame, basis: PriceBasis) -> UpsertCount:
    """Write stored and new rows together when they differ; the path's lock is held."""
    stored = read_whole(path, BARS).to_pandas() if path.exists() else no_rows()
    both = pd.concat([stored, rows], ignore_index=True)
    # Numbers instead of names make the same comparisons ten times cheaper.
    codes, _ = pd.factorize(both["symbol"], sort=True)
    coded = both[["session", *NUMBERS]].assign(code=codes)
    again = coded.duplicated(["code", "session"], keep="first").to_numpy()[len(stored) :]
    same = coded.duplicated(keep="first").to_numpy()[len(stored) :]
    count = UpsertCount(added=int((~again).sum()), changed=int((again & ~same).sum()), unchanged=int(same.sum()))
    if count.added or count.changed:
        newest = coded[~coded.duplicated(["code", "session"], keep="last")]
        order = np.lexsort([newest["session"], newest["code"]])
        merged = both.take(newest.index.to_numpy()[order])
        table = pa.Table.from_pandas(merged, schema=BARS, preserve_index=False)
        write_durably(table.replace_schema_metadata({BASIS_KEY: str(basis)}), path)
    return count


def _read_months(paths: Sequence[Path], symbols: Sequence[str] | None, first: date, last: date) -> pd.DataFrame:
    wanted = pyarrow.compute.field("session") >= pd.Timestamp(first)
    wanted &= pyarrow.compute.field("session") <= pd.Timestamp(last)
    if symbols is not None:
        wanted &= pyarrow.compute.field("symbol").isin(pa.array(symbols, pa.string()))
    try:
        # Open files, not paths: a month replaced meanwhile would be opened twice, first the old one, then the new.
        parts = [_checked_format().make_fragment(pa.OSFile(str(path))) for path in paths]
        files = pyarrow.dataset.FileSystemDataset(parts, BARS_CODED, _checked_format())
        return _by_symbol(files.to_table(filter=wanted))
    except (pa.ArrowException, OSError) as exc:
        for path in paths:  # Arrow does not always say which one
            read_whole(path, BARS)
        raise StoreCorrupt(str(paths[0].parent), " ".join(str(exc).split())) from exc


def _checked_format() -> pyarrow.dataset.ParquetFileFormat:
    return pyarrow.dataset.ParquetFileFormat(
        read_options=pyarrow.dataset.ParquetReadOptions(dictionary_columns={"symbol"}),
        default_fragment_scan_options=pyarrow.dataset.ParquetFragmentScanOptions(page_checksum_verification=True),
    )


def _by_symbol(table: pa.Table) -> pd.DataFrame:
    """Return the rows of sorted months in one order: symbols need only be brought together, which codes make cheap."""
    symbols = table.column("symbol").unify_dictionaries().combine_chunks()
    if isinstance(symbols, pa.ChunkedArray):  # no rows at all
        return no_rows()
    names = symbols.dictionary.to_numpy(zero_copy_only=False)
    ranks = names.argsort().argsort()
    order = ranks[symbols.indices.to_numpy()].argsort(kind="stable")
    columns = {"symbol": pd.array(symbols.take(pa.array(order)).cast(pa.large_string()), dtype="str")}
    columns |= {name: table.column(name).to_numpy()[order] for name in ("session", *NUMBERS)}
    return pd.DataFrame(columns, copy=False)


def _basis_of(path: Path) -> PriceBasis:
    written = read_metadata(path, BASIS_KEY)
    if written not in set(PriceBasis):
        raise StoreCorrupt(str(path), f"its price basis is {written!r}")
    return PriceBasis(written)


def _key(action: CorporateAction) -> tuple[date, str, str]:
    return action.ex_date, action.symbol, ActionTerms.of(action).kind.value


def _action_row(action: CorporateAction) -> dict[str, object]:
    terms = ActionTerms.of(action)
    return {
        "symbol": terms.symbol,
        "ex_date": terms.ex_date,
        "kind": terms.kind.value,
        "value": terms.value,
        "currency": terms.currency or None,
    }


def _action(row: Mapping[str, Any]) -> CorporateAction:
    return ActionTerms(
        kind=ActionKind(row["kind"]),
        symbol=row["symbol"],
        ex_date=row["ex_date"],
        value=row["value"],
        currency=row["currency"] or "",
    ).action()
