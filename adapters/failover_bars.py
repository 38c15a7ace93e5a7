"""Bars of several providers behind one name: what the first cannot give is asked of the next."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

import pandas as pd

from adapters.in_turn import InTurn, Missing
from adapters.table_bars import asked_symbols, no_rows
from trading.errors import InvalidValue, SourceUnavailable
from trading.market.bars import BarSource, DailyBars, FetchedBars, PriceBasis, bars_frame
from trading.market.corporate_actions import CorporateAction
from trading.market.instruments import Instrument
from trading.market.providers import ProviderTrail, stale_symbols


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
        self._in_turn = InTurn(trail, now)

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments of the first provider."""
        return self._sources[0].instruments()

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Ask one provider after the other for the symbols that are still missing, each twice if need be.

        Raises:
            SourceUnavailable: not one of them answered; it says why of each.
        """
        missing = Missing(asked_symbols(symbols, first, last), self.name)
        frames: list[pd.DataFrame] = []
        actions: list[CorporateAction] = []

        def ask(source: BarSource, wanted: Sequence[str]) -> FetchedBars:
            return self._on_our_basis(source.name, source.fetch(wanted, first, last))

        for answer, given in self._in_turn.ask(self._sources, missing, ask, lambda answer: stale_symbols(answer, last)):
            frame = answer.bars.frame
            frames += [frame[frame["symbol"].isin(given)]] if given else []
            actions += [action for action in answer.actions if action.symbol in given]
        if len(missing.down) == len(self._sources):
            raise missing.unavailable()
        frame = bars_frame(pd.concat(frames, ignore_index=True)) if frames else no_rows()
        return FetchedBars(
            bars=DailyBars(frame=frame, source=self.name, price_basis=self._price_basis),
            outcomes=missing.outcomes(),
            actions=tuple(sorted(actions, key=lambda a: (a.ex_date, a.symbol))),
        )

    def _on_our_basis(self, name: str, answer: FetchedBars) -> FetchedBars:
        if (basis := answer.bars.price_basis) is not self._price_basis:
            raise SourceUnavailable(name, f"its prices are {basis}, wanted are {self._price_basis} ones")
        return answer
