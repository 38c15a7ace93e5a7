"""The gateway: a server that speaks the TWS protocol, and the levers by which a test moves it."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Self

from ib_gateway import account_requests, market_requests, order_requests
from ib_gateway.accounts import Account
from ib_gateway.client import Client
from ib_gateway.contracts import Contract, UnknownContract
from ib_gateway.exchange import Exchange
from ib_gateway.faults import Faults
from ib_gateway.gateway_settings import GatewaySettings
from ib_gateway.journal import Journal
from ib_gateway.levers import Levers
from ib_gateway.limits import Limits, Pace
from ib_gateway.market import Market
from ib_gateway.names import REQUESTS
from ib_gateway.scenarios import Action, Fault, Scenario
from ib_gateway.telling import RESTORED, Teller
from ib_gateway.wire import Reader, WireError, fields_of, frame, read_frame, read_hello

log = logging.getLogger(__name__)

Handler = Callable[[Client, Reader], Awaitable[None]]
HANDLERS: Final[Mapping[int, Handler]] = MappingProxyType(
    {**order_requests.HANDLERS, **account_requests.HANDLERS, **market_requests.HANDLERS}
)
START_API: Final = 71
# Where an order, a request for a quote, one for a contract and one for market depth have their own number.
NUMBER_AT: Final[Mapping[int, int]] = MappingProxyType({order_requests.PLACE: 1, 1: 2, 9: 2, 10: 2})
FARMS: Final = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)
NO_LINK: Final = (
    (2110, "Connectivity between Trader Workstation and server is broken. It will be restored automatically."),
)
GARBAGE: Final = frame(("\x01\x02", "not", "a", "message"))
HUGE_FRAME: Final = (2**31 - 1).to_bytes(4, "big") + b"\0" * 64


@dataclass(frozen=True, slots=True)
class Message:
    """One message that went over a socket; `way` is `in` from the client, `out` to it."""

    way: str
    client_id: int
    name: str
    fields: tuple[str, ...]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Gateway(Levers):
    """A simulated IB Gateway.

    Orders and accounts live in the gateway: a client that loses its socket and comes back finds them.

    Attributes:
        wire_log: the latest messages of all sockets, both ways, in order.
        accounts: by name.
        clients: those that have started their session.
    """

    def __init__(
        self,
        settings: GatewaySettings | None = None,
        scenario: Scenario | None = None,
        *,
        market: Market | None = None,
        now: Callable[[], datetime] = utc_now,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or GatewaySettings()
        self.market = market or Market(seed=self.settings.seed)
        self.now = now
        self.tick = tick
        self.accounts = {account.name: Account(opening=account) for account in self.settings.accounts}
        self.clients: list[Client] = []
        self.limits = Limits(self.settings, tick)
        self.wire_log: deque[Message] = deque(maxlen=self.settings.wire_log_length)
        self.journal = Journal(self.settings.state_file)
        self.teller = Teller(self)
        self.exchange = Exchange(self)
        self.faults = Faults(self, scenario or Scenario())
        self.port = self.settings.port
        self._server: asyncio.Server | None = None
        self.sockets: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: set[asyncio.Task[None]] = set()

    # its life

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.settings.host

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Read the state file, listen, and begin to look at the market."""
        self.exchange.adopt(self.journal.load().values())
        if self.settings.forget_order_ids:
            self.exchange.forget_used_ids()
        for account in self.accounts.values():
            account.rebuild(e for e in self.exchange.executions() if e.account == account.name)
        await self._listen()
        self.faults.start()
        if self.settings.poll_seconds:
            self._run(self._poll())

    async def stop(self) -> None:
        """Close all sockets and the server."""
        self.faults.stop()
        self.exchange.stop()
        self.teller.stop()
        await self._hang_up()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.journal.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.settings.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop_connections()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _run(self, job: Awaitable[None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("the gateway stopped one of its jobs", exc_info=task.exception())

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            self.exchange.look()

    # one socket

    async def _serve(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        client: Client | None = None
        try:
            newest = await read_hello(stream)
            client = Client(self, writer, min(newest, self.settings.max_server_version))
            self.sockets.add(client)
            await self._talk(client, stream)
        except WireError as exc:
            log.warning("closed a socket: %s", exc)
        except (ConnectionError, asyncio.IncompleteReadError):
            log.debug("a client closed its socket")
        finally:
            self._leave(client)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _leave(self, client: Client | None) -> None:
        if client is None:
            return
        self.sockets.discard(client)
        client.end_subscriptions()
        if client in self.clients:
            self.clients.remove(client)
            self.limits.free_lines_of(client.client_id)

    async def _talk(self, client: Client, stream: asyncio.StreamReader) -> None:
        hello = frame((client.server_version, f"{self.now():%Y%m%d %H:%M:%S} UTC"))
        self.faults.outgoing(client, "handshake", lambda: client.write(hello))
        pace = Pace(self.settings.messages_per_second, self.settings.pacing_strikes, self.tick)
        while client.is_open:
            fields = fields_of(await read_frame(stream))
            name = REQUESTS.get(Reader(fields).integer(), fields[0])
            self.log_message("in", client.client_id, name, tuple(fields[1:]))
            broken = pace.take()
            if broken is None:
                await self._receive(client, name, fields)
                continue
            await client.error(-1, 100, broken)
            if pace.is_over:
                client.close()

    async def _receive(self, client: Client, name: str, fields: list[str]) -> None:
        """Act on one message, or do to it what the scenario says."""
        waiting, client.held_back = client.held_back, []
        fault = self.faults.incoming(client, name)
        if fault is None:
            await self._act(client, fields)
        else:
            await self._do_incoming(client, fault, fields)
        for late in waiting:
            await self._act(client, late)

    async def _do_incoming(self, client: Client, fault: Fault, fields: list[str]) -> None:
        match fault.do:
            case Action.DROP | Action.HANG:
                return
            case Action.REJECT:
                at = NUMBER_AT.get(int(fields[0]))
                await client.error(int(fields[at]) if at is not None else -1, fault.code, fault.text)
            case Action.KILL_BEFORE:
                client.kill()
            case Action.KILL_AFTER:
                await self._act(client, fields)
                client.kill()
            case Action.DELAY:
                self._run(self._act_later(fault.seconds, client, fields))
            case Action.DOUBLE:
                await self._act(client, fields)
                await self._act(client, fields)
            case Action.REORDER:
                client.held_back.append(fields)
            case _:
                await self._act(client, fields)
                self.faults.befall(fault, client)

    async def _act_later(self, seconds: float, client: Client, fields: list[str]) -> None:
        await asyncio.sleep(seconds)
        if client.is_open:  # what was not read of a socket is gone with it
            await self._act(client, fields)

    async def _act(self, client: Client, fields: list[str]) -> None:
        message = Reader(fields, client.server_version)
        msg_id = message.integer()
        if msg_id == START_API:
            await self._start_session(client, message)
        elif client.client_id < 0:
            await client.error(-1, 504, "Not connected")
        elif msg_id not in HANDLERS:
            await client.error(-1, 320, f"Error reading request: message id {msg_id} is not supported here")
        else:
            try:
                await HANDLERS[msg_id](client, message)
            except UnknownContract as exc:
                await client.error(-1, 322, f"Error processing request: {exc}")

    async def _start_session(self, client: Client, message: Reader) -> None:
        message.integer()
        client_id = message.integer()
        if self.client(client_id) is not None or len(self.clients) >= self.settings.max_clients:
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            await client.error(-1, 326, text)
            client.close()
            return
        client.client_id = client_id
        self.clients.append(client)
        await client.send(15, 1, ",".join(self.accounts))
        await client.send(9, 1, self.exchange.next_order_id(client_id))
        for code, text in FARMS if self.teller.is_linked else NO_LINK:
            await client.error(-1, code, text)

    def log_message(self, way: str, client_id: int, name: str, fields: tuple[str, ...]) -> None:
        """Keep a message that went over a socket."""
        self.wire_log.append(Message(way, client_id, name, fields))

    # what its parts ask

    def client(self, client_id: int) -> Client | None:
        """Return the connected client of an id."""
        return next((client for client in self.clients if client.client_id == client_id), None)

    def contract(self, con_id: int) -> Contract:
        """Return a contract in full."""
        return self.market.contract(con_id)

    def knows(self, con_id: str) -> bool:
        """Return whether this is the id of a contract of the catalogue."""
        return con_id.isdigit() and int(con_id) > 0 and bool(self.market.find(Contract(con_id=int(con_id))))

    def last_px(self, con_id: int) -> Decimal | None:
        """Return the last price of a contract."""
        return self.market.quote(con_id, self.now()).last

    def mark(self, contract: Contract) -> Decimal:
        """Return the price that positions are valued at."""
        return self.market.quote(contract.con_id, self.now()).last

    # what goes wrong

    async def restart(self, *, roll_back_ids: bool = False, seconds: float = 0.0) -> None:
        """Go away and come back on the same port; orders stay, and the order ids may begin anew."""
        await self.go_away()
        if roll_back_ids:
            self.exchange.forget_used_ids()
        await asyncio.sleep(seconds)
        await self.come_back()

    async def go_away(self) -> None:
        """Reset all sockets and refuse new ones; orders go on trading."""
        await self._hang_up()

    async def come_back(self) -> None:
        """Listen again, on the same port."""
        await self._listen()

    def befall(self, fault: Fault, client: Client | None) -> None:
        """Bring about a fault that is not about the message it came with."""
        if fault.do is Action.RESTART:
            self._run(self.restart(roll_back_ids=fault.roll_back_ids, seconds=fault.seconds))
        elif fault.do is Action.LOSE_LINK:
            self.lose_link()
            if fault.seconds:
                self.faults.later(fault.seconds, lambda: self.restore_link(fault.code or RESTORED))
        elif fault.do is Action.RESTORE_LINK:
            self.restore_link(fault.code or RESTORED)
        elif fault.do is Action.LIQUIDATE:
            if self.positions().get(fault.symbol):
                self.liquidate(fault.symbol)
        elif fault.do is Action.MANUAL_ORDER:
            self.place_manual(fault.symbol, Decimal(str(fault.quantity)))
        else:
            self._befall_sockets(fault, client)

    def _befall_sockets(self, fault: Fault, client: Client | None) -> None:
        for each in [client] if client is not None else tuple(self.clients):
            if fault.do is Action.SAY:
                each.tell(-1, fault.code, fault.text)
            elif fault.do is Action.GARBAGE:
                each.write(GARBAGE)
            elif fault.do is Action.HUGE_FRAME:
                each.write(HUGE_FRAME)
            elif fault.do in {Action.KILL_BEFORE, Action.KILL_AFTER, Action.CLOSE_SESSION}:
                each.kill()
