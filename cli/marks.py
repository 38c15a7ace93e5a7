"""Marks: the last stored close of what an account holds."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.parquet_bars import ParquetBars

if TYPE_CHECKING:
    from blocks.desk import Ledger


def last_marks(ledger: "Ledger", home: Path, account: str, symbols: Iterable[str]) -> dict[str, Decimal]:
    """Return the last stored close by symbol, from the source that the account's last decision was made from."""
    decision = ledger.journal.last_decision(account)
    wanted = sorted(symbols)
    if decision is None or not wanted:
        return {}
    since: date = decision["first_session"]
    frame = ParquetBars(home / "bars").read(decision["source"], wanted, since, date.max).frame
    closes = frame.dropna(subset=["close"]).groupby("symbol")["close"].last()
    return {str(symbol): Decimal(repr(round(float(close), 4))) for symbol, close in closes.items()}
