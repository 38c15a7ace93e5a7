"""One watch of the market: from ticks to what is broken, second by second."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trading.monitoring.conditions import (
    ConditionArray,
    ConditionPolicy,
    MarketCondition,
    market_condition,
    symbol_conditions,
)
from trading.monitoring.market_state import MarketState
from trading.monitoring.metrics import Metric, Metrics
from trading.monitoring.own_readings import Readings
from trading.monitoring.rule_book import RuleBook, RuleEvent, Standing
from trading.monitoring.tick_batch import TickBatch
from trading.monitoring.watch_rules import OwnMetric, RuleMetric, Subjects, WatchRule, subjects_of
from trading.monitoring.watched_session import WatchedSession

_METRICS: Mapping[Subjects, tuple[RuleMetric, ...]] = {
    subjects: tuple(m for m in (*Metric, *OwnMetric) if subjects_of(m) is subjects) for subjects in Subjects
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Second:
    """What one step came to.

    Attributes:
        conditions: of the symbols, as `symbol_conditions` gives them.
        events: rules that were found broken, or kept again.
    """

    metrics: Metrics
    conditions: ConditionArray
    market: MarketCondition
    events: tuple[RuleEvent, ...]


class WatchedMarket:
    """The market and our own side as one watch sees them.

    What the market breaks is a function of the rules, the session and the ticks alone. Of our own side a watch sees
    what there is at its time, and that is not recorded second by second.

    Args:
        state: what the ticks have told so far.
        standing: how the rules for the market stood at the time of the state, by rule and subject.
        own_standing: how those for our own side stand now.
    """

    def __init__(
        self,
        state: MarketState,
        symbols: Sequence[str],
        rules: Sequence[WatchRule],
        policy: ConditionPolicy,
        standing: Mapping[tuple[str, str], Standing] | None = None,
        own_standing: Mapping[tuple[str, str], Standing] | None = None,
    ) -> None:
        self.state, self._policy = state, policy
        self._last: Second | None = None
        self._books = {}
        for kind in Subjects:
            mine, of_market = _of(rules, kind), kind is Subjects.SYMBOLS
            stood, names = (standing if of_market else own_standing) or {}, {rule.rule_id for rule in mine}
            subjects = symbols if of_market else sorted({subject for rule_id, subject in stood if rule_id in names})
            known = None if of_market else [None] * len(subjects)  # of which symbol is what the first reading tells
            self._books[kind] = RuleBook(mine, _METRICS[kind], subjects, stood, known)

    @property
    def unheard(self) -> tuple[tuple[str, str], ...]:
        """Return rules for symbols that are not watched, each with the symbol."""
        return tuple((rule.rule_id, symbol) for rule, symbol in self._books[Subjects.SYMBOLS].unheard)

    @property
    def rules(self) -> tuple[WatchRule, ...]:
        """Return the rules in force."""
        return tuple(rule for book in self._books.values() for rule in book.rules)

    def second(self, batch: TickBatch, at_us: int) -> Second:
        """Take what was received before that time and look at the rules for the market that are due.

        Within a second they are looked at only after a tick.

        Raises:
            InvalidValue: a second is left out, or comes again.
        """
        self.state.apply(batch)
        metrics = self.state.step(at_us)
        if self.state.is_still and self._last is not None:
            return replace(self._last, events=())
        conditions = symbol_conditions(metrics, self._policy)
        events = () if self.state.is_still else self._books[Subjects.SYMBOLS].evaluate(metrics.values, at_us)
        market = market_condition(conditions, self._policy)
        self._last = Second(metrics=metrics, conditions=conditions, market=market, events=events)
        return self._last

    def own(self, readings: Mapping[Subjects, Readings], at_us: int) -> tuple[RuleEvent, ...]:
        """Look at the rules for our own side that are due; what is of no subject any more is broken no more."""
        events: list[RuleEvent] = []
        for subjects, read in readings.items():
            book, gone = self._books[subjects].changed(self._books[subjects].rules, read.subjects, at_us, read.symbols)
            self._books[subjects] = book
            events += [*gone, *book.evaluate(read.values, at_us)]
        return tuple(events)

    def change_rules(self, rules: Sequence[WatchRule], at_us: int) -> tuple[RuleEvent, ...]:
        """Go on by other rules; return what is broken no more since its rule is gone."""
        events: list[RuleEvent] = []
        for subjects, book in self._books.items():
            self._books[subjects], gone = book.changed(_of(rules, subjects), book.subjects, at_us, book.symbols)
            events += gone
        return tuple(events)

    def watch_more(self, session: WatchedSession, at_us: int) -> tuple[RuleEvent, ...]:
        """Go on with symbols added to the end of the watch list; return what that changes of the rules."""
        self.state, self._last = self.state.with_symbols(session), None
        book = self._books[Subjects.SYMBOLS]
        self._books[Subjects.SYMBOLS], events = book.changed(book.rules, session.symbols, at_us)
        return events

    def standing(self) -> dict[tuple[str, str], Standing]:
        """Return how all rules stand that are broken, or beyond their threshold."""
        return {key: stood for book in self._books.values() for key, stood in book.standing().items()}


def _of(rules: Iterable[WatchRule], subjects: Subjects) -> list[WatchRule]:
    return [rule for rule in rules if subjects_of(rule.metric) is subjects]
