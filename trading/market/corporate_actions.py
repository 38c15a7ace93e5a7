"""Corporate actions: what happens to a share other than its price."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from trading.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split or consolidation.

    Attributes:
        ex_date: first session traded in new shares.
        new_per_old: new shares for one old share, > 0; 7 is seven-for-one, 0.05 is one-for-twenty.
    """

    symbol: str
    ex_date: date
    new_per_old: Decimal

    def __post_init__(self) -> None:
        if not (math.isfinite(self.new_per_old) and self.new_per_old > 0):
            raise InvalidValue(f"new_per_old of {self.symbol}", self.new_per_old, "finite and greater than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CashDividend:
    """A dividend in cash.

    Attributes:
        ex_date: first session traded without the right to it.
        amount_per_share: in `currency`, per share as of the session before the ex-date, > 0.
    """

    symbol: str
    ex_date: date
    amount_per_share: Decimal
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount_per_share) and self.amount_per_share > 0):
            raise InvalidValue(f"amount_per_share of {self.symbol}", self.amount_per_share, "finite and greater than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A company takes another symbol; its shares stay what they are.

    Attributes:
        symbol: the old one.
        ex_date: first session traded under the new one.
    """

    symbol: str
    ex_date: date
    new_symbol: str

    def __post_init__(self) -> None:
        if not self.new_symbol.strip() or self.new_symbol == self.symbol:
            raise InvalidValue(f"new_symbol of {self.symbol}", self.new_symbol, "another symbol")


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMerger:
    """A share becomes cash and is no more: a company is bought, or wound up.

    Attributes:
        ex_date: first session on which the share is not traded any more.
        amount_per_share: in `currency`, >= 0; 0 where the holders get nothing.
    """

    symbol: str
    ex_date: date
    amount_per_share: Decimal
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount_per_share) and self.amount_per_share >= 0):
            raise InvalidValue(f"amount_per_share of {self.symbol}", self.amount_per_share, "finite and 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delisting:
    """A share is traded on the exchange no more, and is held on; `ex_date` is the first session without it."""

    symbol: str
    ex_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Relisting:
    """A symbol is given to another company; what was traded under it before `ex_date` has nothing to do with it."""

    symbol: str
    ex_date: date


CorporateAction = Split | CashDividend | Rename | CashMerger | Delisting | Relisting


class ActionKind(StrEnum):
    """What a corporate action is, as it is written down; these words never change their meaning."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    RENAME = "rename"
    CASH_MERGER = "cash_merger"
    DELISTING = "delisting"
    RELISTING = "relisting"


_KINDS = {
    Split: ActionKind.SPLIT,
    CashDividend: ActionKind.DIVIDEND,
    Rename: ActionKind.RENAME,
    CashMerger: ActionKind.CASH_MERGER,
    Delisting: ActionKind.DELISTING,
    Relisting: ActionKind.RELISTING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveAction:
    """A corporate action with the time it takes effect: the open of its ex-date, UTC."""

    action: CorporateAction
    effective_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTerms:
    """A corporate action as it is written down, whatever its kind.

    Attributes:
        value: ratio, amount or new symbol; empty where the kind says all.
    """

    kind: ActionKind
    symbol: str
    ex_date: date
    value: str = ""
    currency: str = ""

    @classmethod
    def of(cls, action: CorporateAction) -> "ActionTerms":
        """Return the terms of an action."""
        value, currency = "", ""
        match action:
            case Split():
                value = str(action.new_per_old)
            case CashDividend() | CashMerger():
                value, currency = str(action.amount_per_share), action.currency
            case Rename():
                value = action.new_symbol
        return cls(
            kind=_KINDS[type(action)], symbol=action.symbol, ex_date=action.ex_date, value=value, currency=currency
        )

    def action(self) -> CorporateAction:
        """Return the action of these terms."""
        symbol, ex_date, currency = self.symbol, self.ex_date, self.currency or "USD"
        match self.kind:
            case ActionKind.SPLIT:
                return Split(symbol=symbol, ex_date=ex_date, new_per_old=Decimal(self.value))
            case ActionKind.DIVIDEND:
                paid = Decimal(self.value)
                return CashDividend(symbol=symbol, ex_date=ex_date, amount_per_share=paid, currency=currency)
            case ActionKind.RENAME:
                return Rename(symbol=symbol, ex_date=ex_date, new_symbol=self.value)
            case ActionKind.CASH_MERGER:
                paid = Decimal(self.value)
                return CashMerger(symbol=symbol, ex_date=ex_date, amount_per_share=paid, currency=currency)
            case ActionKind.DELISTING:
                return Delisting(symbol=symbol, ex_date=ex_date)
            case ActionKind.RELISTING:
                return Relisting(symbol=symbol, ex_date=ex_date)


def with_new_names(symbols: Iterable[str], actions: Iterable[CorporateAction]) -> frozenset[str]:
    """Return the symbols with those that their companies took later."""
    names = set(symbols)
    for action in sorted(actions, key=lambda a: a.ex_date):
        if isinstance(action, Rename) and action.symbol in names:
            names.add(action.new_symbol)
    return frozenset(names)


def with_old_names(symbols: Iterable[str], actions: Iterable[CorporateAction]) -> frozenset[str]:
    """Return the symbols with those that their companies had before."""
    names = set(symbols)
    for action in sorted(actions, key=lambda a: a.ex_date, reverse=True):
        if isinstance(action, Rename) and action.new_symbol in names:
            names.add(action.symbol)
    return frozenset(names)


def no_longer_traded(actions: Iterable[CorporateAction]) -> dict[str, str]:
    """Return the symbols that nobody trades after these actions, each with why; one given to another is traded."""
    ended: dict[str, str] = {}
    for action in sorted(actions, key=lambda a: (a.ex_date, isinstance(a, Relisting | Rename))):
        match action:
            case Relisting():
                ended.pop(action.symbol, None)
            case Rename():
                ended.pop(action.new_symbol, None)
                ended[action.symbol] = f"it is {action.new_symbol} since {action.ex_date}"
            case CashMerger():
                ended[action.symbol] = f"it became cash on {action.ex_date}"
            case Delisting():
                ended[action.symbol] = f"it is not traded since {action.ex_date}"
    return ended


def changes_position(action: CorporateAction) -> bool:
    """Tell whether what is held is another quantity, or under another symbol, after it."""
    return isinstance(action, Split | Rename | CashMerger)


def ends_open_orders(action: CorporateAction) -> bool:
    """Tell whether an order of before is void: its price and quantity are of a share that is not there any more."""
    return isinstance(action, Split | Rename | CashMerger | Delisting)
