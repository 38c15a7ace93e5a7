"""The life of orders: accepted, held, working, triggered, filled, changed, canceled."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ib_gateway import fills, linked
from ib_gateway.admission import Refusal, refusal_of, refusal_of_change
from ib_gateway.contracts import Contract
from ib_gateway.executions import Execution, ExecutionIds
from ib_gateway.margins import what_if
from ib_gateway.matching import Prices, fill_price, is_elected, trail
from ib_gateway.order_layout import OrderFields
from ib_gateway.orders import Order, Status, contract_of
from ib_gateway.trading_hours import is_over, opens_next, waits_for_close, waits_for_opening, works_now

if TYPE_CHECKING:
    from ib_gateway.client import Client
    from ib_gateway.gateway import Gateway

log = logging.getLogger(__name__)
FIRST_CHANGEABLE = frozenset({Status.PENDING_SUBMIT, Status.PRE_SUBMITTED, Status.SUBMITTED})


def _kind(order: Order) -> tuple[int, str, str]:
    return order.contract.con_id, order.side, order.account


class Exchange:
    """All orders of a gateway, and what the market does to them.

    Attributes:
        orders: every order ever accepted, by permanent id, in the order of acceptance.
        highest: the highest order id each client used; a new one must be above.
    """

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        self.orders: dict[int, Order] = {}
        self.highest: dict[int, int] = {}
        self.ids = ExecutionIds(gateway.settings.seed)
        self.executed = 0
        self._open: dict[int, Order] = {}
        self._alike: dict[tuple[int, str, str], dict[int, Order]] = {}
        self._by_client: dict[tuple[int, int], int] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self._coming: dict[int, int] = {}

    # what is there

    def working(self) -> Iterator[Order]:
        """Return the orders that can still change, oldest first."""
        for order in tuple(self._open.values()):
            if order.is_done:
                self._open.pop(order.perm_id, None)
            else:
                yield order

    def working_like(self, order: Order) -> int:
        """Count the other working orders of the same contract, side and account."""
        like = self._alike.get(_kind(order), {})
        for other in tuple(like.values()):
            if other.is_done:
                del like[other.perm_id]
        return len(like) - (order.perm_id in like)

    def known(self, client_id: int, order_id: int) -> Order | None:
        """Return the order a client means by a number."""
        perm_id = self._by_client.get((client_id, order_id))
        return None if perm_id is None else self.orders[perm_id]

    def next_order_id(self, client_id: int) -> int:
        """Return the number a client may use next."""
        return max(self.highest.get(client_id, 0) + 1, self.gateway.settings.first_order_id)

    def executions(self) -> list[Execution]:
        """Return all executions and their corrections, as they happened."""
        found = [execution for order in self.orders.values() for execution in order.executions]
        return sorted(found, key=lambda execution: execution.sequence)

    def adopt(self, orders: Iterable[Order]) -> None:
        """Put in the orders that are known from before a restart of the process."""
        for order in orders:
            self._put(order)
        executions = self.executions()
        self.executed = max((execution.sequence for execution in executions), default=0)
        self.ids.skip(len({execution.exec_id.split(".")[1] for execution in executions}))

    def _put(self, order: Order) -> None:
        self.orders[order.perm_id] = order
        if not order.is_done:
            self._open[order.perm_id] = order
            self._alike.setdefault(_kind(order), {})[order.perm_id] = order
        if order.order_id > 0:
            self._by_client[order.client_id, order.order_id] = order.perm_id
            self.highest[order.client_id] = max(self.highest.get(order.client_id, 0), order.order_id)

    def forget_used_ids(self) -> None:
        """Begin the order ids anew, as a restarted gateway may: only working orders keep their numbers."""
        self.highest.clear()
        self._by_client = {key: perm for key, perm in self._by_client.items() if not self.orders[perm].is_done}

    # what clients ask

    def place(self, client: "Client", order_id: int, fields: OrderFields) -> None:
        """Take a new order, or a change of one that works."""
        old = self.known(client.client_id, order_id)
        if fields.get("whatIf") == "1":
            self._preview(client, order_id, fields)
        elif old is not None and not old.is_done:
            self._change(client, old, fields)
        elif old is not None and old.status is Status.FILLED:
            client.tell(order_id, 104, "Cannot modify a filled order.")
        elif order_id <= self.highest.get(client.client_id, 0):
            client.tell(order_id, 103, "Duplicate order id")
        else:
            self._take(client, order_id, fields)

    def _take(self, client: "Client", order_id: int, fields: OrderFields) -> None:
        self.highest[client.client_id] = order_id
        order = self._built(client, order_id, fields)
        refusal = order if isinstance(order, Refusal) else refusal_of(self.gateway, order)
        if refusal is not None:
            client.tell(order_id, refusal.code, refusal.text)
            return
        if isinstance(order, Order):
            self.accept(order)

    def _built(self, client: "Client", order_id: int, fields: OrderFields) -> Order | Refusal:
        named = contract_of(fields)
        found = self.gateway.find_for_order(named)
        if isinstance(found, str):
            return Refusal(200, found)
        if not fields.get("account") and self.gateway.settings.supplies_account and len(self.gateway.accounts) == 1:
            fields.scalars["account"] = next(iter(self.gateway.accounts))
        return Order(
            perm_id=self.next_perm_id(),
            order_id=order_id,
            client_id=client.client_id,
            contract=found,
            fields=fields,
            entered_at=self.gateway.now(),
        )

    def next_perm_id(self) -> int:
        """Return the account's next permanent id."""
        return max(self.orders, default=self.gateway.settings.first_perm_id - 1) + 1

    def _preview(self, client: "Client", order_id: int, fields: OrderFields) -> None:
        if self.known(client.client_id, order_id) is None:
            if order_id <= self.highest.get(client.client_id, 0):
                client.tell(order_id, 103, "Duplicate order id")
                return
            self.highest[client.client_id] = order_id  # strict: whether the broker counts these too is not documented
        order = self._built(client, order_id, fields)
        refusal = order if isinstance(order, Refusal) else refusal_of(self.gateway, order)
        if isinstance(refusal, Refusal):
            client.tell(order_id, refusal.code, refusal.text)
        elif isinstance(order, Order):
            order.status = Status.PRE_SUBMITTED
            client.post(5, *order.open_fields(client.server_version, what_if(self.gateway, order)))

    def accept(self, order: Order) -> None:
        """Let an order in: from here on it exists, whatever happens to the socket."""
        self._put(order)
        linked.join_parent(self, order)
        if not order.said("tif"):
            order.fields.scalars["tif"] = "DAY"
            self.gateway.teller.owner(order, 10349, "Order TIF was set to DAY based on order preset.")
        if order.is_held:
            self.gateway.teller.order(order)
            return
        for released in linked.released_by(self, order):
            self._start(released)

    def _start(self, order: Order) -> None:
        """Begin to work an order that its client has let go."""
        order.fields.scalars["transmit"] = "1"
        order.status = Status.PRE_SUBMITTED
        self._warn(order)
        self.look_at(order, first=True)
        if not order.is_done and order.tif in {"IOC", "FOK"} and self.gateway.settings.fills == "auto":
            self.end(order, Status.CANCELLED, f"{order.tif} not filled at once")

    def _warn(self, order: Order) -> None:
        settings, now = self.gateway.settings, self.gateway.now()
        if (
            order.flag("outsideRth")
            and order.kind in {"MKT", "MOC", "LOC", "STP"}
            and settings.session != "always_open"
        ):
            words = "Attribute 'Outside Regular Trading Hours' is ignored based on the order type and destination."
            self.gateway.teller.owner(order, 2109, f"Order Event Warning: {words} PlaceOrder is now being processed.")
        if not works_now(settings, order, now):
            words = f"{order.side} {order.qty:f} {order.symbol} {order.contract.primary_exchange}"
            until = f"{opens_next(order.contract.sec_type, now):%Y-%m-%d %H:%M:%S} US/Eastern"
            text = f"Order Message:\n{words}\nWarning: Your order will not be placed at the exchange until {until}."
            self.gateway.teller.owner(order, 399, text)

    def _change(self, client: "Client", old: Order, fields: OrderFields) -> None:
        built = self._built(client, old.order_id, fields)
        if isinstance(built, Refusal):
            client.tell(old.order_id, built.code, built.text)
            return
        new = replace(built, perm_id=old.perm_id, filled=old.filled)
        refusal = refusal_of_change(old, new) or refusal_of(self.gateway, new)
        if refusal is not None:
            client.tell(old.order_id, refusal.code, refusal.text)
        elif old.status not in FIRST_CHANGEABLE:
            client.tell(old.order_id, 161, f"Order cannot be changed. Current order state: {old.status.value}")
        elif old.is_held or not new.is_held:
            self._changed(old, fields)
        else:
            self.gateway.teller.order(old)  # a change that its client has not let go: the order works on as it was

    def _changed(self, order: Order, fields: OrderFields) -> None:
        was_held = order.is_held
        if not fields.get("ocaGroup"):  # a bracket's own group, which its client never named
            fields.scalars.update({name: order.said(name) for name in ("ocaGroup", "ocaType")})
        order.fields = fields
        if order.kind in {"TRAIL", "TRAIL LIMIT"}:
            order.trail_px = order.number("trailStopPrice")
        if was_held and not order.is_held:
            for released in linked.released_by(self, order):
                self._start(released)
        elif order.remaining == 0 and order.filled:
            self.end(order, Status.FILLED, "")
        else:
            self.look_at(order, first=True)

    def cancel(self, client: "Client", order_id: int) -> None:
        """Take a client's wish to cancel one of its own orders."""
        order = self.known(client.client_id, order_id)
        if order is None:
            client.tell(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif order.is_done:
            words = f"OrderId {order_id} that needs to be cancelled can not be cancelled, state: {order.status.value}."
            client.tell(order_id, 10148, words)
        else:
            self.ask_cancel(order)

    def cancel_everything(self) -> None:
        """Cancel all that works, of all clients and by hand."""
        for order in self.working():
            if not order.is_done:
                self.ask_cancel(order)

    def ask_cancel(self, order: Order) -> None:
        """Cancel an order, at once or when the confirmation is given by hand."""
        if self.gateway.settings.cancels == "auto":
            self.end(order, Status.CANCELLED, "")
        else:
            order.status = Status.PENDING_CANCEL
            self.gateway.teller.order(order)

    def end(self, order: Order, status: Status, reason: str, code: int = 202) -> None:
        """End an order that is not filled (or is filled by a change of its size), and what hangs on it."""
        order.status = status
        order.completed_at = self.gateway.now()
        order.completed_status = reason or {Status.CANCELLED: "Cancelled by Trader"}.get(status, status.value)
        self.gateway.teller.order(order)
        if status is not Status.FILLED:
            words = "Order Canceled - reason:" if code == 202 else "Order rejected - reason:"
            self.gateway.teller.owner(order, code, f"{words}{reason}")
            linked.cancel_children(self, order)

    # what the market does

    def look(self) -> None:
        """Hold every working order against the market, oldest first."""
        for order in self.working():
            if not order.is_done:
                self.look_at(order)

    def look_at(self, order: Order, *, first: bool = False) -> None:
        """Expire, trigger or fill one order, and tell of it if it changed (or is new)."""
        if order.is_held or order.is_done:
            return
        before = (order.status, order.why_held, order.trail_px)
        if is_over(self.gateway.settings, order, self.gateway.now()):
            self.end(order, Status.CANCELLED, "Order expired")
            return
        price = self._price_now(order)
        if order.is_done:
            return
        if first or before != (order.status, order.why_held, order.trail_px):
            self.gateway.teller.order(order)
        if price is not None and self.gateway.settings.fills == "auto" and not self._coming.get(order.perm_id):
            self._fill_in_slices(order, price)

    def _price_now(self, order: Order) -> Decimal | None:
        """Move an order's state after the market, and return the price it trades at."""
        prices = self.prices(order.contract)
        if not linked.may_work(self, order):
            if order.status is not Status.PENDING_CANCEL:
                order.status = Status.PRE_SUBMITTED
            return None
        trail(order, prices)
        if not works_now(self.gateway.settings, order, self.gateway.now()) or not is_elected(order, prices):
            order.why_held = "trigger" if order.trail_px is not None or order.kind.startswith("STP") else ""
            if order.status is not Status.PENDING_CANCEL:
                order.status = Status.PRE_SUBMITTED
            return None
        order.is_triggered, order.why_held = True, ""
        if order.status is not Status.PENDING_CANCEL:
            order.status = Status.SUBMITTED
        return fill_price(order, prices)

    def prices(self, contract: Contract) -> Prices:
        """Return where a contract, or a combo of contracts, trades now."""
        market, now = self.gateway.market, self.gateway.now()
        is_combo = contract.sec_type == "BAG"
        return Prices.of(market.quote_combo(contract.legs, now) if is_combo else market.quote(contract.con_id, now))

    def _fill_in_slices(self, order: Order, price: Decimal) -> None:
        available = order.remaining
        if self.gateway.settings.liquidity is not None:
            available = min(available, self.gateway.settings.liquidity)
        if order.tif == "FOK" and available < order.remaining:
            return
        slices = min(self.gateway.settings.slices, int(available) or 1)
        each = (available / slices).to_integral_value() if slices > 1 else available
        seconds = self.gateway.settings.slice_seconds
        for number in range(slices):
            quantity = each if number < slices - 1 else available - each * (slices - 1)
            if seconds == 0 or number == 0:
                self.fill(order, quantity, price)
            else:
                self._fill_later(seconds * number, order, quantity, price)

    def fill(self, order: Order, quantity: Decimal, price: Decimal) -> list[Execution]:
        """Fill so much of an order."""
        return fills.fill(self, order, quantity, price)

    def _fill_later(self, seconds: float, order: Order, quantity: Decimal, price: Decimal) -> None:
        self._coming[order.perm_id] = self._coming.get(order.perm_id, 0) + 1

        def now() -> None:
            self._coming[order.perm_id] -= 1
            self.fill(order, quantity, price)

        self._timers.append(asyncio.get_running_loop().call_later(seconds, now))

    def auction(self, kind: Literal["open", "close"]) -> None:
        """Hold the opening or the closing auction for the orders that wait for it."""
        waits = waits_for_opening if kind == "open" else waits_for_close
        for order in [order for order in self.working() if waits(order)]:
            order.is_triggered = True
            self.look_at(order)

    def stop(self) -> None:
        """Forget the fills that would come later."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._coming.clear()
