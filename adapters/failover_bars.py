"""Bars of several providers behind one name: what the first cannot give is asked of the next."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd

from adapters.table_bars import asked_symbols, no_rows
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.adjustments import CorporateAction
from trading.market.bars import BarSource, DailyBars, FetchedBars, FetchOutcome, FetchStatus, PriceBasis, bars_frame
from trading.market.instruments import Instrument
from trading.market.providers import ProviderAnswer, ProviderTrail, rests_until, stale_symbols


class FailoverBars:
    """A provider and those that stand in for it, in order.

    Of one answer all bars and actions of a symbol come from one provider, never from two, and the outcome names it
    when it is not the first. All providers must give prices on one basis.

    Args:
        sources: the first, whose name every bar is recorded under, and the others.
        price_basis: what has been done to the prices; an answer on another basis counts as none.
        trail: where each answer is kept; by it a provider that did not answer lately is asked last.
        now: aware clock.
    """

    def __init__(
        self,
        sources: Sequence[BarSource],
        price_basis: PriceBasis,
        trail: ProviderTrail,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        names = [source.name for source in sources]
        if len(set(names)) < len(names) or not names:
            raise InvalidValue("providers", names, "one or more, each named once")
        self.name = names[0]
        self._sources, self._price_basis = tuple(sources), price_basis
        self._trail, self._now = trail, now

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments of the first provider."""
        return self._sources[0].instruments()

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Ask one provider after the other for the symbols that are still missing, each twice if need be.

        Raises:
            SourceUnavailable: not one of them answered; it says why of each.
        """
        asked = asked_symbols(symbols, first, last)
        taken = _Taken(asked, self.name)
        for source in sorted(self._sources, key=self._rests):
            if not taken.missing:
                break
            try:
                answer = self._ask_twice(source, taken.missing, first, last)
            except SourceUnavailable as exc:
                taken.failed(source.name, exc.why)
            else:
                taken.add(source.name, answer)
        if len(taken.down) == len(self._sources):
            raise SourceUnavailable(self.name, "; ".join(f"{name}: {why}" for name, why in taken.down.items()))
        return taken.all(self._price_basis)

    def _rests(self, source: BarSource) -> bool:
        until = rests_until(self._trail.lately(source.name))
        return until is not None and self._now() < until

    def _ask_twice(self, source: BarSource, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Ask, and ask once more when nothing came: a single time-out is no reason to change the provider of all."""
        with suppress(SourceUnavailable):
            return self._ask(source, symbols, first, last)
        return self._ask(source, symbols, first, last)

    def _ask(self, source: BarSource, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Ask one provider, and keep what became of it."""
        started = time.monotonic()
        try:
            answer = source.fetch(symbols, first, last)
            if (basis := answer.bars.price_basis) is not self._price_basis:
                raise SourceUnavailable(source.name, f"its prices are {basis}, wanted are {self._price_basis} ones")
        except SourceUnavailable as exc:
            self._keep(source, [FetchStatus.FAILED] * len(symbols), started, exc.why)
            raise
        statuses = [outcome.status for outcome in answer.outcomes]
        self._keep(source, statuses, started, stale=stale_symbols(answer, last))
        return answer

    def _keep(
        self, source: BarSource, statuses: Sequence[FetchStatus], started: float, text: str = "", stale: int = 0
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


class _Taken:
    """What has been given so far.

    Attributes:
        missing: symbols that nobody has given yet.
        down: providers that did not answer, each with why.
    """

    def __init__(self, asked: Sequence[str], first_name: str) -> None:
        self.missing, self.down = tuple(asked), dict[str, str]()
        self._first_name, self._asked = first_name, asked
        self._given: dict[str, FetchOutcome] = {}
        self._said: dict[str, list[str]] = {symbol: [] for symbol in asked}
        self._statuses: dict[str, FetchStatus] = {}  # the first provider's word on a symbol is the one that counts
        self._frames: list[pd.DataFrame] = []
        self._actions: list[CorporateAction] = []

    def failed(self, name: str, why: str) -> None:
        """Note that a provider gave nothing."""
        self.down[name] = why
        for symbol in self.missing:
            self._not_given(symbol, FetchStatus.FAILED, f"{name} did not answer ({why})")

    def add(self, name: str, answer: FetchedBars) -> None:
        """Take what a provider gave of the symbols that were missing."""
        for outcome in answer.outcomes:
            if outcome.status is not FetchStatus.OK:
                self._not_given(outcome.symbol, outcome.status, outcome.text)
            elif name == self._first_name:
                self._given[outcome.symbol] = outcome
            else:
                text = "; ".join(self._said[outcome.symbol])
                self._given[outcome.symbol] = replace(outcome, provider=name, text=text)
        frame = answer.bars.frame
        given = {symbol for symbol in self.missing if symbol in self._given}
        self._frames.append(frame[frame["symbol"].isin(given)])
        self._actions += [action for action in answer.actions if action.symbol in given]
        self.missing = tuple(symbol for symbol in self.missing if symbol not in given)

    def _not_given(self, symbol: str, status: FetchStatus, why: str) -> None:
        self._statuses.setdefault(symbol, status)
        self._said[symbol].append(why)

    def all(self, price_basis: PriceBasis) -> FetchedBars:
        """Return everything as one answer."""
        frames = [frame for frame in self._frames if len(frame)]
        frame = bars_frame(pd.concat(frames, ignore_index=True)) if frames else no_rows()
        missing = {
            symbol: FetchOutcome(symbol=symbol, status=self._statuses[symbol], text="; ".join(self._said[symbol]))
            for symbol in self.missing
        }
        return FetchedBars(
            bars=DailyBars(frame=frame, source=self._first_name, price_basis=price_basis),
            outcomes=tuple((self._given | missing)[symbol] for symbol in self._asked),
            actions=tuple(sorted(self._actions, key=lambda a: (a.ex_date, a.symbol))),
        )
