"""Interactive Brokers as a broker: one account, reached through TWS or IB Gateway."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from adapters.ib.connection import NAME, SocketLost
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.order_calls import OrderCalls
from adapters.ib.session import IbSession
from adapters.ib.session_states import SessionTransition
from adapters.ib.sessions import Sessions, process_sessions
from adapters.ib.statement import reports_since, state_account
from adapters.ib.what_if import preview_margin
from adapters.request_budget import RequestBudget
from trading.broker import AccountStatement, BrokerFence
from trading.errors import BrokerUnavailable, InvalidValue
from trading.orders.executions import ExecutionReport
from trading.orders.order_lists import require_list
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest
from trading.risk.trading_facts import BrokerMargin

T = TypeVar("T")
Reports = tuple[ExecutionReport, ...]
_Work = Callable[[IbSession, OrderCalls], Coroutine[Any, Any, T]]


class IbBroker:
    """One account at IB.

    A broker is cheap: the connection behind it belongs to the process, and stays when the broker is forgotten. IB
    tells no time of acknowledgements and cancels; theirs is when this machine first heard of them, kept in the
    ledger's database, so that every process tells the same.

    Args:
        engine: the ledger's database; its tables must exist.
        settings: the gateway.
        now: aware clock.
        role: whose client id it uses; only the trader sends and changes orders.
        budget: shared by all processes; none for no limit but the library's.
        on_transition: called with every change of the session's state, in the thread that owns the connection.
        sessions: the process's own unless given.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        account: str,
        settings: IbSettings,
        now: Callable[[], datetime],
        role: Role = Role.TRADER,
        budget: RequestBudget | None = None,
        on_transition: Callable[[SessionTransition], None] | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._engine, self._account, self._settings, self._now = engine, account, settings, now
        self._role, self._budget, self._on_transition = role, budget, on_transition
        self._sessions = sessions or process_sessions()

    @property
    def fence(self) -> BrokerFence:
        """Return that one socket has the trader's client id: who gets it may call anything absent."""
        return BrokerFence.ONE_SOCKET_PER_CLIENT_ID

    async def submit(self, order: NewOrderSingle) -> Reports:
        """Send the order once; one that IB has already is answered with the reports it has."""
        self._require_trader()
        self._require_account(order.account)
        return await self._run(lambda _, calls: calls.submit([order]))

    async def submit_list(self, orders: Sequence[NewOrderSingle]) -> Reports:
        """Send linked orders; a bracket goes to work as a whole, with its last order."""
        self._require_trader()
        require_list(orders)
        self._require_account(orders[0].account)
        return await self._run(lambda _, calls: calls.submit(orders))

    async def cancel(self, request: OrderCancelRequest) -> Reports:
        """Cancel what is left and return all reports of the order; one that has ended stays as it is."""
        self._require_trader()
        return await self._run(lambda _, calls: calls.cancel(self._account, request.orig_cl_ord_id))

    async def replace(self, request: OrderCancelReplaceRequest) -> Reports:
        """Change the order and return all its reports; prices are brought onto IB's price steps."""
        self._require_trader()
        return await self._run(lambda _, calls: calls.replace(request))

    async def cancel_all(self) -> None:
        """Cancel everything of the account with one message; any role may."""
        await self._run(lambda _, calls: calls.cancel_all(self._account))

    async def find(self, cl_ord_id: str) -> Reports:
        """Return every report of that order; empty once IB has told all it has, and it is not among it."""
        return await self._run(lambda _, calls: calls.find(self._account, cl_ord_id))

    async def reports_since(self, since: datetime) -> Reports:
        """Return all reports from that time on, in the order they happened; IB itself tells today's only."""
        return await self._run(lambda session, _: reports_since(session, self._account, since))

    async def statement(self) -> AccountStatement:
        """Return cash, positions, working orders and cash movements as of now."""
        return await self._run(lambda session, _: state_account(session, self._account))

    async def margin(self, orders: Sequence[NewOrderSingle], within: timedelta) -> BrokerMargin:
        """Return the initial margin of what is held, and what each order alone would add to it, by what-if orders."""
        return await self._run(lambda session, _: preview_margin(session, self._account, orders, within))

    async def close(self) -> None:
        """End the connection that this broker shares with all others of its client id in the process."""
        await self._sessions.close(self._settings, self._role, self._engine)

    async def connect(self) -> tuple[str, ...]:
        """Connect and synchronise, and return the accounts that the login has.

        Raises:
            BrokerUnavailable: it cannot be done; the message says what to check.
        """
        return await self._run(lambda session, _: _accounts(session))

    async def _run(self, work: _Work[T]) -> T:
        """Do the work on the owner's loop; once more on a new socket when the old one turned out to be closed.

        That may be done even with an order, since BrokerUnavailable means that nothing was sent.
        """
        try:
            return await self._run_once(work)
        except SocketLost:
            return await self._run_once(work)

    async def _run_once(self, work: _Work[T]) -> T:
        session, calls = self._sessions.get(
            self._settings,
            self._role,
            self._engine,
            now=self._now,
            budget=self._budget,
            on_transition=self._on_transition,
        )
        return await self._sessions.owner.run(self._checked(session, calls, work))

    async def _checked(
        self,
        session: IbSession,
        calls: OrderCalls,
        work: _Work[T],
    ) -> T:
        accounts = (await session.ready(to_cancel=True)).accounts
        if self._account not in accounts:
            raise BrokerUnavailable(
                NAME, f"the login at {session.name} has {', '.join(accounts)}, and not account {self._account}"
            )
        return await work(session, calls)

    def _require_trader(self) -> None:
        if self._role is not Role.TRADER:
            raise InvalidValue(
                "role", self._role.name, "TRADER to send or change orders: IB gives its client id to one"
            )

    def _require_account(self, account: str) -> None:
        if account != self._account:
            raise InvalidValue("account of the order", account, f"{self._account}, the account of this broker")


async def _accounts(session: IbSession) -> tuple[str, ...]:
    return (await session.ready()).accounts
