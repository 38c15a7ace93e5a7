"""Books kept by hand from the rows of a ledger: no code of the desk has a part in this arithmetic."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

STARTING_CASH = Decimal(1_000_000)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; `qty` is negative when sold."""

    at: datetime
    cl_ord_id: str
    symbol: str
    qty: Decimal
    px: Decimal
    commission: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What the desk says that the account was worth after a session."""

    session: date
    at: datetime
    equity: Decimal
    cash: Decimal
    breaks: list[object]


def query(home: Path, sql: str, *values: str) -> list[tuple[str, ...]]:
    """Return rows of the ledger as the database file holds them."""
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        return list(database.execute(sql, values))


def fills(home: Path, account: str) -> list[Fill]:
    sql = """SELECT transact_time, cl_ord_id, symbol, side, last_qty, last_px, commission FROM execution_report
             WHERE account = ? AND exec_type = 'trade' ORDER BY transact_time, id"""
    return [
        Fill(
            at=utc(at),
            cl_ord_id=cl_ord_id,
            symbol=symbol,
            qty=Decimal(qty) * {"buy": 1, "sell": -1}[side],
            px=Decimal(px),
            commission=Decimal(commission),
        )
        for at, cl_ord_id, symbol, side, qty, px, commission in query(home, sql, account)
    ]


def worths(home: Path, account: str) -> list[Worth]:
    """Return the last reconciliation of each session."""
    sql = "SELECT session, reconciled_at, equity, cash, breaks FROM reconciliation WHERE account = ? ORDER BY id"
    last = {row[0]: row for row in query(home, sql, account)}
    return [
        Worth(
            session=date.fromisoformat(session),
            at=utc(at),
            equity=Decimal(equity),
            cash=Decimal(cash),
            breaks=json.loads(breaks),
        )
        for session, at, equity, cash, breaks in (last[session] for session in sorted(last))
    ]


def row_counts(home: Path) -> Mapping[str, int]:
    """Return how many rows each table has, less those that say only that something was looked at again."""
    names = [name for (name,) in query(home, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    looked = {"reconciliation", "lease", "sqlite_sequence", "alembic_version"}
    return {name: int(query(home, f"SELECT count(*) FROM {name}")[0][0]) for name in names if name not in looked}


def held_after(traded: Iterable[Fill], splits: Mapping[tuple[str, datetime], int] | None = None) -> Counter[str]:
    """Return shares by symbol; a split multiplies what was bought before it."""
    held: Counter[str] = Counter()
    for fill in traded:
        later = [ratio for (symbol, at), ratio in (splits or {}).items() if symbol == fill.symbol and fill.at < at]
        factor = 1
        for ratio in later:
            factor *= ratio
        held[fill.symbol] += int(fill.qty) * factor
    return +held


def cash_after(traded: Iterable[Fill]) -> Decimal:
    return STARTING_CASH - sum((fill.qty * fill.px + fill.commission for fill in traded), Decimal(0))


def value_of(held: Mapping[str, int], close_of: Callable[[str], Decimal]) -> Decimal:
    return sum((qty * close_of(symbol) for symbol, qty in held.items()), Decimal(0))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text if "+" in text else f"{text}+00:00")


def to_cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT)
