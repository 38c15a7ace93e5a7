"""Alpaca's corporate actions: splits, stock dividends and cash dividends, judged entry by entry."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any

from adapters.plain_decimals import plain
from adapters.quoted_rows import day_of, decimal_of
from trading.errors import InvalidValue
from trading.market.corporate_actions import CashDividend, CorporateAction, Split

TYPES = ("forward_split", "reverse_split", "stock_dividend", "cash_dividend")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedActions:
    """What was made of an answer.

    Attributes:
        actions: by symbol, at most one of a kind for one ex-date.
        broken: symbols one of whose entries cannot be used, with what is wrong with it.
    """

    actions: Mapping[str, Sequence[CorporateAction]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


def judged_actions(answers: Iterable[Mapping[str, Any]], first: date, last: date) -> JudgedActions:
    """Return the corporate actions with ex-dates between two days, both included.

    Two dividends of one ex-date, such as a special one, are one payment; two splits are one after the other.

    Args:
        answers: entries by type.

    Raises:
        InvalidValue: an answer does not say of what it is about.

    Source: docs.alpaca.markets/reference/corporateactions-1; the example answers of github.com/alpacahq/alpaca-py,
    tests/data/test_historical_corporate_actions_data.py.
    """
    paid: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    ratios: dict[tuple[str, date], Decimal] = defaultdict(lambda: Decimal(1))
    broken: dict[str, str] = {}
    for kind, symbol, entry in chain.from_iterable(_entries(answer) for answer in answers):
        try:
            ex_date = _ex_date(entry)
            if not first <= ex_date <= last:
                continue
            rate = _rate(entry, "rate") if kind == "cash_dividend" else _new_per_old(kind, entry)
            if kind == "cash_dividend":
                paid[symbol, ex_date] += rate
            else:
                ratios[symbol, ex_date] *= rate
        except InvalidValue as exc:
            broken.setdefault(symbol, f"{kind}: {exc}")
    actions: dict[str, list[CorporateAction]] = defaultdict(list)
    for (symbol, ex_date), ratio in ratios.items():
        actions[symbol].append(Split(symbol=symbol, ex_date=ex_date, new_per_old=ratio))
    for (symbol, ex_date), amount in paid.items():
        actions[symbol].append(CashDividend(symbol=symbol, ex_date=ex_date, amount_per_share=plain(amount)))
    return JudgedActions(actions=actions, broken=broken)


def _entries(answer: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for kind in TYPES:
        entries = answer.get(f"{kind}s", [])
        if not isinstance(entries, list):
            raise InvalidValue(f"{kind}s", entries, "a list")
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("symbol"), str):
                raise InvalidValue(f"{kind}s", entry, "entries with a symbol each")
            yield kind, entry["symbol"], entry


def _ex_date(entry: Mapping[str, Any]) -> date:
    if (day := day_of(entry.get("ex_date"))) is None:
        raise InvalidValue("ex_date", entry.get("ex_date"), "a date")
    return day


def _rate(entry: Mapping[str, Any], name: str) -> Decimal:
    rate = decimal_of(entry.get(name))
    if rate is None or rate <= 0:
        raise InvalidValue(name, entry.get(name), "a number above 0")
    return rate


def _new_per_old(kind: str, entry: Mapping[str, Any]) -> Decimal:
    if kind == "stock_dividend":
        return 1 + _rate(entry, "rate")
    return _rate(entry, "new_rate") / _rate(entry, "old_rate")
