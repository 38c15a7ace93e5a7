"""The paper broker: one account, kept in a database and filled from daily bars."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from adapters.paper import records
from adapters.paper.exchange import Exchange
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.records import ACCOUNTS, ORDERS, POSITIONS
from adapters.paper.settlement import Due, Shown, find_due, settle, shown_by
from adapters.sql.engine import on_disk_later
from trading.broker import AccountStatement, BrokerFence, BrokerPosition, CashMovement, CashMovementType
from trading.errors import BrokerUnavailable, MarketDataError, OutcomeUnknown
from trading.market.bars import BarSource
from trading.market.instruments import Instrument
from trading.money import Money
from trading.orders.executions import ExecutionReport
from trading.orders.order_lists import require_list
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest

NAME = "the paper broker"
T = TypeVar("T")

_ACCOUNT = sa.select(ACCOUNTS).where(ACCOUNTS.c.account == sa.bindparam("account")).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledAccount:
    """The account as it stands in a transaction, with everything settled that was due.

    Attributes:
        at: up to when.
        due_at: when there is something to settle next.
    """

    at: datetime
    cash: Money
    due_at: datetime | None


class PaperBroker:
    """A broker that lives in a database and trades daily bars; a product for rehearsal, and the desk's default.

    It does nothing between calls: each call first lets everything happen that was to happen up to `now()`, in the same
    transaction as its own work. Who calls, how often and after which crash changes no fill, ExecID or time, for the
    same orders, bars and seed. What can happen is in `matching`, when it happens in `timeline`.

    A report's `transact_time` is when it happened, which may be long before a source had the bar to show it: ask for
    `reports_since` the start of the session, not since the last call. An order canceled before its bar was there did
    not trade. There is no margin, no interest and no borrowing fee; cash may become negative.

    Args:
        engine: the database; its tables must exist. Two brokers on one account, in any processes, are one.
        market: bars to trade by; RAW, or else splits (and dividends) that are in its prices are left out.
        now: aware clock; may be set to the past to rehearse it, but not back.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        account: str,
        market: BarSource,
        settings: PaperSettings,
        now: Callable[[], datetime],
    ) -> None:
        # Like a broker far away it may, in a power cut, forget an order whose answer nobody has kept: the ledger's own
        # commit of the answer puts both on disk. So five hundred orders need not wait for it five hundred times.
        self._engine = on_disk_later(engine)
        self._account, self._market = account, market
        self._settings, self._now = settings, now
        self._listed: Mapping[str, Instrument] = {}
        self._asking = threading.Lock()

    @property
    def fence(self) -> BrokerFence:
        """Return that a ClOrdID seen before is refused."""
        return BrokerFence.REFUSES_KNOWN_CL_ORD_ID

    async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
        """Take or reject the order; a known ClOrdID is answered with the reports it has."""
        return await self._submit([order])

    async def cancel(self, request: OrderCancelRequest) -> tuple[ExecutionReport, ...]:
        """Cancel what is left and return all reports of the order; one that has ended stays as it is."""
        meant = ORDERS.c.cl_ord_id == request.orig_cl_ord_id

        def cancel(connection: sa.Connection, account: SettledAccount) -> tuple[ExecutionReport, ...]:
            self._exchange(connection, account).cancel(meant)
            return records.reports_of(connection, self._account, request.orig_cl_ord_id)

        return await self._settled(cancel, request.orig_cl_ord_id)

    async def submit_list(self, orders: Sequence[NewOrderSingle]) -> tuple[ExecutionReport, ...]:
        """Take all the linked orders or reject them all; known ClOrdIDs are answered with the reports they have."""
        require_list(orders)
        return await self._submit(orders)

    async def replace(self, request: OrderCancelReplaceRequest) -> tuple[ExecutionReport, ...]:
        """Let the order go on under other values and return all its reports.

        One that has ended stays as it is; ORDER_STATUS says why one that works does. Other values hold from now on: for
        the rest of the session they know its close only. With a smaller quantity alone an order keeps its place.
        """
        return await self._settled(
            lambda connection, account: self._exchange(connection, account).replace(request), request.orig_cl_ord_id
        )

    async def cancel_all(self) -> None:
        """Cancel everything that works."""
        await self._settled(lambda connection, account: self._exchange(connection, account).cancel(sa.true()), "(all)")

    async def find(self, cl_ord_id: str) -> tuple[ExecutionReport, ...]:
        """Return every report of that order; empty is proof that it never came."""
        return await self._settled(lambda connection, _: records.reports_of(connection, self._account, cl_ord_id))

    async def reports_since(self, since: datetime) -> tuple[ExecutionReport, ...]:
        """Return all reports from that time on, in the order they happened."""
        return await self._settled(lambda connection, _: records.reports_since(connection, self._account, since))

    async def statement(self) -> AccountStatement:
        """Return cash, positions, working orders and cash movements as of now."""
        return await self._settled(self._state)

    async def close(self) -> None:
        """Do nothing: the database stays open for the others who use it."""

    # -- settling

    async def _settled(self, work: Callable[[sa.Connection, SettledAccount], T], cl_ord_id: str | None = None) -> T:
        """Settle up to now and do the work, in one transaction; bars are fetched outside of it.

        Args:
            cl_ord_id: the order that the work may change; a commit that fails leaves its outcome unknown.
        """
        now, shown = self._now(), None
        while True:
            is_done = False
            try:
                with self._engine.begin() as connection:
                    account = self._settle(connection, shown, now)
                    if isinstance(account, SettledAccount):
                        answer = work(connection, account)
                        is_done = True
            except DBAPIError as exc:
                if is_done and cl_ord_id is not None:
                    raise OutcomeUnknown(NAME, cl_ord_id, str(exc.orig)) from exc
                raise BrokerUnavailable(NAME, str(exc.orig)) from exc
            if isinstance(account, SettledAccount):
                return answer
            shown = await asyncio.to_thread(self._ask_market, account)

    def _settle(self, connection: sa.Connection, shown: Shown | None, now: datetime) -> SettledAccount | Due:
        """Settle what is due, or return it when the market must be asked first."""
        row = self._open(connection, now)
        cash, due_at = Money(amount=row.cash, currency=row.currency), row.due_at
        if due_at is not None and due_at <= now:
            due = self._find_due(connection, now)
            if due is not None:
                if shown is None or not shown.covers(due):
                    return due
                cash += settle(connection, self._account, due, shown, self._instruments(), self._settings, now)
            due_at = records.next_due(connection, self._account)
            self._update(connection, cash=cash.amount, due_at=due_at)
        return SettledAccount(at=now, cash=cash, due_at=due_at)

    def _find_due(self, connection: sa.Connection, now: datetime) -> Due | None:
        try:
            return find_due(connection, self._account, self._instruments(), now)
        except MarketDataError as exc:
            raise BrokerUnavailable(NAME, str(exc)) from exc

    def _open(self, connection: sa.Connection, now: datetime) -> sa.Row[Any]:
        """Return the account's row, locked; its first sight brings the deposit."""
        key = {"account": self._account}
        if (found := connection.execute(_ACCOUNT, key).first()) is not None:
            return found
        deposit = Money(amount=self._settings.starting_cash, currency=self._settings.currency)
        row = {**key, "currency": deposit.currency, "cash": deposit.amount, "due_at": None}
        if records.open_account(connection, row) and deposit.amount:
            movement = CashMovement(
                account=self._account,
                movement_id=f"{self._account}/deposit",
                movement_type=CashMovementType.DEPOSIT,
                amount=deposit,
                value_time=now,
            )
            records.add_cash(connection, [movement])
        return connection.execute(_ACCOUNT, key).one()

    def _update(self, connection: sa.Connection, **values: Any) -> None:
        connection.execute(ACCOUNTS.update().where(ACCOUNTS.c.account == self._account), values)

    def _ask_market(self, due: Due) -> Shown:
        try:
            with self._asking:
                fetched = self._market.fetch(due.symbols, due.first, due.last)
        except MarketDataError as exc:
            raise BrokerUnavailable(NAME, str(exc)) from exc
        return shown_by(due, fetched, self._instruments())

    def _instruments(self) -> Mapping[str, Instrument]:
        if not self._listed:
            self._listed = self._market.instruments()
        return self._listed

    # -- the work of each call

    async def _submit(self, orders: Sequence[NewOrderSingle]) -> tuple[ExecutionReport, ...]:
        if any(symbol not in self._listed for order in orders for symbol in order.symbols):
            self._listed = self._market.instruments()

        def accept(connection: sa.Connection, account: SettledAccount) -> tuple[ExecutionReport, ...]:
            answer, due_at = self._exchange(connection, account).accept(orders)
            if due_at is not None and (account.due_at is None or due_at < account.due_at):
                self._update(connection, due_at=due_at)
            return answer

        return await self._settled(accept, orders[0].cl_ord_id)

    def _exchange(self, connection: sa.Connection, account: SettledAccount) -> Exchange:
        return Exchange(
            connection=connection,
            account=self._account,
            instruments=self._instruments(),
            settings=self._settings,
            at=account.at,
        )

    def _state(self, connection: sa.Connection, account: SettledAccount) -> AccountStatement:
        held = sa.select(POSITIONS).where(POSITIONS.c.account == self._account).order_by(POSITIONS.c.symbol)
        working = sa.select(ORDERS.c.cl_ord_id).where(ORDERS.c.account == self._account, ORDERS.c.due_at.is_not(None))
        return AccountStatement(
            account=self._account,
            as_of=account.at,
            cash=account.cash,
            positions=tuple(BrokerPosition(symbol=p.symbol, qty=p.qty) for p in connection.execute(held) if p.qty),
            working=tuple(sorted(connection.execute(working).scalars())),
            cash_movements=records.movements_of(connection, self._account),
        )
