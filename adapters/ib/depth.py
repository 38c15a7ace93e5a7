"""Order books from Interactive Brokers: reqMktDepth, SMART-routed over all exchanges where the symbol is."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from adapters.ib.connection import NAME, Connection
from adapters.ib.contracts import ContractRefused
from adapters.ib.depth_rows import ROWS, DepthLine
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.link import FEED_LOST
from adapters.ib.quotes import as_a_source
from adapters.ib.receiver import is_notice
from adapters.ib.session import IbSession
from adapters.ib.sessions import Sessions, process_sessions
from adapters.request_budget import Priority, RequestBudget
from trading.errors import BrokerUnavailable, InvalidValue, UnknownSymbol
from trading.market.depth import OrderBook

MOST_BOOKS = 3  # what IB gives to a user without quote boosters, over all of its sessions
_TOO_MANY, _RESET, _LACKS = 309, 317, 2152
_LOST = "the connection to IB was lost"
_SETTLED_AFTER = 0.1  # seconds; the rows of one change come together


class IbDepth:
    """Order books of some symbols.

    After a reconnect, 1101 and 2104 all are asked for anew. Of a book that was refused, that was halted, or of which a
    change does not fit its rows, the error is shown; it is empty until it is subscribed anew.

    Args:
        sessions: the process's own unless given.
    """

    def __init__(
        self,
        *,
        settings: IbSettings,
        now: Callable[[], datetime],
        budget: RequestBudget | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        self._settings, self._now, self._budget = settings, now, budget
        self._sessions = sessions or process_sessions()
        self._lines: dict[str, DepthLine] = {}
        self._unsettled: set[DepthLine] = set()
        self._session: IbSession | None = None
        self._connection: Connection | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have the books of these symbols too; what IB says against one is the error of its book.

        Raises:
            InvalidValue: more than IB gives; nothing was subscribed.
            UnknownSymbol: IB does not know some; the others are subscribed.
            SourceUnavailable: IB cannot be asked.
        """
        with as_a_source():
            await self._sessions.owner.run(self._subscribe(symbols))

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Have no more of them.

        Raises:
            SourceUnavailable: the connection was lost over it; they are gone all the same.
        """
        with as_a_source():
            await self._sessions.owner.run(self._unsubscribe(symbols))

    def books(self) -> Mapping[str, OrderBook]:
        """Return the book of every symbol subscribed; in any thread."""
        is_open = self._connection is not None and self._connection.is_open
        shown = {symbol: line.shown for symbol, line in tuple(self._lines.items())}
        if is_open:
            return shown
        return {symbol: OrderBook(symbol=symbol, error=_LOST) for symbol in shown}

    async def close(self) -> None:
        """Give all books back; the connection is the process's own, and stays."""
        await self._sessions.owner.run(self._close())

    # -- on the owner's loop

    async def _ready(self) -> tuple[IbSession, Connection]:
        session, _ = self._sessions.get(
            self._settings, Role.DATA, None, now=self._now, budget=self._budget, on_transition=None
        )
        if session is not self._session:
            self._session = session
            session.on_subscriptions_lost.append(self._renew_all_soon)
            session.on_error.append(self._said)
        connection = await session.ready()
        if connection is not self._connection:
            for line in self._lines.values():
                line.give_up(_LOST)
            self._connection = connection
        return session, connection

    async def _subscribe(self, symbols: Sequence[str]) -> None:
        async with self._one_at_a_time:
            new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._lines]
            if len(self._lines) + len(new) > MOST_BOOKS:
                rule = f"at most {MOST_BOOKS}, which is what IB gives to a user; unsubscribe some"
                raise InvalidValue("order books", len(self._lines) + len(new), rule)
            session, connection = await self._ready()
            refused: dict[str, str] = {}
            for symbol in new:
                try:
                    await self._open_line(session, connection, DepthLine(symbol))
                except ContractRefused as exc:
                    refused[symbol] = str(exc)
            if refused:
                raise UnknownSymbol(refused, f"{NAME} ({'; '.join(refused.values())})")

    async def _open_line(self, session: IbSession, connection: Connection, line: DepthLine) -> None:
        line.contract = contract = (await session.contracts.look_up(connection, line.symbol)).contract
        line.begin(number := connection.next_id())
        self._lines[line.symbol] = line
        connection.receiver.on_depth[number] = partial(self._heard, line)
        client, is_smart = connection.client, contract.exchange == "SMART"
        await connection.post(lambda: client.reqMktDepth(number, contract, ROWS, is_smart, []), Priority.DATA)

    async def _unsubscribe(self, symbols: Sequence[str]) -> None:
        async with self._one_at_a_time:
            gone = [line for symbol in symbols if (line := self._lines.pop(symbol, None)) is not None]
            if self._connection is None or not self._connection.is_open:
                return  # a connection that is gone has no books
            for line in gone:  # where the link behind the gateway is lost too: else they would count for ever
                await self._close_line(self._connection, line)

    async def _close_line(self, connection: Connection, line: DepthLine) -> None:
        number, is_smart = line.number, line.contract.exchange == "SMART"
        line.begin(0)
        if connection.receiver.on_depth.pop(number, None) is not None:
            await connection.post(lambda: connection.client.cancelMktDepth(number, is_smart), Priority.DATA)

    async def _close(self) -> None:
        with suppress(BrokerUnavailable):  # a connection that is gone has no books
            await self._unsubscribe(tuple(self._lines))
        if self._session is not None:
            self._session.on_subscriptions_lost.remove(self._renew_all_soon)
            self._session.on_error.remove(self._said)
            self._session = None

    def _renew_all_soon(self) -> None:
        self._renewing = asyncio.create_task(self._renew_all())

    async def _renew_all(self) -> None:
        try:
            async with self._one_at_a_time:
                if not self._lines:
                    return
                session, connection = await self._ready()
                for line in tuple(self._lines.values()):
                    await self._renew(session, connection, line)
        except BrokerUnavailable:
            return  # the connection is gone again; its return brings us here once more

    async def _renew(self, session: IbSession, connection: Connection, line: DepthLine) -> None:
        await self._close_line(connection, line)
        try:
            await self._open_line(session, connection, line)
        except ContractRefused as exc:
            line.give_up(str(exc))

    # -- what IB tells

    def _heard(self, line: DepthLine, position: int, operation: int, side: int, price: float, size: float) -> None:
        if line.take(position, operation, side, price, size, self._now()) and line not in self._unsettled:
            self._unsettled.add(line)
            self._settle_soon(line)

    def _settle_soon(self, line: DepthLine) -> None:
        asyncio.get_running_loop().call_later(_SETTLED_AFTER, self._settle, line)

    def _settle(self, line: DepthLine) -> None:
        if line.settle():
            self._settle_soon(line)
        else:
            self._unsettled.discard(line)

    def _said(self, number: int, code: int, text: str) -> None:
        if code in FEED_LOST:
            for each in self._lines.values():
                each.give_up(f"{code}: {text}")
            return
        line = next((each for each in self._lines.values() if each.number == number), None)
        if line is None:
            return
        if code == _RESET:
            line.reset()
        elif code == _LACKS:
            line.lack(text)
        elif code == _TOO_MANY:
            line.give_up(f"{code}: {text}; IB gives a user {MOST_BOOKS} by default, over all of its sessions and TWS")
        elif not is_notice(code):
            line.give_up(f"{code}: {text}")
