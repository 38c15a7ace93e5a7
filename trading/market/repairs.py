"""What a person says of bars: quarantined, repaired, found true; by name and reason, and nothing is overwritten."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np
import pandas as pd

from trading.errors import InvalidValue
from trading.market.bars import DailyBars, FetchedBars, bars_frame
from trading.market.corporate_actions import CashDividend, CorporateAction, Split
from trading.market.quality import Finding, FindingSeverity, Rule


class BarField(StrEnum):
    """What of a symbol's session can be repaired: its bar, or what happened on that ex-date."""

    OPEN = "open"
    HIGH = "high"
    LOW = "low"
    CLOSE = "close"
    VOLUME = "volume"
    DIVIDEND = "dividend"  # per share; 0 says that there is none
    SPLIT = "split"  # new shares for one old; 1 says that there is none


# What may be true of a market though it looks wrong. No word of a person makes two bars of one, or a price below 0.
ACCEPTABLE = frozenset(
    {
        Rule.STALE,
        Rule.MISSING_SESSION,
        Rule.OHLC_INCOHERENT,
        Rule.UNIT_ERROR,
        Rule.SPLIT_NOT_APPLIED,
        Rule.JUMP,
        Rule.RESTATED,
        Rule.DIVIDEND_DOUBTFUL,
        Rule.FROZEN,
        Rule.REPEATED_BAR,
        Rule.VOLUME_ANOMALY,
        Rule.ROUNDED,
        Rule.DISAGREEMENT,
    }
)
_OF_ACTION = (BarField.DIVIDEND, BarField.SPLIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One value of one session, as a person knows it to be.

    Attributes:
        before: what the source gave, None where it gave nothing; for the record.
        after: what it is: > 0, a volume and a dividend also 0.
        actor: who says so.
    """

    source: str
    symbol: str
    session: date
    field: BarField
    before: Decimal | None
    after: Decimal
    actor: str
    reason: str
    repaired_at: datetime

    def __post_init__(self) -> None:
        zero = self.field in (BarField.VOLUME, BarField.DIVIDEND)
        if not math.isfinite(self.after) or self.after < 0 or (self.after == 0 and not zero):
            rule = "finite and 0 or more" if zero else "finite and greater than 0"
            raise InvalidValue(f"{self.field} of {self.symbol} on {self.session}", self.after, rule)

    @property
    def says_none(self) -> bool:
        """Tell whether it says that there was no such corporate action."""
        return self.after == {BarField.DIVIDEND: 0, BarField.SPLIT: 1}.get(self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolHold:
    """A person's quarantine of a symbol, or its end; the last one of a symbol counts."""

    source: str
    symbol: str
    held: bool
    actor: str
    reason: str
    changed_at: datetime

    def finding(self) -> Finding:
        """Return why the symbol is in quarantine."""
        return Finding(
            rule=Rule.HELD_BACK,
            severity=FindingSeverity.CRITICAL,
            symbol=self.symbol,
            session=None,
            value=self.actor,
            limit="released",
            text=f"{self.symbol}: HELD_BACK by {self.actor} since {self.changed_at:%Y-%m-%d %H:%M} UTC: {self.reason}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A person's word that what breaks a rule is true: of one symbol, in the sessions from `first` to `last`."""

    source: str
    symbol: str
    rule: Rule
    first: date
    last: date
    actor: str
    reason: str
    accepted_at: datetime

    def covers(self, rule: str, symbol: str, session: date | None) -> bool:
        """Tell whether it is about that rule, broken by that symbol on that session."""
        return (rule, symbol) == (self.rule, self.symbol) and session is not None and self.first <= session <= self.last


def accepted_rows(
    rule: Rule, symbols: Sequence[str], codes: np.ndarray, sessions: np.ndarray, acceptances: Iterable[Acceptance]
) -> np.ndarray:
    """Return which rows a person has found true under that rule; bool, one for each row.

    Args:
        symbols: the symbols that `codes` count.
        codes: for each row the place of its symbol.
        sessions: for each row its session, datetime64.
    """
    accepted = np.zeros(len(codes), dtype=np.bool_)
    for word in acceptances:
        if word.rule is rule and word.symbol in symbols:
            days = (sessions >= np.datetime64(word.first)) & (sessions <= np.datetime64(word.last))
            accepted |= days & (codes == symbols.index(word.symbol))
    return accepted


def is_true(finding: Finding, acceptances: Iterable[Acceptance]) -> bool:
    """Tell whether a person has found that true."""
    return any(word.covers(finding.rule, finding.symbol, finding.session) for word in acceptances)


def softened(finding: Finding, acceptances: Iterable[Acceptance]) -> Finding:
    """Return a finding that a person has found true as a warning that says so, any other as it is."""
    for word in acceptances:
        if word.covers(finding.rule, finding.symbol, finding.session):
            text = f"{finding.text}; found true by {word.actor}: {word.reason}"
            return replace(finding, severity=FindingSeverity.WARNING, text=text)
    return finding


def repaired(fetched: FetchedBars, repairs: Iterable[Repair], last: date) -> FetchedBars:
    """Return what was fetched with the repairs worked in; of two for one value the later one counts.

    A repaired session has one bar, however many the source gave: its values, the first of the source's where there is
    no repair. A session that the source left out is added when its close is repaired. Sessions before the symbol's
    first bar, and after `last`, are left alone, and so is a symbol without any bar.
    """
    newest: dict[tuple[str, date], dict[BarField, Decimal]] = {}
    for repair in repairs:
        newest.setdefault((repair.symbol, repair.session), {})[repair.field] = repair.after
    bars = {key: only for key, values in newest.items() if (only := _of_bar(values))}
    frame = _repaired_frame(fetched.bars.frame, bars, last)
    return replace(
        fetched,
        bars=DailyBars(frame=frame, source=fetched.bars.source, price_basis=fetched.bars.price_basis),
        actions=_repaired_actions(fetched.actions, newest, frame, last),
    )


def withdrawn_by(repairs: Iterable[Repair]) -> tuple[CorporateAction, ...]:
    """Return the actions that were none, by the last word on each; their terms mean nothing."""
    last = {(r.symbol, r.session, r.field): r for r in repairs if r.field in _OF_ACTION}
    return tuple(
        Split(symbol=repair.symbol, ex_date=repair.session, new_per_old=Decimal(1))
        if repair.field is BarField.SPLIT
        else CashDividend(symbol=repair.symbol, ex_date=repair.session, amount_per_share=Decimal(1))
        for repair in last.values()
        if repair.says_none
    )


def _of_bar(values: Mapping[BarField, Decimal]) -> dict[BarField, Decimal]:
    return {field: value for field, value in values.items() if field not in _OF_ACTION}


def _repaired_frame(
    frame: pd.DataFrame, bars: Mapping[tuple[str, date], Mapping[BarField, Decimal]], last: date
) -> pd.DataFrame:
    begins = frame.groupby("symbol")["session"].min()
    made, replaced = [], np.zeros(len(frame), dtype=np.bool_)
    for (symbol, session), values in bars.items():
        if symbol not in begins.index or not begins[symbol].date() <= session <= last:
            continue
        same = (frame["symbol"] == symbol).to_numpy() & (frame["session"] == pd.Timestamp(session)).to_numpy()
        if not same.any() and BarField.CLOSE not in values:
            continue
        row = frame[same].iloc[0].to_dict() if same.any() else {"symbol": symbol, "session": pd.Timestamp(session)}
        made.append(row | {field.value: float(value) for field, value in values.items()})
        replaced |= same
    if not made:
        return frame
    return bars_frame(pd.concat([frame[~replaced], pd.DataFrame(made)], ignore_index=True))


def _repaired_actions(
    actions: Sequence[CorporateAction],
    newest: Mapping[tuple[str, date], Mapping[BarField, Decimal]],
    frame: pd.DataFrame,
    last: date,
) -> tuple[CorporateAction, ...]:
    begins = frame.groupby("symbol")["session"].min()
    known = {
        (symbol, day): values
        for (symbol, day), values in newest.items()
        if symbol in begins.index and begins[symbol].date() <= day <= last
    }
    kept = [a for a in actions if _field_of(a) not in known.get((a.symbol, a.ex_date), {})]
    currencies = {a.symbol: a.currency for a in actions if isinstance(a, CashDividend)}
    made: list[CorporateAction] = []
    for (symbol, day), values in known.items():
        ratio, paid = values.get(BarField.SPLIT, Decimal(1)), values.get(BarField.DIVIDEND, Decimal(0))
        if ratio != 1:
            made.append(Split(symbol=symbol, ex_date=day, new_per_old=ratio))
        if paid:
            currency = currencies.get(symbol, "USD")
            made.append(CashDividend(symbol=symbol, ex_date=day, amount_per_share=paid, currency=currency))
    return tuple(sorted([*kept, *made], key=lambda a: (a.ex_date, a.symbol)))


def _field_of(action: CorporateAction) -> BarField | None:
    match action:
        case Split():
            return BarField.SPLIT
        case CashDividend():
            return BarField.DIVIDEND
        case _:
            return None
