"""Value positions at the last closes that are known, in the shares of the day; options by their chains."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from blocks.desk import Desk
from tasks.price import priced_options
from trading.market.bars import BarStore
from trading.market.calendars import FIRST_DAY, TradingCalendar
from trading.market.corporate_actions import Split, with_old_names
from trading.orders.executions import ExecutionReport

EVER = date.fromisoformat(FIRST_DAY)
LOOK_BACK_SESSIONS = 30  # a symbol may be quarantined or halted for a while, and is then worth its last good close


def last_prices(
    desk: Desk, session: date, symbols: Iterable[str], *, shares_of: date | None = None
) -> dict[str, Decimal]:
    """Return the last stored close on or before the session of each symbol, every digit of it.

    Args:
        shares_of: the session whose shares the prices are for; `session` when None. A close from before a split is
            divided by it: what was 499.23 before a 4-for-1 split is 124.8075 from its open on.
    """
    market = desk.market
    return last_closes(market.store, market.settings.name, market.calendar, session, symbols, shares_of=shares_of)


def last_closes(
    store: BarStore,
    source: str,
    calendar: TradingCalendar,
    session: date,
    symbols: Iterable[str],
    *,
    shares_of: date | None = None,
) -> dict[str, Decimal]:
    """Return what `last_prices` does, of any source in store."""
    wanted = sorted(set(symbols))
    if not wanted:
        return {}
    lately, until = calendar.sessions_before(session, LOOK_BACK_SESSIONS), shares_of or session
    prices = _closes_since(lately, store, source, session, wanted, until)
    missing = [symbol for symbol in wanted if symbol not in prices]  # delisted, or long halted
    return prices | (_closes_since(EVER, store, source, session, missing, until) if missing else {})


def _closes_since(
    first: date, store: BarStore, source: str, session: date, wanted: Sequence[str], until: date
) -> dict[str, Decimal]:
    actions = store.actions(source, first, until)
    renamed = {old: new for new in wanted for old in with_old_names([new], actions) if old not in wanted}
    frame = store.read(source, [*wanted, *renamed], first, session).frame.dropna(subset=["close"])
    frame = frame.assign(symbol=frame["symbol"].replace(renamed)).sort_values("session", kind="stable")
    last = frame.groupby("symbol")[["session", "close"]].last()
    splits = [a for a in actions if isinstance(a, Split)]
    prices: dict[str, Decimal] = {}
    for row in last.itertuples():
        price = Decimal(repr(float(row.close)))
        for split in splits:
            if split.symbol == row.Index and split.ex_date > row.session.date():
                price /= split.new_per_old
        prices[str(row.Index)] = price
    return prices


def marks(desk: Desk, session: date, held: Iterable[str], executions: Sequence[ExecutionReport]) -> dict[str, Decimal]:
    """Return a price for all that is held: the last close, or what was last paid when no close is known.

    An option is worth the middle of its chain of that session, which is what its Greeks are measured by.
    """
    wanted = set(held)
    paid = {r.symbol: r.px for r in executions if r.last_px is not None and r.symbol in wanted}
    return paid | last_prices(desk, session, wanted) | _middles(desk, session, wanted)


def prices_at_open(desk: Desk, session: date, symbols: Iterable[str]) -> dict[str, Decimal]:
    """Return the last closes before the session, in the shares of its open, each on its tick grid.

    An option is worth the middle of its chain of the session before.
    """
    before = desk.market.calendar.previous_session(session)
    instruments = desk.market.instruments()
    wanted = set(symbols)
    prices = last_prices(desk, before, wanted, shares_of=session)
    at_ticks = {s: instruments[s].round_to_tick(px) if s in instruments else px for s, px in prices.items()}
    return at_ticks | _middles(desk, before, wanted)


def _middles(desk: Desk, session: date, symbols: Iterable[str]) -> dict[str, Decimal]:
    priced = priced_options(desk, symbols, session)
    return {symbol: option.middle for symbol, option in priced.items() if option.middle is not None}


def sold_elsewhere(held: Mapping[str, Decimal], of_books: Mapping[str, Decimal]) -> dict[str, str]:
    """Return the symbols of which the account holds less than its books say, each with the reason.

    Args:
        held: by the account.
        of_books: by all its books together.
    """
    return {
        symbol: f"the account holds {held.get(symbol, 0)}, its books {qty}: somebody else has traded it"
        for symbol, qty in of_books.items()
        if abs(held.get(symbol, Decimal(0))) < abs(qty) or held[symbol] * qty < 0
    }
