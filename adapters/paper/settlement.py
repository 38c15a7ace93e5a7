"""Settlement: bring the symbols of an account that are due up to now, within the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from adapters.paper import hours, records
from adapters.paper.holding import Holding, Traded
from adapters.paper.matching import Bar, WorkingOrder, bar_of
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.records import ORDERS, POSITIONS, REPORTS
from adapters.paper.reports import NumberedReport
from adapters.paper.ties import Ties
from adapters.paper.timeline import Timeline
from trading.errors import UnknownSymbol
from trading.market.bars import FetchedBars, FetchStatus
from trading.market.corporate_actions import CorporateAction, Rename
from trading.market.instruments import Instrument
from trading.money import Money
from trading.orders.executions import ExecType


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The symbols with something to be done, and all that works or is held in them.

    Attributes:
        groups: the same, those together that orders tie together.
        first: the bars and actions needed begin on that day.
        last: and end on that one.
        held: rows of positions by symbol.
    """

    symbols: tuple[str, ...]
    groups: tuple[frozenset[str], ...]
    first: date
    last: date
    orders: tuple[WorkingOrder, ...]
    held: Mapping[str, sa.Row[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the market has shown of some symbols between two days.

    Attributes:
        actions: those that have not been worked into the prices already.
        failed: symbols that the source could not be asked for; nothing follows from their missing bars.
    """

    symbols: frozenset[str]
    first: date
    last: date
    bars: Mapping[str, Mapping[date, Bar]]
    actions: Mapping[str, Sequence[CorporateAction]]
    failed: frozenset[str]

    def covers(self, due: Due) -> bool:
        """Tell whether it is all that is needed."""
        return self.symbols.issuperset(due.symbols) and self.first <= due.first and self.last >= due.last


def find_due(
    connection: sa.Connection, account: str, instruments: Mapping[str, Instrument], now: datetime
) -> Due | None:
    """Return what must be settled, if anything."""
    working = (ORDERS.c.account == account, ORDERS.c.due_at.is_not(None))
    looked_at = [
        sa.select(ORDERS.c.symbol).where(*working, ORDERS.c.due_at <= now, ~ORDERS.c.tied),
        sa.select(POSITIONS.c.symbol).where(POSITIONS.c.account == account, POSITIONS.c.due_at <= now),
    ]
    due = set(connection.execute(sa.union(*looked_at)).scalars())
    tied = records.orders_where(connection, *working, ORDERS.c.tied)
    groups = _groups(due, tied, now)
    symbols = tuple(sorted(symbol for group in groups for symbol in group))
    if not symbols:
        return None
    if unknown := [symbol for symbol in symbols if symbol not in instruments]:
        raise UnknownSymbol(unknown, "the paper broker's market")
    orders = records.orders_where(connection, *working, ~ORDERS.c.tied, ORDERS.c.symbol.in_(symbols))
    orders += [order for order in tied if order.traded_symbols[0] in symbols]
    query = sa.select(POSITIONS).where(POSITIONS.c.account == account, POSITIONS.c.symbol.in_(symbols))
    held = {row.symbol: row for row in connection.execute(query)}
    sessions = [(o.traded_symbols[0], o.session) for o in orders]
    sessions += [(row.symbol, row.session) for row in held.values() if row.session is not None]
    first = min(hours.previous_session(instruments[symbol].mic, session) for symbol, session in sessions)
    last = max(hours.calendar(instruments[symbol].mic).local_date(now) for symbol in symbols)
    return Due(symbols=symbols, groups=groups, first=first, last=last, orders=tuple(orders), held=held)


def _groups(due: set[str], tied: Sequence[WorkingOrder], now: datetime) -> tuple[frozenset[str], ...]:
    """Return the symbols with something due, each with all those that orders tie to it."""
    groups = {symbol: {symbol} for order in tied for symbol in order.symbols}
    lists: dict[str, str] = {}
    for order in tied:
        first = order.symbols[0]
        for symbol in (*order.symbols, lists.setdefault(order.list_id or order.cl_ord_id, first)):
            groups[first] |= groups[symbol]
            for member in groups[first]:
                groups[member] = groups[first]
    wanted = due | {order.symbols[0] for order in tied if order.due_at is not None and order.due_at <= now}
    return tuple(dict.fromkeys(frozenset(groups.get(symbol, {symbol})) for symbol in sorted(wanted)))


def shown_by(due: Due, fetched: FetchedBars, instruments: Mapping[str, Instrument]) -> Shown:
    """Return the market's answer as exact bars by symbol and session."""
    bars: dict[str, dict[date, Bar]] = {symbol: {} for symbol in due.symbols}
    for symbol, session, *values in fetched.bars.frame.itertuples(index=False, name=None):
        bar = bar_of(instruments[symbol], *values)
        if bar.open is not None or bar.close is not None:
            bars[symbol][session.date()] = bar
    actions: dict[str, list[CorporateAction]] = {symbol: [] for symbol in due.symbols}
    for action in fetched.actions:
        unknown = isinstance(action, Rename) and action.new_symbol not in instruments  # there is no such position
        if fetched.bars.price_basis.leaves_out(action) and action.symbol in actions and not unknown:
            actions[action.symbol].append(action)
    failed = frozenset(o.symbol for o in fetched.outcomes if o.status is FetchStatus.FAILED)
    symbols = frozenset(due.symbols)
    return Shown(symbols=symbols, first=due.first, last=due.last, bars=bars, actions=actions, failed=failed)


def settle(
    connection: sa.Connection,
    account: str,
    due: Due,
    shown: Shown,
    instruments: Mapping[str, Instrument],
    settings: PaperSettings,
    now: datetime,
) -> Money:
    """Let everything due happen, write it down, and return the cash that the account has gained."""
    traded = _traded(connection, account, due)
    holdings = {
        symbol: Holding(
            account=account,
            instrument=instruments[symbol],
            settings=settings,
            bars=shown.bars[symbol],
            actions=shown.actions[symbol],
            qty=due.held[symbol].qty if symbol in due.held else Decimal(0),
            session=due.held[symbol].session if symbol in due.held else None,
            traded=traded.get(symbol, {}),
        )
        for symbol in due.symbols
    }
    orders: dict[str, list[WorkingOrder]] = {}
    for order in due.orders:
        orders.setdefault(order.traded_symbols[0], []).append(order)
    reports: list[NumberedReport] = []
    for group in due.groups:
        members = {order.cl_ord_id: order for symbol in sorted(group) for order in orders.get(symbol, ())}
        timeline = Timeline(
            account=account,
            settings=settings,
            holdings={symbol: holdings[symbol] for symbol in group},
            ties=Ties(account=account, settings=settings, instruments=instruments, orders=members, reports=reports),
        )
        if group & shown.failed:
            timeline.postpone(now)
        else:
            timeline.settle(now)
    _write(connection, account, due, holdings.values(), reports, instruments)
    return Money(amount=sum((h.cash for h in holdings.values()), Decimal(0)), currency=settings.currency)


def _traded(connection: sa.Connection, account: str, due: Due) -> dict[str, dict[date, dict[str, Traded]]]:
    """Return what has traded already in the sessions that are being settled."""
    query = sa.select(REPORTS).where(
        REPORTS.c.account == account,
        REPORTS.c.exec_type == ExecType.TRADE.value,
        REPORTS.c.transact_time >= datetime.combine(due.first, time.min, UTC) - timedelta(days=1),
        REPORTS.c.symbol.in_(due.symbols),
    )
    found: dict[str, dict[date, dict[str, Traded]]] = {}
    for row in connection.execute(query) if due.orders else ():
        session = found.setdefault(row.symbol, {}).setdefault(row.session, {})
        session.setdefault(row.cl_ord_id, Traded()).add(row.last_qty, row.last_px, row.commission)
    return found


def _write(
    connection: sa.Connection,
    account: str,
    due: Due,
    holdings: Collection[Holding],
    reports: Sequence[NumberedReport],
    instruments: Mapping[str, Instrument],
) -> None:
    """Write what has become of all symbols, a statement for each table."""
    records.update_orders(connection, account, due.orders)
    records.add_reports(connection, reports)
    records.add_cash(connection, [movement for h in holdings for movement in h.movements])
    rows = [{"symbol": h.instrument.symbol, "qty": h.qty, "session": h.session, "due_at": h.due_at} for h in holdings]
    records.update_positions(connection, account, [row for row in rows if row["symbol"] in due.held])
    opened = [row for row in rows if row["symbol"] not in due.held and row["session"] is not None]
    records.add_positions(connection, account, opened)
    for moved in (h.moved for h in holdings if h.moved is not None):
        _take_over(connection, account, instruments, *moved)


def _take_over(
    connection: sa.Connection,
    account: str,
    instruments: Mapping[str, Instrument],
    symbol: str,
    qty: Decimal,
    session: date,
) -> None:
    """Put a position under its new symbol; what happens to that from the session on is looked at next.

    What is held there already may have been through that session: nothing happens to it twice.
    """
    key = (POSITIONS.c.account == account) & (POSITIONS.c.symbol == symbol)
    there = connection.execute(sa.select(POSITIONS).where(key)).first()
    due_at = hours.open_at(instruments[symbol].mic, session)
    row = {"symbol": symbol, "qty": qty, "session": session, "due_at": due_at}
    if there is not None:
        row["qty"] += there.qty
        if there.session is not None:
            row |= {"session": there.session, "due_at": there.due_at}
    (records.update_positions if there else records.add_positions)(connection, account, [row])
