"""Bars of a provider with corporate actions that it does not tell, out of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from trading.market.bars import ANNOUNCED_AHEAD, BarSource, FetchedBars
from trading.market.corporate_actions import ActionTerms, CorporateAction
from trading.market.instruments import Instrument


@dataclass(frozen=True, slots=True)
class ToldActions:
    """A source of bars that is told some corporate actions; what it tells itself of the same kind and day counts."""

    source: BarSource
    told: tuple[CorporateAction, ...]

    @property
    def name(self) -> str:
        """Return the provider's name."""
        return self.source.name

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments on offer by symbol."""
        return self.source.instruments()

    def fetch(self, symbols: Sequence[str], first: date, last: date) -> FetchedBars:
        """Return what the source gives, with the actions of these symbols in the range.

        Raises:
            SourceUnavailable: the provider did not answer properly.
        """
        fetched, asked = self.source.fetch(symbols, first, last), set(symbols)
        known, until = {_key(action) for action in fetched.actions}, last + ANNOUNCED_AHEAD
        mine = [a for a in self.told if a.symbol in asked and first <= a.ex_date <= until]
        more = [action for action in mine if _key(action) not in known]
        actions = sorted([*fetched.actions, *more], key=lambda a: (a.ex_date, a.symbol))
        return replace(fetched, actions=tuple(actions))


def _key(action: CorporateAction) -> tuple[str, date, str]:
    return action.symbol, action.ex_date, ActionTerms.of(action).kind
