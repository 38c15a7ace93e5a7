"""Who is told what: order events, fills, accounts; and the link to the broker, behind which all this waits."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ib_gateway.account_requests import post_account, post_position
from ib_gateway.executions import Execution
from ib_gateway.orders import Order
from ib_gateway.wire import Field

if TYPE_CHECKING:
    from ib_gateway.client import Client
    from ib_gateway.gateway import Gateway

Words = Callable[[], None]
CONNECTION_LOST = 1100
RESTORED_WITHOUT_DATA = 1101
RESTORED = 1102
RESTORED_TEXTS = {
    RESTORED_WITHOUT_DATA: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    RESTORED: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
}


class Teller:
    """Tells clients what happened, in the order in which it happened.

    Attributes:
        is_linked: whether the gateway itself reaches the broker; while not, orders wait and reports are late.
        profit_watchers: subscriptions to profit and loss, told again after each fill.
    """

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self.is_linked = True
        self.profit_watchers: dict[tuple[Client, int], Words] = {}
        self._accounts_timer: asyncio.TimerHandle | None = None
        self._late: list[Words] = []
        self._waiting: list[Words] = []

    def order(self, order: Order) -> None:
        """Tell that an order is new or changed."""
        self._gateway.journal.note(order)
        self._say(lambda: self._order(order))

    def _order(self, order: Order) -> None:
        for client in self._watchers(order.client_id, order.order_id):
            client.post(5, *order.open_fields(client.server_version))
            client.post(3, *order.status_fields())

    def owner(self, order: Order, code: int, text: str) -> None:
        """Tell an order's own client an error or a warning about it."""
        owner = self._gateway.client(order.client_id)
        if owner is not None:
            self._say(lambda: owner.tell(order.order_id, code, text))

    def fill(self, order: Order, executions: list[Execution]) -> None:
        """Tell a fill: executions, the order's new state, commissions, the account."""
        self._gateway.journal.note(order)
        self._say(lambda: self._fill(order, executions))

    def _fill(self, order: Order, executions: list[Execution]) -> None:
        for client in self._watchers(order.client_id, order.order_id):
            costs = [execution.commission_report() for execution in executions if execution.moves_position]
            if self._gateway.settings.commission_first:
                self._post_all(client, 59, costs)
            self._post_all(client, 11, [execution.details(-1, client.server_version) for execution in executions])
            client.post(5, *order.open_fields(client.server_version))
            client.post(3, *order.status_fields())
            if not self._gateway.settings.commission_first:
                self._post_all(client, 59, costs)
        self._account_of(order, executions)

    def _post_all(self, client: "Client", msg_id: int, messages: list[list[Field]]) -> None:
        for fields in messages:
            client.post(msg_id, *fields)

    def _account_of(self, order: Order, executions: list[Execution]) -> None:
        account = self._gateway.accounts[order.account]
        for client in self._gateway.clients:
            for con_id in {e.contract.con_id for e in executions if e.moves_position and client.wants_positions}:
                if con_id in account.positions:
                    post_position(client, account, account.positions[con_id])
        if self._accounts_timer is None:
            loop = asyncio.get_running_loop()
            self._accounts_timer = loop.call_later(self._gateway.settings.account_seconds, self._accounts)

    def _accounts(self) -> None:
        """Tell accounts and profits to those who asked, once for all fills of the last moment."""
        self._accounts_timer = None
        for client in self._gateway.clients:
            if client.account_updates is not None:
                post_account(client, self._gateway.accounts[client.account_updates])
        for words in tuple(self.profit_watchers.values()):
            words()

    def stop(self) -> None:
        """Forget what would be told later."""
        if self._accounts_timer is not None:
            self._accounts_timer.cancel()
            self._accounts_timer = None

    def _watchers(self, client_id: int, order_id: int) -> list["Client"]:
        """Return its own client, the master, and for an order by hand the client that binds those."""
        by_hand = order_id <= 0
        master = self._gateway.settings.master_client_id
        return [
            client
            for client in self._gateway.clients
            if (client.client_id == client_id and not by_hand)
            or client.client_id == master
            or (by_hand and client.binds_manual_orders)
        ]

    def may_see_commission(self, client: "Client", execution: Execution) -> bool:
        """Return whether asking for executions brings this one's commission too."""
        own = client.client_id in {execution.client_id, self._gateway.settings.master_client_id}
        return own or self._gateway.settings.commissions_to_all

    def everyone(self, code: int, text: str) -> None:
        """Tell all clients a notice."""
        for client in self._gateway.clients:
            client.tell(-1, code, text)

    # the link to the broker

    def _say(self, words: Words) -> None:
        if self.is_linked:
            words()
        else:
            self._late.append(words)

    def when_linked(self, words: Words) -> None:
        """Do what needs the broker: now, or when the link is back."""
        if self.is_linked:
            words()
        else:
            self._waiting.append(words)

    def lose_link(self) -> None:
        """Lose the broker: working orders go on there, reports come late, new requests wait."""
        self.is_linked = False
        self.everyone(CONNECTION_LOST, "Connectivity between IBKR and Trader Workstation has been lost.")

    def restore_link(self, code: int = RESTORED) -> None:
        """Have the broker back: 1101 with the data subscriptions lost, 1102 with them kept."""
        if self.is_linked:
            return
        self.is_linked = True
        self.everyone(code, RESTORED_TEXTS[code])
        if code == RESTORED_WITHOUT_DATA:
            for client in self._gateway.clients:
                client.end_subscriptions()
        late, self._late = self._late, []
        waiting, self._waiting = self._waiting, []
        for words in late + waiting:
            words()
