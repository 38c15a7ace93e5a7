"""Versions of what is stored: what is believed, since when, and what was believed before it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from trading.errors import BarsInvalid, InvalidValue
from trading.market.bars import BAR_COLUMNS, BarVersion, DailyBars, PriceBasis, UpsertCount
from trading.market.corporate_actions import ActionKind, ActionTerms, CorporateAction

NUMBERS = BAR_COLUMNS[2:]
TIME = pa.timestamp("us", tz="UTC")
KNOWN_AT = pa.field("known_at", TIME)  # null: since ever, as the rows of files written before there were versions
SUPERSEDED_AT = pa.field("superseded_at", TIME)
BARS = pa.schema(
    [
        ("symbol", pa.string()),
        ("session", pa.timestamp("us")),
        *((name, pa.float64()) for name in NUMBERS),
        KNOWN_AT,
    ]
)
BARS_CODED = BARS.set(0, pa.field("symbol", pa.dictionary(pa.int32(), pa.string())))
ACTIONS = pa.schema(
    [
        ("symbol", pa.string()),
        ("ex_date", pa.date32()),
        ("kind", pa.string()),
        ("value", pa.string()),  # a Decimal as text: exact, however many digits
        ("currency", pa.string()),
        KNOWN_AT,
    ]
)
IntArray = npt.NDArray[np.intp]
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
SINCE_EVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKind:
    """What rows are named by, in the order in which they are kept, and what they say."""

    key: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def version(self) -> list[str]:
        """Return the columns that tell one version of a row from another."""
        return [*self.key, *self.values, "known_at"]


BAR_ROWS = RowKind(key=("symbol", "session"), values=NUMBERS)
ACTION_ROWS = RowKind(key=("ex_date", "symbol", "kind"), values=("value", "currency"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merge:
    """Stored rows and new ones, side by side.

    Attributes:
        both: the stored rows, then the new ones.
        believed: places of the rows that count, by key.
        replaced: places of stored rows that something else takes the place of.
    """

    both: pd.DataFrame
    believed: IntArray
    replaced: IntArray
    count: UpsertCount


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """What becomes of the stored rows when others are written.

    Attributes:
        believed: all rows that are believed afterwards, by key.
        fresh: those of them that are new or say something new.
        superseded: the rows that are believed no longer, with `superseded_at`.
    """

    believed: pd.DataFrame
    fresh: pd.DataFrame
    superseded: pd.DataFrame
    count: UpsertCount


def merge(stored: pd.DataFrame, rows: pd.DataFrame, kind: RowKind) -> Merge:
    """Let rows take the place of the stored ones of their key; a row that says nothing new takes no place.

    Args:
        rows: one of each key.
    """
    both = pd.concat([stored, rows], ignore_index=True)
    coded, key = _coded(both, kind), list(kind.key)
    is_new = np.arange(len(both)) >= len(stored)
    again = coded.duplicated(key, keep="first").to_numpy() & is_new
    same = coded.duplicated(keep="first").to_numpy() & is_new
    kept = np.flatnonzero(~same)
    is_last = ~coded.iloc[kept].duplicated(key, keep="last").to_numpy()
    last = coded.iloc[kept[is_last]]
    return Merge(
        both=both,
        believed=kept[is_last][np.lexsort([last[name].to_numpy() for name in reversed(key)])],
        replaced=kept[~is_last],
        count=UpsertCount(
            added=int((is_new & ~again).sum()), changed=int((again & ~same).sum()), unchanged=int(same.sum())
        ),
    )


def change(stored: pd.DataFrame, rows: pd.DataFrame, kind: RowKind, known_at: pd.Timestamp) -> Change:
    """Tell what writing the rows at that moment does; a row that is stored as it is stays known since it was.

    No version begins before the one it takes the place of, should the clock have been set back.

    Args:
        stored: the rows that are believed, with `known_at`.
        rows: one of each key, without it.
    """
    merged = merge(stored, dated(rows, known_at), kind)
    superseded = withdrawn(merged.both.take(merged.replaced), known_at)
    merged.both.loc[len(stored) :, "known_at"] = not_before(known_at, superseded)
    return Change(
        believed=merged.both.take(merged.believed),
        fresh=merged.both.take(merged.believed[merged.believed >= len(stored)]),
        superseded=superseded,
        count=merged.count,
    )


def put_aside(earlier: pd.DataFrame, superseded: pd.DataFrame, kind: RowKind) -> pd.DataFrame:
    """Return what was put aside before together with what is now.

    A version that is there already was put aside by a writer that came no further; the later time is the true one.
    """
    both = pd.concat([earlier, superseded], ignore_index=True).drop_duplicates(kind.version, keep="last")
    return both.sort_values([*kind.key, "known_at"], kind="stable", na_position="first", ignore_index=True)


def withdrawn(rows: pd.DataFrame, known_at: pd.Timestamp) -> pd.DataFrame:
    """Return the rows as believed until that moment, or until they came to be known."""
    return rows.assign(superseded_at=stamps(len(rows), not_before(known_at, rows)))


def is_among(rows: pd.DataFrame, actions: Sequence[CorporateAction]) -> pd.Series:
    """Tell of each row whether it is one of these actions, whatever its terms."""
    named = {(terms.symbol, terms.ex_date, terms.kind.value) for terms in map(ActionTerms.of, actions)}
    keys = zip(rows["symbol"], rows["ex_date"], rows["kind"], strict=True)
    return pd.Series([key in named for key in keys], index=rows.index, dtype=bool)


def not_before(moment: pd.Timestamp, rows: pd.DataFrame) -> pd.Timestamp:
    """Return the moment, or the latest at which one of the rows came to be known."""
    latest = rows["known_at"].max()
    return moment if pd.isna(latest) else max(moment, latest)


def dated(rows: pd.DataFrame, known_at: pd.Timestamp) -> pd.DataFrame:
    """Return the rows as known since that moment."""
    return rows.assign(known_at=stamps(len(rows), known_at))


def stamps(count: int, moment: pd.Timestamp) -> pd.arrays.DatetimeArray:
    """Return the moment, so many times."""
    return pd.array([moment], dtype="datetime64[us, UTC]").take(np.zeros(count, np.intp))


def utc(name: str, moment: datetime) -> pd.Timestamp:
    """Return the moment in UTC.

    Raises:
        InvalidValue: it has no time zone, so it could be any.
    """
    if moment.tzinfo is None:
        raise InvalidValue(name, moment.isoformat(), "a time with its time zone, such as 2024-01-02 21:30+00:00")
    return pd.Timestamp(moment.astimezone(UTC)).as_unit("us")


def moment_of(stamp: Any) -> datetime | None:
    """Return a time of a frame as a datetime; None when it tells none."""
    return None if pd.isna(stamp) else pd.Timestamp(stamp).to_pydatetime().astimezone(UTC)


def require_source_name(source: str) -> str:
    """Return the name of a source, or raise InvalidValue when it could not name a folder."""
    if not SOURCE_NAME.fullmatch(source):
        raise InvalidValue("source", source, "letters, digits, blanks and . _ -, as it names a folder")
    return source


def require_single(bars: DailyBars) -> None:
    """Raise BarsInvalid when a symbol has two bars for one session."""
    if bars.frame.duplicated(["symbol", "session"]).any():
        raise BarsInvalid(bars.source, "a symbol has two bars for one session")


def by_month(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the bars of each month with its name, such as 2024-01."""
    months = frame["session"].to_numpy().astype("datetime64[M]")  # a hundred times faster than to format each day
    for month in np.unique(months[~np.isnat(months)]):
        yield str(month), frame[months == month]


