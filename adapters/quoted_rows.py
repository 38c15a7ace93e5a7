"""Rows as a provider quotes them, judged value by value: bars and corporate actions, or what is wrong with them."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pandas as pd
from pydantic import SecretStr

from adapters.json_api import without_key
from adapters.plain_decimals import plain
from adapters.table_bars import asked_symbols, no_rows
from adapters.yahoo_bars import GIVE_UP_AFTER
from trading.errors import BarsInvalid, InvalidValue, SourceUnavailable
from trading.market.bars import (
    ANNOUNCED_AHEAD,
    PRICE_COLUMNS,
    DailyBars,
    FetchedBars,
    FetchOutcome,
    FetchStatus,
    PriceBasis,
    bars_frame,
)
from trading.market.corporate_actions import CashDividend, CorporateAction, Split

BAR_FIELDS = (*PRICE_COLUMNS, "volume")
SHOWN = 200  # characters of a foreign value in our texts
ROUNDED_FROM = 4  # digits after the point; a ratio that was quoted with fewer was not rounded
LARGEST_OLD = 30  # old shares in a ratio, beyond which a ratio of whole shares is no better guess than the quoted one
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedRows:
    """What a provider quotes for one symbol, raw prices as traded; nothing of it is trusted yet.

    Whether a price makes sense is left to the checks of bars; here it only has to be a number.

    Attributes:
        currency: ISO 4217 code of the dividends.
        key: hidden wherever a quoted value holds it.
        rows: in any order: the day, and by name the BAR_FIELDS, `dividend` (cash per share as it was paid, 0 for none)
            and `split` (new shares for one old, 1 for none), each with whatever the JSON held.
        events: corporate actions that came apart from the bars: the day, `dividend` and `split` as above, and where it
            was told the `currency` of the dividend; several may be of one day. None where `rows` hold them.
    """

    source: str
    symbol: str
    currency: str
    key: SecretStr
    rows: Sequence[tuple[object, Mapping[str, object]]]
    events: Sequence[tuple[object, Mapping[str, object]]] | None = None

    def reach_back_to(self, first: date) -> bool:
        """Tell whether some row is of that day or an earlier one."""
        return any(isinstance(day, str) and day <= first.isoformat() for day, _ in self.rows)

    def judged(self, first: date, last: date) -> tuple[pd.DataFrame, list[CorporateAction]]:
        """Return the bars of the range, and the corporate actions of it and of the ANNOUNCED_AHEAD after it.

        Raises:
            BarsInvalid: a row of that time is not in order, or a row has no day. A field is asked for only where it
                counts, so that one bad value of the past does not spoil what came later.
        """
        until = actions_until(last)
        rows = self._by_day(first, until)
        bars = [self._bar(day, values) for day, values in rows if day <= last]
        frame = bars_frame(pd.DataFrame(bars)) if bars else no_rows()
        events = rows if self.events is None else self._within(self.events, first, until)
        return frame, self._summed([action for day, values in events for action in self._actions(day, values)])

    def _within(
        self, rows: Sequence[tuple[object, Mapping[str, object]]], first: date, last: date
    ) -> list[tuple[date, Mapping[str, object]]]:
        dated = [(self._day(day), values) for day, values in rows]
        return sorted((row for row in dated if first <= row[0] <= last), key=lambda row: row[0])

    def _by_day(self, first: date, last: date) -> list[tuple[date, Mapping[str, object]]]:
        within = self._within(self.rows, first, last)
        for (day, one), (following, other) in pairwise(within):
            if day == following:
                closes = " and ".join(quoted(values.get("close"), self.key) for values in (one, other))
                raise self._invalid(f"{day} has two rows, of closes {closes}")
        return within

    def _bar(self, day: date, values: Mapping[str, object]) -> dict[str, object]:
        numbers = {name: float(self._number(day, values, name)) for name in BAR_FIELDS}
        return {"symbol": self.symbol, "session": day, **numbers}

    def _actions(self, day: date, values: Mapping[str, object]) -> list[CorporateAction]:
        currency = values.get("currency", self.currency)
        if currency != self.currency:
            raise self._invalid(f"the dividend of {day} is in {quoted(currency, self.key)}, not {self.currency}")
        paid = plain(self._number(day, values, "dividend"))
        ratio = _unrounded(plain(self._number(day, values, "split")))
        found: list[CorporateAction] = []
        try:
            if paid != 0:
                found.append(
                    CashDividend(symbol=self.symbol, ex_date=day, amount_per_share=paid, currency=self.currency)
                )
            if ratio != 1:
                found.append(Split(symbol=self.symbol, ex_date=day, new_per_old=ratio))
        except InvalidValue as exc:
            raise self._invalid(f"{day}: {exc}") from exc
        return found

    def _summed(self, actions: Sequence[CorporateAction]) -> list[CorporateAction]:
        """Make one dividend of those of a day: a special one is often paid together with the regular one."""
        found: dict[tuple[date, type[CorporateAction]], CorporateAction] = {}
        for action in actions:
            before = found.get(key := (action.ex_date, type(action)))
            if isinstance(before, CashDividend) and isinstance(action, CashDividend):
                action = replace(before, amount_per_share=before.amount_per_share + action.amount_per_share)
            elif before is not None:
                raise self._invalid(f"{action.ex_date} has two splits")
            found[key] = action
        return list(found.values())

    def _day(self, day: object) -> date:
        if (found := day_of(day)) is None:
            raise self._invalid(f"a row's day is {quoted(day, self.key)}, which is no date")
        return found

    def _number(self, day: date, values: Mapping[str, object], name: str) -> Decimal:
        if name not in values:
            raise self._invalid(f"{day} has no {name}")
        number = decimal_of(values[name])
        if number is None:
            raise self._invalid(f"{name} of {day} is {quoted(values[name], self.key)}, which is no number")
        return number

    def _invalid(self, rule: str) -> BarsInvalid:
        return BarsInvalid(f"{self.source} on {self.symbol}", rule)


def fetch_each(
    source: str, symbols: Sequence[str], first: date, last: date, ask: Callable[[str], QuotedRows | FetchOutcome]
) -> FetchedBars:
    """Answer as BarSource.fetch does, one symbol after the other.

    Args:
        ask: asks for one symbol; what it returns instead of rows is the symbol's outcome.

    Raises:
        InvalidValue: the range ends before it begins.
        SourceUnavailable: GIVE_UP_AFTER symbols in a row failed, or `ask` says so.
    """
    outcomes: list[FetchOutcome] = []
    frames: list[pd.DataFrame] = []
    actions: list[CorporateAction] = []
    for symbol in asked_symbols(symbols, first, last):
        answer = ask(symbol)
        if isinstance(answer, QuotedRows):
            answer, frame, found = _taken(answer, first, last)
            frames += [frame] if len(frame) else []
            actions += found
        outcomes.append(answer)
        _give_up_when_down(source, outcomes[-GIVE_UP_AFTER:])
    frame = pd.concat(sorted(frames, key=lambda f: f["symbol"].iloc[0]), ignore_index=True) if frames else no_rows()
    return FetchedBars(
        bars=DailyBars(frame=frame, source=source, price_basis=PriceBasis.RAW),
        outcomes=tuple(outcomes),
        actions=tuple(sorted(actions, key=lambda a: (a.ex_date, a.symbol))),
    )


def actions_until(last: date) -> date:
    """Return the last day of which FetchedBars holds corporate actions."""
    return last + ANNOUNCED_AHEAD if last < date.max - ANNOUNCED_AHEAD else date.max


def failed(source: str, symbol: str, why: str) -> FetchOutcome:
    """Return the outcome of a symbol whose answer cannot be used."""
    return FetchOutcome(symbol=symbol, status=FetchStatus.FAILED, text=f"{source} on {symbol}: {why}")


def quoted(value: object, key: SecretStr) -> str:
    """Return a foreign value as it can be shown: one line, cut, and without the key if it came back to us."""
    text = without_key(value if isinstance(value, str) else repr(value), key)
    return repr(text[:SHOWN]) if isinstance(value, str) else text[:SHOWN]


def day_of(value: object) -> date | None:
    """Return the day that a foreign value spells as 2020-02-29; None when it spells none."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):  # 2020-02-30 is written like a date, and is none
            return date.fromisoformat(value)
    return None


