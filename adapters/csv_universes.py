"""Reading a universe from a CSV file.

Columns: symbol, first, last; no others. Dates are 2024-01-31; `last` is empty as long as the symbol has not left. A
symbol that came back has a row for each stay.
"""

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from trading.errors import InvalidValue
from trading.market.universes import Membership, Universe

COLUMNS = ["symbol", "first", "last"]


def read_universe(path: Path) -> Universe:
    """Return the universe of a file.

    Raises:
        InvalidValue: names the file, the row (1 is the first below the header) and the column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if reader.fieldnames != COLUMNS:
                raise InvalidValue(f"header of {path}", reader.fieldnames, "symbol,first,last")
            members = tuple(_membership(f"{path} row {n}", row) for n, row in enumerate(reader, start=1))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InvalidValue("universe", str(path), f"a CSV file that can be read ({exc})") from exc
    if not members:
        raise InvalidValue("universe", str(path), "a file with at least one symbol")
    return Universe(memberships=members)


def _membership(where: str, row: Mapping[str | None, str | None]) -> Membership:
    if None in row or None in row.values():
        raise InvalidValue(where, list(row.values()), f"{len(COLUMNS)} values: {', '.join(COLUMNS)}")
    symbol = (row["symbol"] or "").strip()
    if not symbol:
        raise InvalidValue(f"column symbol of {where}", row["symbol"], "given")
    first, last = _day(where, row, "first"), _day(where, row, "last") if row["last"] else None
    if last is not None and last < first:
        raise InvalidValue(f"column last of {where}", str(last), f"not before first, {first}")
    return Membership(symbol=symbol, first=first, last=last)


def _day(where: str, row: Mapping[str | None, str | None], column: str) -> date:
    try:
        return date.fromisoformat(row[column] or "")
    except ValueError as exc:
        raise InvalidValue(f"column {column} of {where}", row[column], "a date such as 2024-01-31") from exc
