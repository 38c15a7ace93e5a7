"""Quotes of several providers behind one name: what the first cannot give is asked of the next."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pandas as pd

from adapters.failover_quotes import together
from adapters.in_turn import InTurn, Missing
from trading.errors import InvalidValue
from trading.market.providers import ProviderTrail
from trading.market.quotes import FetchedQuotes, Quotes, QuoteSource


class QuotesInTurn:
    """A provider of quotes and those that stand in for it, in order; an outcome names who gave it, if not the first.

    Args:
        sources: the first, whose name all quotes bear, and the others.
        trail: where each answer is kept; by it a provider that did not answer lately is asked last.
        now: aware clock.
    """

    def __init__(
        self,
        sources: Sequence[QuoteSource],
        trail: ProviderTrail,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        names = [source.name for source in sources]
        if len(set(names)) < len(names) or not names:
            raise InvalidValue("providers", names, "one or more, each named once")
        self.name = names[0]
        self._sources, self._in_turn, self._now = tuple(sources), InTurn(trail, now), now

    def fetch(self, symbols: Sequence[str]) -> FetchedQuotes:
        """Return the latest quote of each symbol; every symbol asked has exactly one outcome.

        Raises:
            SourceUnavailable: not one of them answered; it says why of each.
        """
        missing = Missing(tuple(dict.fromkeys(symbols)), self.name)
        frames: list[pd.DataFrame] = []
        for answer, given in self._in_turn.ask(self._sources, missing, lambda source, wanted: source.fetch(wanted)):
            frame = answer.quotes.frame
            frames.append(frame[frame["symbol"].isin(given)])
        if len(missing.down) == len(self._sources):
            raise missing.unavailable()
        quotes = Quotes(frame=together(frames), source=self.name, received_at=self._now())
        return FetchedQuotes(quotes=quotes, outcomes=missing.outcomes())