def decimal_of(value: object) -> Decimal | None:
    """Return the finite number that a foreign value is or spells, exactly; None when it is none."""
    text = repr(value) if isinstance(value, int | float) else value  # True becomes "True", and no number
    number = Decimal(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else None
    return number if number is not None and math.isfinite(float(number)) else None


def same_code(one: object, other: str) -> bool:
    """Tell whether two codes are the same but for case and the sign before a share class; BRK.B is brk-b and BRK_B."""
    return isinstance(one, str) and _letters(one) == _letters(other)


def part(answer: object, *names: str) -> Mapping[str, object]:
    """Return the JSON object under these names, one within the other; empty where there is none."""
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer if isinstance(answer, dict) else {}


def _taken(rows: QuotedRows, first: date, last: date) -> tuple[FetchOutcome, pd.DataFrame, Iterable[CorporateAction]]:
    symbol = rows.symbol
    try:
        frame, actions = rows.judged(first, last)
    except BarsInvalid as exc:
        return FetchOutcome(symbol=symbol, status=FetchStatus.FAILED, text=str(exc)), no_rows(), ()
    if len(frame):
        return FetchOutcome(symbol=symbol, status=FetchStatus.OK), frame, actions
    text = f"{rows.source} has no bars of {symbol} from {first} to {last}"
    return FetchOutcome(symbol=symbol, status=FetchStatus.NO_BARS, text=text), frame, actions


def _give_up_when_down(source: str, lately: Sequence[FetchOutcome]) -> None:
    if len(lately) == GIVE_UP_AFTER and all(o.status is FetchStatus.FAILED for o in lately):
        raise SourceUnavailable(source, f"{GIVE_UP_AFTER} symbols in a row failed, last: {lately[-1].text}")


def _unrounded(ratio: Decimal) -> Decimal:
    """Return the ratio of whole shares that was rounded to the quoted digits; 0.3333 was one-for-three.

    Without it, 30,000 shares become 9,999. Where there is no such ratio, the quoted one is returned: 1.2345 is 1.2345.
    """
    places = -int(ratio.as_tuple().exponent)
    if places < ROUNDED_FROM:
        return ratio
    simple = Fraction(ratio).limit_denominator(LARGEST_OLD)
    exact = Decimal(simple.numerator) / Decimal(simple.denominator)
    return exact if round(exact, places) == ratio else ratio


def _letters(code: str) -> str:
    return code.upper().replace("-", ".").replace("_", ".")
