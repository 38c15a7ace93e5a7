"""A connection: one socket to TWS or IB Gateway, from its handshake to its end; never used again after that."""

import asyncio
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.library import Library
from adapters.ib.receiver import LONGEST_FRAME, Listener, Question, Receiver, RequestRefused
from adapters.request_budget import Priority, RequestBudget
from trading.errors import BrokerUnavailable

NAME = "Interactive Brokers"
_PORTS = "TWS listens on 7497 (paper) or 7496 (live), Gateway on 4002 or 4001"
_API = "Configure > API > Settings must allow socket clients"


class ConnectionLost(Exception):
    """The socket closed while an answer was waited for."""


class SocketLost(BrokerUnavailable):
    """Nothing was sent, since the socket turned out to be closed; a new one may do."""


class Connection:
    """One socket, the library's client on it, and the questions that are open.

    All of it belongs to one event loop.

    Args:
        on_lost: called once with the reason when a connection that was open ends.
        budget: shared by all processes; every message takes from it.
    """

    def __init__(
        self,
        library: Library,
        settings: IbSettings,
        role: Role,
        listener: Listener,
        *,
        on_lost: Callable[[str], None],
        budget: RequestBudget | None = None,
    ) -> None:
        self._library, self._settings, self._on_lost, self._budget = library, settings, on_lost, budget
        self.client_id = settings.client_id_of(role)
        self.receiver = Receiver(listener, settings.time_zone)
        self.client = library.client(self.receiver)
        # IB counts 50 in a second as they arrive. What left evenly arrives unevenly; so less than that, in small parts.
        self.client.MaxRequests, self.client.RequestsInterval = 8, 0.2
        self.accounts: tuple[str, ...] = ()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._is_open = False
        self._one_at_a_time = asyncio.Lock()

    @property
    def place(self) -> str:
        """Return host:port."""
        return f"{self._settings.host}:{self._settings.port}"

    @property
    def is_open(self) -> bool:
        """Tell whether messages can be sent."""
        return self._is_open

    # -- opening and closing

    async def open(self, on_login: Callable[[], None]) -> None:
        """Connect and log in.

        Args:
            on_login: called when the gateway has said its version and is asked to start the session.

        Raises:
            BrokerUnavailable: it could not be done; the message says what to check.
        """
        self.receiver.on_login = on_login
        self.client.apiError += self._end
        self.client.conn.disconnected += lambda why: self._end(why or "the gateway closed the connection")
        self.client.conn.hasData += self._check_length
        opening = asyncio.ensure_future(
            self.client.connectAsync(self._settings.host, self._settings.port, self.client_id, timeout=None)
        )
        try:
            waiting = {opening, self._ended}
            await asyncio.wait(waiting, timeout=self._settings.connect_seconds, return_when=asyncio.FIRST_COMPLETED)
            self._require_opened(opening)
        except BaseException:
            await self._drop(opening)
            raise
        self.accounts, self._is_open = tuple(self.client.getAccounts()), True

    def _require_opened(self, opening: "asyncio.Future[None]") -> None:
        if opening.done() and not opening.cancelled() and (exc := opening.exception()) is not None:
            raise BrokerUnavailable(NAME, self._refused(exc)) from exc
        version = self.client.serverVersion()
        if self._ended.done():
            raise BrokerUnavailable(NAME, self._said(self._ended.result()))
        if not opening.done():
            raise BrokerUnavailable(NAME, self._silent(version))
        if not self._library.oldest_version <= version <= self._library.newest_version:
            raise BrokerUnavailable(
                NAME,
                f"{self.place} speaks version {version} of the protocol, and {self._library.name} "
                f"{self._library.oldest_version} to {self._library.newest_version}",
            )

    def _refused(self, exc: BaseException) -> str:
        if isinstance(exc, OSError):
            return (
                f"nothing answers on {self.place} ({exc.strerror or exc}); is TWS or Gateway running? {_PORTS}; {_API}"
            )
        return f"{self.place}: {exc or type(exc).__name__}"

    def _said(self, why: str) -> str:
        if "must be >= 972" in why:  # the library's words for it
            oldest = self._library.oldest_version
            return f"{self.place} speaks a version of the protocol before {oldest}; update TWS or Gateway"
        return why if self.place in why else f"{self.place}: {why}"

    def _silent(self, version: int) -> str:
        waited = f"within {self._settings.connect_seconds:g} s"
        if version:
            return (
                f"{self.place} took the connection and did not start a session {waited}; "
                "a second factor may be pending, or the login not finished"
            )
        return f"{self.place} took the connection and said nothing {waited}; is it TWS or Gateway? {_PORTS}; {_API}"

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._is_open = False
        self.receiver.fail_all(ConnectionLost("closed"))
        transport = self.client.conn.transport
        self.client.disconnect()
        if transport is not None:
            transport.abort()  # else a peer that reads nothing keeps the socket for ever

    async def _drop(self, opening: "asyncio.Future[None]") -> None:
        opening.cancel()
        await asyncio.wait({opening})
        if not opening.cancelled():
            opening.exception()
        self.close()

    def _end(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)
        if self._is_open:
            self._is_open = False
            self.receiver.fail_all(ConnectionLost(why))
            self._on_lost(why)

    def end_login(self, why: str) -> None:
        """Give up opening, since the gateway said why it will not be done."""
        if not self._is_open:
            self._end(why)

    def _check_length(self, _received: bytes) -> None:
        # What is not the protocol reads as the length of a frame that never comes, and fills the memory.
        head = self.client._data[:4]
        if len(head) == 4 and struct.unpack(">I", head)[0] > LONGEST_FRAME:
            self.client._data = b""
            self._end(f"{self.place} sent what is not the TWS protocol; is it TWS or Gateway? {_PORTS}")
            self.close()

    # -- questions

    async def ask(self, key: int | str, send: Callable[[], None], priority: Priority, what: str) -> list[Any]:
        """Ask what IB always answers, and return all parts of the answer.

        Raises:
            BrokerUnavailable: no answer within the time, an error instead, or the socket closed.
        """
        try:
            return await self.ask_perhaps(key, send, priority, what)
        except RequestRefused as exc:
            raise BrokerUnavailable(NAME, f"{self.place} refused to tell {what}: {exc}") from exc

    async def ask_perhaps(self, key: int | str, send: Callable[[], None], priority: Priority, what: str) -> list[Any]:
        """Ask and return all parts of the answer.

        Raises:
            BrokerUnavailable: no answer within the time, or the socket closed.
            RequestRefused: IB answered with an error.
        """
        await self.take(priority)
        return await self._answer(key, send, what)

    async def _answer(self, key: int | str, send: Callable[[], None], what: str) -> list[Any]:
        question = self.receiver.ask(key)
        try:
            send()
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the answer.
            async with asyncio.timeout(self._settings.ask_seconds):
                return await question.answer
        except TimeoutError as exc:
            why = f"{self.place} did not finish its answer about {what} within {self._settings.ask_seconds:g} s"
            raise BrokerUnavailable(NAME, why) from exc
        except (ConnectionLost, ConnectionError) as exc:
            raise self.lost(f"it was asked about {what}: {exc}") from exc
        finally:
            self._forget(key, question)

    def _forget(self, key: int | str, question: Question) -> None:
        if self.receiver.questions.get(key) is question:
            del self.receiver.questions[key]

    async def take(self, priority: Priority) -> None:
        """Wait until the budget lets a message through."""
        if self._budget is not None:
            await self._budget.take(priority)

    def lost(self, why: str) -> BrokerUnavailable:
        """Return the error that says that this socket is closed."""
        return SocketLost(NAME, f"{self.place} went away; {why}")

    async def post(self, send: Callable[[], None], priority: Priority = Priority.ORDER) -> None:
        """Send a message that has no answer of its own.

        Raises:
            BrokerUnavailable: it was not sent.
        """
        await self.take(priority)
        try:
            send()
        except ConnectionError as exc:
            raise self.lost(str(exc)) from exc

    def next_id(self) -> int:
        """Return the next id for an order or question, higher than any that was seen.

        The gateway's own sequence may have been rolled back by its restart; an id used before would change that order.

        Raises:
            BrokerUnavailable: the socket is closed.
        """
        self.client.updateReqId(self.receiver.highest_order_id + 1)
        try:
            return int(self.client.getReqId())
        except ConnectionError as exc:
            raise self.lost(str(exc)) from exc

    def skip_ids(self, up_to: int) -> None:
        """Never use an id below that one again."""
        self.receiver.highest_order_id = max(self.receiver.highest_order_id, up_to)

    async def ask_time(self) -> int:
        """Return the gateway's clock in seconds; all that it sent before has been received then."""
        async with self._one_at_a_time:
            parts = await self.ask("time", self.client.reqCurrentTime, Priority.ORDER, "the time")
        return int(parts[0])

    async def ask_orders(self) -> None:
        """Have all open and completed orders and all executions of the day told to the listener."""
        async with self._one_at_a_time:
            order = Priority.ORDER
            await self.ask("open orders", self.client.reqAllOpenOrders, order, "open orders")
            await self.ask("completed orders", lambda: self.client.reqCompletedOrders(False), order, "completed orders")
            number = self.next_id()
            wanted = self._library.execution_filter()
            await self.ask(number, lambda: self.client.reqExecutions(number, wanted), order, "executions")

    async def ask_positions(self) -> list[tuple[str, Any, float]]:
        """Return account, contract and quantity of all positions."""
        async with self._one_at_a_time:
            parts = await self.ask("positions", self.client.reqPositions, Priority.ORDER, "positions")
            await self.post(self.client.cancelPositions)
        return parts

    async def ask_account(self, account: str, *, whole: bool = False) -> dict[tuple[str, str], str]:
        """Return the account's values by key and currency; newer builds mark ledger keys with a prefix.

        Args:
            whole: margin and the like too, not only what is kept in each currency.
        """
        number = self.next_id()
        parts = await self.ask(
            number,
            lambda: self.client.reqAccountUpdatesMulti(number, account, "", not whole),
            Priority.ORDER,
            f"the values of account {account}",
        )
        await self.post(lambda: self.client.cancelAccountUpdatesMulti(number))
        return {(key.removeprefix("$LEDGER-"), currency): value for of, key, value, currency in parts if of == account}

    async def ask_contracts(self, contract: Any, priority: Priority = Priority.ORDER) -> list[Any]:
        """Return the details of all contracts that fit.

        Raises:
            RequestRefused: 200, there is none.
        """
        number = self.next_id()
        return await self.ask_perhaps(
            number, lambda: self.client.reqContractDetails(number, contract), priority, "a contract"
        )

    async def ask_what_if(self, contract: Any, order: Any) -> Any:
        """Return the OrderState of an order that says `whatIf`; its `initMarginChange` is a number.

        It takes its turn behind orders and cancels.

        Raises:
            BrokerUnavailable: no answer within the time, or the socket closed.
            RequestRefused: IB would not take such an order.
        """
        await self.take(Priority.DATA)
        number = self.next_id()  # not before: IB wants ids of orders to rise as they arrive
        send = partial(self.client.placeOrder, number, contract, order)
        return (await self._answer(number, send, "a what-if order"))[0]

    async def ask_market_rule(self, rule_id: int) -> list[Any]:
        """Return the price steps of a market rule."""
        async with self._one_at_a_time:
            key = f"market rule {rule_id}"
            return await self.ask(key, lambda: self.client.reqMarketRule(rule_id), Priority.ORDER, key)

    async def ask_bars(self, contract: Any, ends: str, duration: str, size: str, what: str) -> list[Any]:
        """Return historical bars of regular hours.

        Raises:
            RequestRefused: 162 (none, or too many questions), 200, 354.
        """
        number = self.next_id()
        return await self.ask_perhaps(
            number,
            lambda: self.client.reqHistoricalData(number, contract, ends, duration, size, what, True, 1, False, []),
            Priority.BACKFILL,
            "bars",
        )

    async def ask_option_terms(self, underlying: Any) -> list[Any]:
        """Return exchange, trading class, multiplier and expiries (yyyymmdd) of the options on a contract."""
        number = self.next_id()
        return await self.ask(
            number,
            lambda: self.client.reqSecDefOptParams(number, underlying.symbol, "", underlying.secType, underlying.conId),
            Priority.DATA,
            f"the options on {underlying.symbol}",
        )

    async def ask_snapshot(self, contract: Any) -> list[Any]:
        """Return the ticks of a contract at this moment; IB takes up to 11 s to know that there are no more.

        It is no regulatory snapshot, for each of which IB takes a fee.

        Raises:
            RequestRefused: 200, 354 (not paid for), 101 (no line is free), 10197 (another session has the data).
        """
        number = self.next_id()
        self.receiver.snapshots.add(number)
        try:
            return await self.ask_perhaps(
                number,
                lambda: self.client.reqMktData(number, contract, "", True, False, []),
                Priority.DATA,
                f"a quote of {contract.localSymbol or contract.symbol}",
            )
        finally:
            self.receiver.snapshots.discard(number)


__all__ = ["NAME", "Connection", "RequestRefused", "SocketLost"]
