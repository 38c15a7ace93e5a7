"""Providers asked in turn: who rests is asked last, every answer is kept, each symbol is of one provider."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from trading.errors import SourceUnavailable
from trading.market.bars import FetchOutcome, FetchStatus
from trading.market.providers import ProviderAnswer, ProviderTrail, rests_until


class Named(Protocol):
    """A provider."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...


class Answer(Protocol):
    """What a provider answers."""

    @property
    def outcomes(self) -> tuple[FetchOutcome, ...]:
        """Return what became of every symbol asked."""
        ...


S = TypeVar("S", bound=Named)
A = TypeVar("A", bound=Answer)


class Missing:
    """The symbols of a request that nobody has given yet, and what was said of each.

    Args:
        asked: each once.
        first_name: the provider that outcomes do not name.

    Attributes:
        symbols: those that are missing.
        down: providers that did not answer, each with why.
    """

    def __init__(self, asked: Sequence[str], first_name: str) -> None:
        self.symbols, self.down = tuple(asked), dict[str, str]()
        self._first_name, self._asked = first_name, asked
        self._given: dict[str, FetchOutcome] = {}
        self._said: dict[str, list[str]] = {symbol: [] for symbol in asked}
        self._statuses: dict[str, FetchStatus] = {}  # the first word on a symbol is the one that counts

    def say(self, symbol: str, why: str) -> None:
        """Note why a symbol comes from another provider."""
        self._said[symbol].append(why)

    def failed(self, name: str, why: str) -> None:
        """Note that a provider gave nothing."""
        self.down[name] = why
        for symbol in self.symbols:
            self._not_given(symbol, FetchStatus.FAILED, f"{name} did not answer ({why})")

    def take(self, name: str, outcomes: Sequence[FetchOutcome]) -> frozenset[str]:
        """Note what a provider answered; return the symbols it gave that were missing."""
        for outcome in outcomes:
            if outcome.status is not FetchStatus.OK:
                self._not_given(outcome.symbol, outcome.status, outcome.text)
            elif name == self._first_name:
                self._given[outcome.symbol] = outcome
            else:
                text = "; ".join(self._said[outcome.symbol])
                self._given[outcome.symbol] = replace(outcome, provider=name, text=text)
        given = frozenset(symbol for symbol in self.symbols if symbol in self._given)
        self.symbols = tuple(symbol for symbol in self.symbols if symbol not in given)
        return given

    def outcomes(self) -> tuple[FetchOutcome, ...]:
        """Return one outcome for each symbol asked."""
        missing = {
            symbol: FetchOutcome(
                symbol=symbol,
                status=self._statuses.get(symbol, FetchStatus.FAILED),
                text="; ".join(self._said[symbol]),
            )
            for symbol in self.symbols
        }
        return tuple((self._given | missing)[symbol] for symbol in self._asked)

    def unavailable(self, *before: str) -> SourceUnavailable:
        """Return the error that says why nobody answered, after what else there is to say."""
        each = [f"{name}: {why}" for name, why in self.down.items()]
        return SourceUnavailable(self._first_name, "; ".join([*before, *each]))

    def _not_given(self, symbol: str, status: FetchStatus, why: str) -> None:
        self._statuses.setdefault(symbol, status)
        self._said[symbol].append(why)


class InTurn:
    """Asks providers one after the other.

    Args:
        trail: where each answer is kept; by it a provider that did not answer lately is asked last.
        now: aware clock.
    """

    def __init__(self, trail: ProviderTrail, now: Callable[[], datetime]) -> None:
        self._trail, self._now = trail, now

    def ask(
        self,
        sources: Sequence[S],
        missing: Missing,
        ask: Callable[[S, Sequence[str]], A],
        stale_in: Callable[[A], int] = lambda _: 0,
    ) -> Iterator[tuple[A, frozenset[str]]]:
        """Ask for what is missing, each provider twice if need be; yield each answer and the symbols to take of it.

        Args:
            stale_in: counts the symbols of an answer that it gave, and too old.
        """

        def kept(source: S, symbols: Sequence[str]) -> A:
            return self._ask(source, symbols, ask, stale_in)

        for source in sorted(sources, key=self._rests):
            if not missing.symbols:
                return
            try:
                answer = _twice(kept, source, missing.symbols)
            except SourceUnavailable as exc:
                missing.failed(source.name, exc.why)
            else:
                yield answer, missing.take(source.name, answer.outcomes)

    def _rests(self, source: Named) -> bool:
        until = rests_until(self._trail.lately(source.name))
        return until is not None and self._now() < until

    def _ask(
        self, source: S, symbols: Sequence[str], ask: Callable[[S, Sequence[str]], A], stale_in: Callable[[A], int]
    ) -> A:
        """Ask one provider, and keep what became of it."""
        started = time.monotonic()
        try:
            answer = ask(source, symbols)
        except SourceUnavailable as exc:
            self._keep(source, [FetchStatus.FAILED] * len(symbols), started, exc.why)
            raise
        self._keep(source, [outcome.status for outcome in answer.outcomes], started, stale=stale_in(answer))
        return answer

    def _keep(
        self, source: Named, statuses: Sequence[FetchStatus], started: float, text: str = "", stale: int = 0
    ) -> None:
        self._trail.add(
            ProviderAnswer(
                provider=source.name,
                answered_at=self._now(),
                asked=len(statuses),
                given=statuses.count(FetchStatus.OK),
                failed=statuses.count(FetchStatus.FAILED),
                seconds=time.monotonic() - started,
                text=text,
                stale=stale,
            )
        )


def _twice(ask: Callable[[S, Sequence[str]], A], source: S, symbols: Sequence[str]) -> A:
    """Ask, and ask once more when nothing came: a single time-out is no reason to change the provider of all."""
    with suppress(SourceUnavailable):
        return ask(source, symbols)
    return ask(source, symbols)
