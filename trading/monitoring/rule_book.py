"""The rule book: all rules over all that is watched, at once; it tells what is broken, and what is kept again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from trading.alerts import Alert
from trading.monitoring.tick_batch import BoolArray, FloatArray, TimeArray
from trading.monitoring.watch_rules import Comparison, RuleMetric, WatchRule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000


def fingerprint(rule_id: str, subject: str, broken_at: int) -> str:
    """Return what names a breaking of a rule for ever, to the tenth of a second where it is not a whole one."""
    return f"watch {rule_id} {subject} {broken_at / _SECOND_US:.12g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEvent:
    """A rule that is broken by one subject, or kept again.

    Attributes:
        subject: a symbol, an order, or the account.
        value: NaN where the subject is gone, or the rule.
        broken_at: when it was found broken; microseconds since the epoch, as `at`.
        is_broken: False when it is kept again.
        symbol: of the subject; empty of the account.
    """

    rule: WatchRule
    subject: str
    value: float
    broken_at: int
    at: int
    is_broken: bool
    symbol: str = ""

    @property
    def fingerprint(self) -> str:
        """Return what names this breaking of the rule for ever."""
        return fingerprint(self.rule.rule_id, self.subject, self.broken_at)

    @property
    def text(self) -> str:
        """Return value and rule in one sentence."""
        rule = self.rule
        if self.is_broken:
            held = f" for {rule.hold_seconds} s" if rule.hold_seconds else ""
            return f"{self.subject}: {rule.metric} is {self.value:,.6g}, {rule.comparison} {rule.threshold:g}{held}"
        if np.isnan(self.value):
            return f"{self.subject}: {rule.metric} is looked at no more, or there is no {self.subject} any more"
        return f"{self.subject}: {rule.metric} is {self.value:,.6g} again"

    def alert(self, watch: str) -> Alert:
        """Return what a person is told when it is broken.

        Args:
            watch: who watches, such as the account; two watches of a symbol are two alerts.
        """
        did = f" Until it is kept again: {self.rule.action}." if self.rule.action else ""
        return Alert(
            fingerprint=f"{watch} {self.fingerprint}",
            severity=self.rule.severity,
            title=f"{self.text}",
            text=f"Rule {self.rule.rule_id} of {watch}.{did} `openbell rules` lists the rules and changes them.",
            raised_at=_EPOCH + timedelta(microseconds=self.at),
            lasting=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one rule stands with one subject.

    Attributes:
        since: when the number went beyond the threshold; 0 while it is not. Microseconds since the epoch.
        broken_at: when it was found broken; 0 while it is kept.
    """

    since: int
    broken_at: int


