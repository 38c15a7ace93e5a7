"""Own side: what rules are held against on our own side, read of the ledger every few seconds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from adapters.sql.ledger_news import LedgerNews, LedgerWatch
from blocks.desk import Desk
from tasks.value import last_prices
from trading.market.corporate_actions import EffectiveAction
from trading.market.instruments import Instrument
from trading.market.option_symbols import multiplier_of
from trading.monitoring.own_side import OwnSide, day_position, stopped, worth_before
from trading.orders.executions import ExecutionReport, position_trades
from trading.orders.orders import Order
from trading.orders.protection import ProtectionRules
from trading.positions.books import Books, fold_books
from trading.risk.equity_curve import cash_flows


def own_side(desk: Desk, session: date, now: datetime, rules: ProtectionRules | None) -> OwnSide:
    """Return the account's own side; who looks again and again keeps an `OwnSideReader`."""
    return OwnSideReader(desk, session, rules).read(now)


class OwnSideReader:
    """Reads the own side of one account again and again: all of it once, then what has changed.

    Args:
        session: the one that is watched.
        rules: how positions are protected; None: not at all.
    """

    def __init__(self, desk: Desk, session: date, rules: ProtectionRules | None) -> None:
        self._desk, self._session, self._rules = desk, session, rules
        self._watch = LedgerWatch(desk.ledger.engine, desk.name, session)
        self._day_before = desk.market.calendar.previous_session(session)
        self._closed_at = desk.market.calendar.close_at(self._day_before)
        self._open_at = desk.market.calendar.open_at(session)
        self._instruments: Mapping[str, Instrument] = desk.market.source.instruments()
        self._closes: dict[str, Decimal | None] = {}
        self._executions: list[ExecutionReport] = []
        self._ours: set[str] = set()
        self._orders: dict[str, Order] = {}
        self._last: OwnSide | None = None

    def read(self, now: datetime) -> OwnSide:
        """Return what is so now.

        Raises:
            LedgerUnavailable: the ledger cannot be read; nothing is lost, and the next call tries again.
            StoreUnavailable: the bars in store cannot be read; likewise.
        """
        if (news := self._watch.look()) is not None:
            self._take(news)
        self._last = self._read_all(now) if self._last is None else replace(self._last, at=now)
        return self._last

    def _take(self, news: LedgerNews) -> None:
        self._executions += news.executions
        self._ours |= news.ours
        self._orders |= {order.cl_ord_id: order for order in news.orders}
        self._last = None

    def _read_all(self, now: datetime) -> OwnSide:
        ledger, account = self._desk.ledger, self._desk.name
        movements = ledger.facts.cash_movements(account)
        # Before the open, too, all is told in the shares of the session: so are its quotes, and the closes below.
        actions = [a for a in ledger.facts.actions(account) if a.effective_at <= self._open_at]
        books = fold_books(self._executions, movements, actions)
        today = [t for t in position_trades(self._executions) if t.transact_time > self._closed_at]
        traded: dict[str, list[ExecutionReport]] = {}
        for trade in today:
            traded.setdefault(trade.symbol, []).append(trade)
        held = books.held()
        closes = self._closes_of(held.keys() | traded.keys())
        orders = tuple(self._orders.values())
        return OwnSide(
            account=account,
            session=self._session,
            at=now,
            cash=books.cash,
            due=books.due,
            positions={
                s: day_position(held.get(s, Decimal(0)), traded.get(s, ()), closes.get(s), multiplier_of(s))
                for s in sorted(held.keys() | traded.keys())
            },
            before=worth_before(ledger.breakers.valuations(account), cash_flows(movements), self._session),
            closes=closes,
            closed_at=self._closed_at,
            orders=orders,
            sent_at=ledger.watches.sent_at(account),
            filled_at={t.cl_ord_id: t.transact_time for t in today},
            stopped=stopped(self._held_by_books(books, actions), self._rules, orders, self._instruments),
        )

    def _held_by_books(self, books: Books, actions: Sequence[EffectiveAction]) -> dict[str, Decimal]:
        ours = [r for r in self._executions if r.cl_ord_id in self._ours]
        return (books if len(ours) == len(self._executions) else fold_books(ours, (), actions)).held()

    def _closes_of(self, symbols: Collection[str]) -> dict[str, Decimal]:
        """Return the last closes of these symbols; each is looked up once, for no newer one comes in the session."""
        wanted = [s for s in symbols if s not in self._closes]
        found = last_prices(self._desk, self._day_before, wanted, shares_of=self._session)
        self._closes |= {s: found.get(s) for s in wanted}
        return {s: px for s in symbols if (px := self._closes[s]) is not None}
