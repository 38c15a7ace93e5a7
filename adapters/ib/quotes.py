"""Quotes: market data lines, kept alive, counted, and never taken for fresh when they are not."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from adapters.ib.connection import NAME, Connection
from adapters.ib.contracts import ContractRefused
from adapters.ib.ib_settings import IbSettings, Role
from adapters.ib.quote_lines import NUMBERS, TRADES, WITH_TRADES, QuoteLine
from adapters.ib.session import IbSession
from adapters.ib.sessions import Sessions, process_sessions
from adapters.request_budget import Priority, RequestBudget
from adapters.tick_tap import TickTap
from trading.errors import BrokerUnavailable, InvalidValue, SourceUnavailable, UnknownSymbol
from trading.market.quotes import Quote, QuoteKind


class IbQuotes:
    """Streaming quotes of some symbols.

    Lines are a user's, over all of its sessions; what is above them is refused here and not at IB. After a reconnect,
    1101 and 2104 all are subscribed anew. A line can die without a word: ask `stale` and have it `renewed`.

    Args:
        wanted: what IB is asked for where live data are not to be had.
        sessions: the process's own unless given.
        tap: gets every tick. IB tells bid and ask one after the other: those that come together are one quote, and
            there is none before both were told. Trades are those of RTVolume, with IB's time, which has all but those
            of indices and currencies, and none of delayed data. Sizes are those that IB sends: shares, unless TWS is
            set to "send market data in lots", which nothing tells us.
    """

    def __init__(
        self,
        *,
        settings: IbSettings,
        now: Callable[[], datetime],
        wanted: QuoteKind = QuoteKind.LIVE,
        budget: RequestBudget | None = None,
        sessions: Sessions | None = None,
        tap: TickTap | None = None,
    ) -> None:
        self._settings, self._now, self._wanted, self._budget, self._tap = settings, now, wanted, budget, tap
        self._sessions = sessions or process_sessions()
        self._lines: dict[str, QuoteLine] = {}
        self._by_number: dict[int, QuoteLine] = {}
        self._untold: dict[QuoteLine, set[int]] = {}  # the prices told of a quote that is not passed on yet
        self._session: IbSession | None = None
        self._connection: Connection | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()  # two renewals at once would leave a line open that nobody knows

    async def subscribe(self, symbols: Sequence[str]) -> None:
        """Have quotes of these symbols too.

        Raises:
            InvalidValue: more symbols than lines; nothing was subscribed.
            UnknownSymbol: IB does not know some; the others are subscribed.
            SourceUnavailable: IB cannot be asked.
        """
        with as_a_source():
            await self._sessions.owner.run(self._subscribe(symbols))

    async def unsubscribe(self, symbols: Sequence[str]) -> None:
        """Give the lines of these symbols back.

        Raises:
            SourceUnavailable: IB cannot be asked.
        """
        with as_a_source():
            await self._sessions.owner.run(self._unsubscribe(symbols))

    def quotes(self) -> Mapping[str, Quote]:
        """Return what was last heard of every symbol subscribed."""
        return {line.symbol: line.quote() for line in tuple(self._lines.values())}

    def stale(self, after: timedelta) -> tuple[str, ...]:
        """Return the symbols of which nothing was heard for that long, or ever."""
        oldest = self._now() - after
        return tuple(sorted(q.symbol for q in self.quotes().values() if q.at is None or q.at < oldest))

    async def renew(self, symbols: Sequence[str]) -> None:
        """Subscribe lines anew, such as those that went stale.

        Raises:
            SourceUnavailable: IB cannot be asked.
        """
        with as_a_source():
            await self._sessions.owner.run(self._renew(symbols))

    async def close(self) -> None:
        """Give all lines back; the connection is the process's own, and stays."""
        symbols = tuple(self._lines)
        try:
            if symbols:
                await self.unsubscribe(symbols)
        except SourceUnavailable:
            self._lines.clear()  # where there is no connection there are no lines, and a new one must not have them

    async def _ready(self) -> tuple[IbSession, Connection]:
        session, _ = self._sessions.get(
            self._settings, Role.DATA, None, now=self._now, budget=self._budget, on_transition=None
        )
        if session is not self._session:
            self._session = session
            session.on_subscriptions_lost.append(self._renew_all_soon)
            session.on_error.append(self._refused)
        connection = await session.ready()
        if connection is not self._connection:
            self._connection = connection
            self._by_number.clear()
            connection.receiver.on_quote = self._heard
            await connection.post(lambda: connection.client.reqMarketDataType(NUMBERS[self._wanted]), Priority.DATA)
        return session, connection

    async def _subscribe(self, symbols: Sequence[str]) -> None:
        new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._lines]
        if len(self._lines) + len(new) > self._settings.quote_lines:
            rule = f"at most {self._settings.quote_lines}, the lines of this user; unsubscribe some, or book more at IB"
            raise InvalidValue("market data lines", len(self._lines) + len(new), rule)
        async with self._one_at_a_time:
            session, connection = await self._ready()
            refused: dict[str, str] = {}
            for symbol in new:
                try:
                    await self._open_line(session, connection, QuoteLine(symbol))
                except ContractRefused as exc:
                    refused[symbol] = str(exc)
            if refused:
                raise UnknownSymbol(refused, f"{NAME} ({'; '.join(refused.values())})")

    async def _open_line(self, session: IbSession, connection: Connection, line: QuoteLine) -> None:
        listed = await session.contracts.look_up(connection, line.symbol)
        line.begin(connection.next_id())
        self._lines[line.symbol] = self._by_number[line.number] = line
        client = connection.client
        extras = TRADES if self._tap is not None and listed.contract.secType in WITH_TRADES else ""
        await connection.post(
            lambda: client.reqMktData(line.number, listed.contract, extras, False, False, []), Priority.DATA
        )

    async def _unsubscribe(self, symbols: Sequence[str]) -> None:
        async with self._one_at_a_time:
            _, connection = await self._ready()
            for symbol in symbols:
                if (line := self._lines.pop(symbol, None)) is not None:
                    await self._close_line(connection, line)

    async def _close_line(self, connection: Connection, line: QuoteLine) -> None:
        if self._by_number.pop(line.number, None) is not None:
            await connection.post(lambda: connection.client.cancelMktData(line.number), Priority.DATA)

    async def _renew(self, symbols: Sequence[str]) -> None:
        async with self._one_at_a_time:
            session, connection = await self._ready()
            for line in [self._lines[symbol] for symbol in symbols if symbol in self._lines]:
                await self._close_line(connection, line)
                await self._open_line(session, connection, line)

    def _renew_all_soon(self) -> None:
        self._renewing = asyncio.create_task(self._renew_all())

    async def _renew_all(self) -> None:
        try:
            await self._renew(tuple(self._lines))
        except BrokerUnavailable:
            return  # the connection is gone again; its return brings us here once more

    def _heard(self, number: int, what: str, value: Any) -> None:
        line = self._by_number.get(number)
        if line is None:
            return
        if what == "px" and value[0] in self._untold.get(line, ()):
            self._pass_on_quote(line)  # a price that is told again is of another quote
        line.take(what, value)
        line.at = self._now()
        if self._tap is not None:
            self._pass_on(self._tap, line, what, value)

    def _pass_on(self, tap: TickTap, line: QuoteLine, what: str, value: Any) -> None:
        """Tell the tap a trade at once, and a quote when all that came with it was heard."""
        if what == "text":
            if (trade := line.new_trade(*value)) is not None and line.at is not None:
                tap.trade(line.symbol, *trade, line.at)
            return
        if not self._untold:
            asyncio.get_running_loop().call_soon(self._pass_on_quotes)
        told = self._untold.setdefault(line, set())
        if what == "px":
            told.add(value[0])

    def _pass_on_quotes(self) -> None:
        for line in tuple(self._untold):
            self._pass_on_quote(line)

    def _pass_on_quote(self, line: QuoteLine) -> None:
        del self._untold[line]
        if self._tap is not None and line.at is not None and (quote := line.new_quote()) is not None:
            self._tap.quote(line.symbol, *quote, None, line.at)

    def _refused(self, number: int, code: int, text: str) -> None:
        if (line := self._by_number.get(number)) is not None and code != 10167:
            line.error = f"{code}: {text}"


@contextmanager
def as_a_source() -> Iterator[None]:
    """Have what is wrong with the broker be wrong with the source."""
    try:
        yield
    except BrokerUnavailable as exc:
        raise SourceUnavailable(NAME, exc.why) from exc
