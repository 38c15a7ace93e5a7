"""Settlement: bring the symbols of an account that are due up to now, within the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from adapters.paper import hours, records
from adapters.paper.matching import Bar, WorkingOrder, bar_of
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.records import ORDERS, POSITIONS, REPORTS
from adapters.paper.timeline import Timeline, Traded
from adapters.sql.rows import by_key
from trading.errors import UnknownSymbol
from trading.market.adjustments import CorporateAction, Split
from trading.market.bars import FetchedBars, FetchStatus, PriceBasis
from trading.market.instruments import Instrument
from trading.money import Money
from trading.orders.executions import ExecType


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The symbols with something to be done, and all that works or is held in them.

    Attributes:
        first: the bars and actions needed begin on that day.
        last: and end on that one.
        held: rows of positions by symbol.
    """

    symbols: tuple[str, ...]
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
    looked_at = [
        sa.select(table.c.symbol).where(table.c.account == account, table.c.due_at <= now)
        for table in (ORDERS, POSITIONS)
    ]
    symbols = tuple(sorted(connection.execute(sa.union(*looked_at)).scalars()))
    if not symbols:
        return None
    if unknown := [symbol for symbol in symbols if symbol not in instruments]:
        raise UnknownSymbol(unknown, "the paper broker's market")
    orders = records.orders_where(
        connection, ORDERS.c.account == account, ORDERS.c.due_at.is_not(None), ORDERS.c.symbol.in_(symbols)
    )
    query = sa.select(POSITIONS).where(POSITIONS.c.account == account, POSITIONS.c.symbol.in_(symbols))
    held = {row.symbol: row for row in connection.execute(query)}
    sessions = [(o.symbol, o.session) for o in orders]
    sessions += [(row.symbol, row.session) for row in held.values() if row.session is not None]
    first = min(hours.previous_session(instruments[symbol].mic, session) for symbol, session in sessions)
    last = max(hours.calendar(instruments[symbol].mic).local_date(now) for symbol in symbols)
    return Due(symbols=symbols, first=first, last=last, orders=tuple(orders), held=held)


def shown_by(due: Due, fetched: FetchedBars, instruments: Mapping[str, Instrument]) -> Shown:
    """Return the market's answer as exact bars by symbol and session."""
    bars: dict[str, dict[date, Bar]] = {symbol: {} for symbol in due.symbols}
    for symbol, session, *values in fetched.bars.frame.itertuples(index=False, name=None):
        bar = bar_of(instruments[symbol], *values)
        if bar.open is not None or bar.close is not None:
            bars[symbol][session.date()] = bar
    actions: dict[str, list[CorporateAction]] = {symbol: [] for symbol in due.symbols}
    for action in fetched.actions:
        if _is_outside(action, fetched.bars.price_basis) and action.symbol in actions:
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
    traded, orders = _traded(connection, account, due), by_key(due.orders, "symbol")
    timelines: list[Timeline] = []
    for symbol in due.symbols:
        row = due.held.get(symbol)
        timeline = Timeline(
            account=account,
            instrument=instruments[symbol],
            settings=settings,
            bars=shown.bars[symbol],
            actions=shown.actions[symbol],
            qty=row.qty if row else Decimal(0),
            session=row.session if row else None,
            orders={order.cl_ord_id: order for order in orders.get(symbol, ())},
            traded=traded.get(symbol, {}),
        )
        if symbol in shown.failed:
            timeline.postpone(None, now)
        else:
            timeline.settle(now)
        timelines.append(timeline)
    _write(connection, account, timelines, due.held)
    return Money(amount=sum((t.cash for t in timelines), Decimal(0)), currency=settings.currency)


def _is_outside(action: CorporateAction, basis: PriceBasis) -> bool:
    """Tell whether the action is not in the prices already: a split in split-adjusted prices would count twice."""
    if basis is PriceBasis.RAW:
        return True
    return basis is PriceBasis.SPLIT_ADJUSTED and not isinstance(action, Split)


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
    connection: sa.Connection, account: str, timelines: Sequence[Timeline], held: Mapping[str, sa.Row[Any]]
) -> None:
    """Write what has become of all symbols, a statement for each table."""
    records.update_orders(connection, account, [order for t in timelines for order in t.orders.values()])
    records.add_reports(connection, [report for t in timelines for report in t.reports])
    records.add_cash(connection, [movement for t in timelines for movement in t.movements])
    rows = [{"symbol": t.instrument.symbol, "qty": t.qty, "session": t.session, "due_at": t.due_at} for t in timelines]
    records.update_positions(connection, account, [row for row in rows if row["symbol"] in held])
    opened = [row for row in rows if row["symbol"] not in held and row["session"] is not None]
    records.add_positions(connection, account, opened)
