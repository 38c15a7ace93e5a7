"""What a book holds, and where it is to be closed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from blocks.desk import Clock, Desk
from tasks.value import marks, prices_at_open, sold_elsewhere
from trading.market.corporate_actions import Split
from trading.market.timetable import SessionTimes
from trading.market.true_range import average_true_range, in_shares_after
from trading.orders.protection import Protection, ProtectionRules, protect_positions
from trading.orders.protective_orders import traded_otherwise
from trading.positions.books import Position, equity

WARM_UP = 10  # times the sessions of an average: what lies before moves it by less than a ten-thousandth


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """The positions of a book with what protects them, and the account around them.

    Attributes:
        without: symbols held that cannot be protected, each with the reason.
        left_alone: symbols in which what rests stays as it is, each with the reason.
        marks: last price of all that is held or ordered in the account.
    """

    protections: tuple[Protection, ...]
    without: Mapping[str, str]
    left_alone: Mapping[str, str]
    marks: Mapping[str, Decimal]
    equity: Decimal
    cash: Decimal


def look_at(
    desk: Desk,
    times: SessionTimes,
    book: str,
    rules: ProtectionRules,
    clock: Clock,
    quotes: Mapping[str, Decimal] | None = None,
) -> Guarded:
    """Return what the rules ask for the positions that the book holds now.

    Args:
        quotes: last prices that are newer than those in store.
    """
    now, facts, ledger = clock(), desk.ledger.facts, desk.ledger
    books = facts.books(desk.name, now)
    open_orders = ledger.journal.orders(desk.name, open_only=True)
    wanted = {*books.held(), *(s for o in open_orders for s in o.new_order.symbols)}
    before = desk.market.calendar.previous_session(times.session)
    known = marks(desk, before, wanted, facts.executions(desk.name)) | prices_at_open(desk, times.session, wanted)
    positions = {s: p for s, p in facts.positions(desk.name, now, book).items() if p.qty}
    known |= {s: p.lots[-1].px for s, p in positions.items() if p.lots[-1].opened_at >= times.open_at}
    known |= quotes or {}
    gone = sold_elsewhere(books.held(), facts.held(desk.name, now))
    asked = {} if rules.asks_for_nothing else {s: p for s, p in positions.items() if s not in gone}
    protections, without = protect_positions(
        asked,
        rules,
        instruments=desk.market.source.instruments(),
        last_prices=known,
        atrs=_atrs(desk, times, asked, rules.atr_sessions) if rules.needs_atr else {},
        currency=desk.account.currency,
    )
    alone = traded_otherwise(open_orders, protections, book)
    return Guarded(
        protections=protections,
        without=without
        | {s: f"{s}: {why}" for s, why in gone.items() if s in positions and not rules.asks_for_nothing},
        left_alone={s: why for s, why in (without | alone).items() if s in positions},
        marks=known,
        equity=equity(books, known),
        cash=books.cash,
    )


def _atrs(desk: Desk, times: SessionTimes, positions: Mapping[str, Position], sessions: int) -> dict[str, Decimal]:
    """Return each symbol's average true range before its position was last added to, in the shares of the session.

    So it stays what it was while the position does, and a stop is not moved by every new bar.
    """
    calendar, market = desk.market.calendar, desk.market
    found: dict[str, Decimal] = {}
    for symbol, position in positions.items():
        entered = calendar.session_on_or_after(calendar.local_date(position.lots[-1].opened_at))
        last, first = calendar.previous_session(entered), calendar.sessions_before(entered, WARM_UP * sessions)
        bars = market.store.read(market.settings.name, [symbol], first, last).frame
        actions = market.store.actions(market.settings.name, first + timedelta(days=1), times.session)
        splits = [a for a in actions if isinstance(a, Split) and a.symbol == symbol]
        average = average_true_range(in_shares_after(bars, splits), sessions)
        if average is not None:
            found[symbol] = Decimal(repr(average))
    return found
