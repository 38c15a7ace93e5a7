"""Reading files of daily bars: forgiving about the names of columns, strict about what stands in them.

Accepted names, in any case: date, session, datetime, day, timestamp; open, high, low, close; volume, vol; symbol,
ticker. Only date and close must be there; other columns (Adj Close, Dividends) are ignored. Dates are 2024-01-31 or
20240131, with or without a midnight and an offset behind; other ways of writing a date are ambiguous and refused.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from trading.errors import BarsInvalid
from trading.market.bars import BAR_COLUMNS, PRICE_COLUMNS, SESSION_DTYPE, bars_frame

ACCEPTED: Mapping[str, str] = {
    **{name: name for name in BAR_COLUMNS},
    "ticker": "symbol",
    "date": "session",
    "datetime": "session",
    "day": "session",
    "timestamp": "session",
    "vol": "volume",
}
TEXT_COLUMNS = ("symbol", "session")
WRITTEN_DATE = r"^(\d{4})-?(\d{2})-?(\d{2})(?:[ T](.*))?$"
MIDNIGHT = r"00:00(?::00(?:\.0+)?)?(?:Z| ?[+-]\d\d:?\d\d)?"


def read_bars(path: Path, *, symbol: str | None) -> pd.DataFrame:
    """Return the bars of one file as DailyBars holds them, sorted by symbol and session.

    Args:
        symbol: whose bars they are; None when the file has a column that says so.

    Raises:
        BarsInvalid: names the file, and the row (1 is the first below the header) and column where there is one.
    """
    try:
        table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as exc:
        raise BarsInvalid(str(path), f"it cannot be read, {' '.join(str(exc).split())}") from exc
    if symbol is not None:
        table["symbol"] = symbol
    for name in ("symbol", "session", "close"):
        if name not in table:
            names = sorted(written for written, meant in ACCEPTED.items() if meant == name)
            raise BarsInvalid(str(path), f"it has no column {' or '.join(names)}")
    columns = {"symbol": _symbols(path, table["symbol"]), "session": _sessions(path, table["session"])}
    columns |= {n: _numbers(path, table[n]) for n in (*PRICE_COLUMNS, "volume") if n in table}
    return bars_frame(pd.DataFrame(columns))


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    meant = _meaning(path, header)
    types = {written: pa.string() for written, name in meant.items() if name in TEXT_COLUMNS}
    options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(meant))
    row_numbers = pyarrow.csv.ReadOptions(use_threads=False)  # only then do parse errors name the row
    table = pyarrow.csv.read_csv(path, read_options=row_numbers, convert_options=options)
    return table.to_pandas().rename(columns=meant)


def _read_parquet(path: Path) -> pd.DataFrame:
    meant = _meaning(path, pyarrow.parquet.read_schema(path).names)
    table = pyarrow.parquet.read_table(path, columns=list(meant))
    return table.to_pandas(ignore_metadata=True).rename(columns=meant)  # a column that pandas kept as index, too


def _meaning(path: Path, header: list[str]) -> dict[str, str]:
    """Return the columns that matter, each with the name it has here."""
    if not header:
        raise BarsInvalid(str(path), "it is empty")
    meant = {written: ACCEPTED[key] for written in header if (key := written.strip().lower()) in ACCEPTED}
    for name in meant.values():
        rivals = [written for written in header if meant.get(written) == name]
        if len(rivals) > 1:
            raise BarsInvalid(str(path), f"columns {' and '.join(rivals)} both mean {name}")
    if "close" not in meant.values():
        raise BarsInvalid(str(path), f"it has no column close, only {', '.join(header)}")
    return meant


def _symbols(path: Path, written: pd.Series) -> pd.Series:
    symbols = written.astype("str").str.strip()
    _refuse(path, written, (symbols.isna() | (symbols == "")).to_numpy(), "a symbol")
    return symbols


def _sessions(path: Path, written: pd.Series) -> pd.Series:
    codes, values = pd.factorize(written.astype("str"), use_na_sentinel=False)  # a day stands there for every symbol
    parts = pd.Series(values, dtype="str").str.extract(WRITTEN_DATE)
    days = pd.to_datetime(parts[0] + "-" + parts[1] + "-" + parts[2], format="%Y-%m-%d", errors="coerce")
    _refuse(path, written, days.isna().to_numpy()[codes], "a date such as 2024-01-31")
    daily = parts[3].isna() | parts[3].str.fullmatch(MIDNIGHT).eq(True)
    _refuse(path, written, ~daily.to_numpy()[codes], "a day without a time, as daily bars have")
    return pd.Series(days.astype(SESSION_DTYPE).to_numpy()[codes])


def _numbers(path: Path, written: pd.Series) -> pd.Series:
    if is_bool_dtype(written) or not is_numeric_dtype(written):
        numbers = pd.to_numeric(written.astype("str"), errors="coerce")
    else:
        numbers = written
    _refuse(path, written, (numbers.isna() & written.notna()).to_numpy(), "a number")
    return numbers.astype("float64")


def _refuse(path: Path, written: pd.Series, wrong: npt.NDArray[np.bool_], rule: str) -> None:
    if wrong.any():
        at = int(wrong.argmax())
        raise BarsInvalid(str(path), f"row {at + 1}, column {written.name}: {written.iloc[at]!r} is not {rule}")