class RuleBook:
    """Rules over subjects of one kind, looked at all at once.

    A number that is not known (NaN) breaks no rule and mends none; but it ends the time for which a rule must be
    broken. Rules are looked at by the clock: those of 5 s at seconds that 5 divides, those of 1 s each time.

    Args:
        rules: of metrics that are rows of the values.
        metrics: the rows of the values.
        subjects: the columns of the values.
        standing: how rules stood, by rule and subject; the rest is kept.
        symbols: the symbol of each subject, by which rules of some symbols choose; the subject itself when None. Of
            one whose symbol is not known (None) those rules hear that were beyond their threshold with it.

    Attributes:
        unheard: rules for symbols that are not among the subjects, each with the symbol.
    """

    def __init__(
        self,
        rules: Sequence[WatchRule],
        metrics: Sequence[RuleMetric],
        subjects: Sequence[str],
        standing: Mapping[tuple[str, str], Standing] | None = None,
        symbols: Sequence[str | None] | None = None,
    ) -> None:
        self.rules, self.metrics, self.subjects = tuple(rules), tuple(metrics), tuple(subjects)
        self.symbols: tuple[str | None, ...] = self.subjects if symbols is None else tuple(symbols)
        stood = standing or {}
        rows = {metric: n for n, metric in enumerate(self.metrics)}
        places: dict[str | None, list[int]] = {}
        for place, symbol in enumerate(self.symbols):
            places.setdefault(symbol, []).append(place)
        asked = [sorted(r.symbols or ()) for r in self.rules]
        self.unheard = tuple(
            (r, s) for r, names in zip(self.rules, asked, strict=True) for s in names if s not in places
        )
        every = list(range(len(self.subjects)))
        heard = [
            every
            if r.symbols is None
            else [place for s in names for place in places.get(s, ())]
            + [place for place in places.get(None, ()) if (r.rule_id, self.subjects[place]) in stood]
            for r, names in zip(self.rules, asked, strict=True)
        ]
        self._rule = np.repeat(np.arange(len(rules), dtype=np.int32), [len(h) for h in heard])
        self._column = np.array([place for h in heard for place in h], dtype=np.int32)
        self._row = _whole([rows[r.metric] for r in self.rules])[self._rule]
        self._limits = _Limits(self.rules)
        self._due = {c: np.flatnonzero(self._limits.cadence[self._rule] == c) for c in set(self._limits.cadence)}
        self._since = np.zeros(len(self._rule), dtype=np.int64)
        self._broken_at = np.zeros(len(self._rule), dtype=np.int64)
        for pair, was in self._pairs(stood):
            self._since[pair], self._broken_at[pair] = was.since, was.broken_at

    def evaluate(self, values: FloatArray, at_us: int) -> tuple[RuleEvent, ...]:
        """Return what changed; rules in their order, and the subjects of each.

        Args:
            values: shape (metrics, subjects); NaN is not known.
            at_us: microseconds since the epoch.
        """
        due = [pairs for cadence, pairs in self._due.items() if cadence == 1 or at_us % (cadence * _SECOND_US) == 0]
        changed = [self._evaluate(pairs, values, at_us) for pairs in due]
        return tuple(self._event(int(p), values, at_us) for p in np.sort(np.concatenate([*changed, _whole([])])))

    def standing(self) -> dict[tuple[str, str], Standing]:
        """Return how the rules stand that are broken, or beyond their threshold."""
        return {
            (self.rules[self._rule[p]].rule_id, self.subjects[self._column[p]]): Standing(
                since=int(self._since[p]), broken_at=int(self._broken_at[p])
            )
            for p in np.flatnonzero(self._since | self._broken_at)
        }

    def changed(
        self,
        rules: Sequence[WatchRule],
        subjects: Sequence[str],
        at_us: int,
        symbols: Sequence[str | None] | None = None,
    ) -> "tuple[RuleBook, tuple[RuleEvent, ...]]":
        """Return the book for other rules or subjects, and what is broken no more since it is gone."""
        named = tuple(subjects if symbols is None else symbols)
        if (tuple(rules), tuple(subjects), named) == (self.rules, self.subjects, self.symbols):
            return self, ()
        book = RuleBook(rules, self.metrics, subjects, self.standing(), symbols)
        still = book.standing().keys()
        old, symbol_of = {r.rule_id: r for r in self.rules}, dict(zip(self.subjects, self.symbols, strict=True))
        gone = [
            RuleEvent(
                rule=old[rule_id],
                subject=subject,
                value=np.nan,
                broken_at=s.broken_at,
                at=at_us,
                is_broken=False,
                symbol=symbol_of[subject] or "",
            )
            for (rule_id, subject), s in self.standing().items()
            if s.broken_at and (rule_id, subject) not in still
        ]
        return book, tuple(gone)

    def _evaluate(self, pairs: TimeArray, values: FloatArray, at_us: int) -> TimeArray:
        rule, value = self._rule[pairs], values[self._row[pairs], self._column[pairs]]
        measured = self._limits.measured(rule, value)
        since, broken_at = self._since[pairs], self._broken_at[pairs]
        over = measured > self._limits.threshold[rule]
        since = np.where(over, np.where(since == 0, at_us, since), 0)
        breaks = over & (broken_at == 0) & (at_us - since >= self._limits.hold_us[rule])
        mends = (broken_at != 0) & (measured <= self._limits.clears_at[rule])
        self._since[pairs] = since
        self._broken_at[pairs] = np.where(breaks, at_us, broken_at)
        changed: BoolArray = breaks | mends
        return pairs[changed]

    def _event(self, pair: int, values: FloatArray, at_us: int) -> RuleEvent:
        is_broken = self._broken_at[pair] == at_us
        event = RuleEvent(
            rule=self.rules[self._rule[pair]],
            subject=self.subjects[self._column[pair]],
            value=float(values[self._row[pair], self._column[pair]]),
            broken_at=int(self._broken_at[pair]),
            at=at_us,
            is_broken=bool(is_broken),
            symbol=self.symbols[self._column[pair]] or "",
        )
        if not is_broken:
            self._broken_at[pair] = 0
        return event

    def _pairs(self, standing: Mapping[tuple[str, str], Standing]) -> Iterable[tuple[int, Standing]]:
        if standing:
            names = zip(self._rule, self._column, strict=True)
            for pair, (rule, column) in enumerate(names):
                stood = standing.get((self.rules[rule].rule_id, self.subjects[column]))
                if stood is not None:
                    yield pair, stood


class _Limits:
    """The limits of rules as columns; what must not be below is turned round, so that all are limits from above."""

    def __init__(self, rules: Sequence[WatchRule]) -> None:
        self._sign = _floats([-1.0 if r.comparison is Comparison.BELOW else 1.0 for r in rules])
        self._beyond = np.array([r.comparison is Comparison.BEYOND for r in rules], dtype=np.bool_)
        self.threshold = self._sign * _floats([r.threshold for r in rules])
        self.clears_at = self._sign * _floats([r.clears_at for r in rules])
        self.hold_us = _whole([r.hold_seconds * _SECOND_US for r in rules])
        self.cadence = _whole([r.cadence for r in rules])

    def measured(self, rule: npt.NDArray[np.int32], value: FloatArray) -> FloatArray:
        return np.where(self._beyond[rule], np.abs(value), self._sign[rule] * value)


def _floats(values: Sequence[float]) -> FloatArray:
    return np.array(values, dtype=np.float64)


def _whole(values: Sequence[int]) -> TimeArray:
    return np.array(values, dtype=np.int64)