def added_up(counts: list[UpsertCount]) -> UpsertCount:
    """Return the counts of the parts of an upsert as one."""
    return UpsertCount(
        added=sum(c.added for c in counts),
        changed=sum(c.changed for c in counts),
        unchanged=sum(c.unchanged for c in counts),
    )


def sorted_bars(table: pa.Table) -> pd.DataFrame:
    """Return the bars of sorted files in one order: symbols need only be brought together, which codes make cheap."""
    return _frame(table, _ranks(table).argsort(kind="stable"))


def newest_bars(table: pa.Table, age: Sequence[str] = ("known_at",), time: str = "session") -> pd.DataFrame:
    """Return bars of any order by symbol and time; of several versions of one bar the newest, if it is believed.

    Args:
        table: with `withdrawn` where a version may say that the bar is believed no longer.
        age: the columns that tell which version is newer, the first one first.
        time: the column of the bar's time.
    """
    ranks, times = _ranks(table), _integers(table, time)
    order = np.lexsort([*(_integers(table, name) for name in reversed(age)), times, ranks])
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = (np.diff(ranks[order]) != 0) | (np.diff(times[order]) != 0)
    if "withdrawn" in table.column_names:
        is_last &= ~table.column("withdrawn").to_numpy()[order]
    return _frame(table, order[is_last])


