"""One connected client: its socket, its id, what it has subscribed to."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ib_gateway.names import ANSWERS
from ib_gateway.wire import Field, frame, spelt

if TYPE_CHECKING:
    from ib_gateway.gateway import Gateway

Cancel = Callable[[], None]


class Client:
    """A client's end of a connection.

    Attributes:
        client_id: -1 until the client has started its session.
        server_version: the protocol version agreed on; every layout depends on it.
        market_data_type: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
        subscriptions: what runs for this client, by kind and request id, with the call that ends it; data
            subscriptions are ended when the socket closes and when the data of the market are lost (1101).
        depth_contracts: the contract of each running request for market depth.
        binds_manual_orders: orders placed by hand are given to this client (client 0 only).
        account_updates: the account whose values and portfolio are streamed to this client.
        wants_positions: positions are streamed to this client.
        held_back: messages of this client that a scenario lets act only after its next one.
    """

    def __init__(self, gateway: "Gateway", writer: asyncio.StreamWriter, server_version: int) -> None:
        self.gateway = gateway
        self.server_version = server_version
        self.client_id = -1
        self.market_data_type = 1
        self.subscriptions: dict[tuple[str, int], Cancel] = {}
        self.depth_contracts: dict[int, int] = {}
        self.binds_manual_orders = False
        self.account_updates: str | None = None
        self.wants_positions = False
        self.held_back: list[list[str]] = []
        self._writer = writer

    @property
    def is_open(self) -> bool:
        """Whether something can still be sent to it."""
        return not self._writer.is_closing()

    async def send(self, msg_id: int, *fields: Field) -> None:
        """Send one message, and wait while the socket's buffer is full."""
        self.post(msg_id, *fields)
        if self.is_open:
            await self._writer.drain()

    def post(self, msg_id: int, *fields: Field) -> None:
        """Send one message without waiting, by way of the scenario's faults."""
        name = ANSWERS.get(msg_id, str(msg_id))
        texts = tuple(map(spelt, fields))
        self.gateway.faults.outgoing(self, name, lambda: self._deliver(name, msg_id, texts))

    def _deliver(self, name: str, msg_id: int, texts: tuple[str, ...]) -> None:
        if self.is_open:
            self.gateway.log_message("out", self.client_id, name, texts)
            self._writer.write(frame((str(msg_id), *texts)))

    def write(self, raw: bytes) -> None:
        """Put bytes on the socket as they are: the handshake, and what no gateway should send."""
        if self.is_open:
            self._writer.write(raw)

    async def error(self, req_id: int, code: int, text: str) -> None:
        """Send an error message (id 4); `req_id` -1 is a notice that belongs to no request."""
        self.tell(req_id, code, text)
        if self.is_open:
            await self._writer.drain()

    def tell(self, req_id: int, code: int, text: str, advanced: str = "") -> None:
        """Send an error message without waiting; `advanced` is the JSON of newer versions."""
        self.post(4, 2, req_id, code, text, *((advanced,) if self.server_version >= 166 else ()))

    def subscribe(self, kind: str, req_id: int, cancel: Cancel) -> None:
        """Remember a subscription; one of the same kind and id is ended first."""
        self.unsubscribe(kind, req_id)
        self.subscriptions[kind, req_id] = cancel

    def unsubscribe(self, kind: str, req_id: int) -> bool:
        """End a subscription; False if there is none."""
        cancel = self.subscriptions.pop((kind, req_id), None)
        if cancel is not None:
            cancel()
        return cancel is not None

    def end_subscriptions(self) -> None:
        """End all of them."""
        for kind, req_id in tuple(self.subscriptions):
            self.unsubscribe(kind, req_id)

    def kill(self) -> None:
        """Reset the connection: what is still in the socket's buffer is lost."""
        self._writer.transport.abort()

    def close(self) -> None:
        """Close the connection once what was written is sent."""
        self._writer.close()
