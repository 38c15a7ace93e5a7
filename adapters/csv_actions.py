"""Reading corporate actions from a CSV file.

Columns: symbol (or file_symbol), ex_date, type; others are ignored. By type these are read: `dividend` and
`cash_merger`: cash_per_share; `split`: split_ratio_new_per_old; `rename`: new_symbol; `delisting` and `relisting`:
nothing more. A row without an ex_date is skipped: its symbol was not traded any more. Several dividends of a symbol on
one ex-date are added up, several splits multiplied.
"""

import csv
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

from trading.errors import BarsInvalid, InvalidValue
from trading.market.corporate_actions import (
    ActionKind,
    ActionTerms,
    CashDividend,
    CashMerger,
    CorporateAction,
    Delisting,
    Relisting,
    Rename,
    Split,
)

LARGEST_TERM = 20
NOISE = Fraction(1, 5_000)


def read_actions(path: Path, currency: str) -> tuple[CorporateAction, ...]:
    """Return the actions of a file by ex-date and symbol.

    Raises:
        BarsInvalid: names the file, the row and what is wrong with it.
    """
    actions: dict[tuple[date, str, type], CorporateAction] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), start=1):
                if row.get("ex_date"):
                    action = _action(f"{path} row {number}", row, currency)
                    key = (action.ex_date, action.symbol, type(action))
                    actions[key] = _together(actions[key], action) if key in actions else action
                elif "ex_date" not in row:
                    raise BarsInvalid(str(path), "it has no column ex_date, so no corporate actions")
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise BarsInvalid(str(path), f"it cannot be read, {exc}") from exc
    return tuple(actions[key] for key in sorted(actions, key=lambda k: (k[0], k[1], k[2].__name__)))


def _action(where: str, row: Mapping[str, str | None], currency: str) -> CorporateAction:
    symbol = (row.get("symbol") or row.get("file_symbol") or "").strip()
    if not symbol:
        raise BarsInvalid(where, "column symbol is empty")
    try:
        ex_date = date.fromisoformat(row["ex_date"] or "")
    except ValueError as exc:
        raise BarsInvalid(where, f"column ex_date: {row['ex_date']!r} is not a date such as 2024-01-31") from exc
    try:
        match (row.get("type") or "").strip().lower():
            case "dividend":
                amount = _number(where, row, "cash_per_share")
                return CashDividend(symbol=symbol, ex_date=ex_date, amount_per_share=amount, currency=currency)
            case "split":
                ratio = simple_ratio(_number(where, row, "split_ratio_new_per_old"))
                return Split(symbol=symbol, ex_date=ex_date, new_per_old=ratio)
            case "cash_merger":
                amount = _number(where, row, "cash_per_share")
                return CashMerger(symbol=symbol, ex_date=ex_date, amount_per_share=amount, currency=currency)
            case "rename":
                return Rename(symbol=symbol, ex_date=ex_date, new_symbol=(row.get("new_symbol") or "").strip())
            case "delisting":
                return Delisting(symbol=symbol, ex_date=ex_date)
            case "relisting":
                return Relisting(symbol=symbol, ex_date=ex_date)
    except InvalidValue as exc:
        raise BarsInvalid(where, str(exc)) from exc
    raise BarsInvalid(where, f"column type: {row.get('type')!r} is none of {', '.join(ActionKind)}")


def _number(where: str, row: Mapping[str, str | None], column: str) -> Decimal:
    try:
        number = Decimal((row.get(column) or "").strip())
    except InvalidOperation as exc:
        raise BarsInvalid(where, f"column {column}: {row.get(column)!r} is not a number") from exc
    if not number.is_finite():
        raise BarsInvalid(where, f"column {column}: {row.get(column)!r} is not finite")
    return number


def _together(one: CorporateAction, other: CorporateAction) -> CorporateAction:
    if isinstance(one, Split) and isinstance(other, Split):
        return Split(symbol=one.symbol, ex_date=one.ex_date, new_per_old=one.new_per_old * other.new_per_old)
    if isinstance(one, CashDividend) and isinstance(other, CashDividend):
        paid = one.amount_per_share + other.amount_per_share
        return CashDividend(symbol=one.symbol, ex_date=one.ex_date, amount_per_share=paid, currency=one.currency)
    if one == other:
        return one
    raise InvalidValue(f"{ActionTerms.of(one).kind} of {one.symbol} on {one.ex_date}", other, f"the same twice: {one}")


def simple_ratio(written: Decimal) -> Decimal:
    """Return the split ratio that a noisy number stands for; 6.999997 gives 7, 0.3333 one third, 1.0027 itself.

    Ratios derived from prices carry noise. The number becomes the nearest fraction whose smaller term is at most
    LARGEST_TERM, when that lies within NOISE of it; else it stays as it was written.
    """
    if not written > 0:
        return written
    exact = Fraction(written)
    larger_first = exact if exact >= 1 else 1 / exact
    simple = larger_first.limit_denominator(LARGEST_TERM)
    if abs(simple / larger_first - 1) > NOISE:
        return written
    simple = simple if exact >= 1 else 1 / simple
    return Decimal(simple.numerator) / Decimal(simple.denominator)