def bar_versions(rows: pd.DataFrame) -> tuple[BarVersion, ...]:
    """Return the versions of one bar, the oldest first.

    Args:
        rows: of BARS, with `superseded_at`; NaT where it is believed.
    """
    rows = rows.sort_values("superseded_at", kind="stable", na_position="last")
    rows = rows.sort_values("known_at", kind="stable", na_position="first")
    return tuple(
        BarVersion(
            symbol=row.symbol,
            session=row.session.date(),
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
            known_at=moment_of(row.known_at),
            superseded_at=moment_of(row.superseded_at),
        )
        for row in rows.itertuples()
    )


def action_rows(actions: Sequence[CorporateAction]) -> pd.DataFrame:
    """Return the actions as rows of ACTIONS without `known_at`; of several of one key the last."""
    rows = pa.Table.from_pylist([_action_row(a) for a in actions], schema=ACTIONS).to_pandas()
    return rows.drop(columns="known_at").drop_duplicates(list(ACTION_ROWS.key), keep="last")


def known_actions(table: pa.Table, age: Sequence[str] = ("known_at",)) -> tuple[CorporateAction, ...]:
    """Return the actions of rows of ACTIONS by ex-date and symbol; arguments as those of `newest_bars`."""
    by_age = table.take(np.lexsort([_integers(table, name) for name in reversed(age)])).to_pylist()
    newest = {tuple(row[name] for name in ACTION_ROWS.key): row for row in by_age}
    return tuple(_action(newest[key]) for key in sorted(newest) if not newest[key].get("withdrawn"))


def require_basis(stored: PriceBasis | None, bars: DailyBars) -> None:
    """Raise InvalidValue when the source is stored on another price basis."""
    if stored not in (None, bars.price_basis):
        rule = f"{stored}, as all that is stored of {bars.source}; store other prices under another source name"
        raise InvalidValue("price_basis", str(bars.price_basis), rule)


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
        currency=row["currency"] if isinstance(row["currency"], str) else "",
    ).action()


def _coded(rows: pd.DataFrame, kind: RowKind) -> pd.DataFrame:
    """Return key and values with numbers for words, which makes the same comparisons ten times cheaper."""
    columns = {name: rows[name] for name in (*kind.key, *kind.values)}
    columns |= {n: c.dt.tz_localize(None) for n, c in columns.items() if isinstance(c.dtype, pd.DatetimeTZDtype)}
    words = [name for name, column in columns.items() if column.dtype.kind not in "fM"]
    return pd.DataFrame(columns | {name: pd.factorize(columns[name], sort=True)[0] for name in words})


def _symbols(table: pa.Table) -> pa.DictionaryArray:
    coded = table.column("symbol").unify_dictionaries()
    return pa.concat_arrays(coded.chunks or [pa.array([], coded.type)])


def _ranks(table: pa.Table) -> IntArray:
    """Return the place of each row's symbol in the alphabet."""
    symbols = _symbols(table)
    places = symbols.dictionary.to_numpy(zero_copy_only=False).argsort().argsort()
    ranks: IntArray = places[symbols.indices.to_numpy()]
    return ranks


def _frame(table: pa.Table, order: IntArray) -> pd.DataFrame:
    symbols = _symbols(table).take(pa.array(order)).cast(pa.large_string())
    columns = {"symbol": pd.array(symbols, dtype="str")}
    names = [name for name in table.column_names if name in ("session", "bar_start", *NUMBERS)]
    columns |= {name: table.column(name).to_numpy()[order] for name in names}
    return pd.DataFrame(columns, copy=False)


def _integers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    numbers: npt.NDArray[np.int64] = table.column(name).cast(pa.int64()).fill_null(SINCE_EVER).to_numpy()
    return numbers
