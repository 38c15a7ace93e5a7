"""Recall what the desk knew on a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from blocks.desk import Market
from trading.market.bars import DailyBars
from trading.market.corporate_actions import CorporateAction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recollection:
    """What was believed at a moment, whatever has been corrected since."""

    as_of: datetime
    bars: DailyBars
    actions: tuple[CorporateAction, ...]


def recall(market: Market, day: date, symbols: Sequence[str] | None, first: date, last: date) -> Recollection:
    """Return the bars and corporate actions from `first` to `last` as they were known when the day was over.

    Args:
        day: one at the exchange.
        symbols: all that are stored when None.
    """
    as_of, source = market.calendar.end_of_day(day), market.settings.name
    actions = market.store.actions(source, first, last, as_of=as_of)
    return Recollection(
        as_of=as_of,
        bars=market.store.read(source, symbols, first, last, as_of=as_of),
        actions=tuple(a for a in actions if symbols is None or a.symbol in symbols),
    )
