"""The levers of a gateway: what a test, a scenario or a person makes happen by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ib_gateway import fills
from ib_gateway.accounts import Account, Position
from ib_gateway.contracts import Contract
from ib_gateway.executions import Execution
from ib_gateway.market import Market
from ib_gateway.order_layout import OrderFields
from ib_gateway.orders import Order, Status
from ib_gateway.telling import RESTORED, Teller
from ib_gateway.wire import spelt

if TYPE_CHECKING:
    from ib_gateway.client import Client
    from ib_gateway.exchange import Exchange

BY_HAND = 0
COMBO_ID = 28812380


class NoSuchOrder(LookupError):
    """A lever names an order that the gateway never accepted."""

    def __init__(self, key: str | int) -> None:
        self.key = key
        super().__init__(f"no accepted order has the reference or permanent id {key!r}; see Gateway.accepted")


class Levers:
    """What can be made to happen; part of Gateway."""

    accounts: dict[str, Account]
    clients: "list[Client]"
    exchange: "Exchange"
    sockets: "set[Client]"
    market: Market
    now: Callable[[], datetime]
    teller: Teller

    @property
    def accepted(self) -> list[Order]:
        """Every order ever accepted, oldest first."""
        return list(self.exchange.orders.values())

    def order(self, key: str | int) -> Order:
        """Return the latest accepted order with this reference, or the one with this permanent id.

        Raises:
            NoSuchOrder: there is none.
        """
        for order in reversed(self.accepted):
            if key in {order.order_ref, order.perm_id}:
                return order
        raise NoSuchOrder(key)

    def cash(self, account: str | None = None) -> dict[str, Decimal]:
        """Return an account's cash by currency; without a name the first account's."""
        return dict(self._account(account).cash)

    def positions(self, account: str | None = None) -> dict[str, Decimal]:
        """Return an account's units by local symbol, closed positions left out."""
        held: list[Position] = list(self._account(account).positions.values())
        return {p.contract.local_symbol or p.contract.symbol: p.quantity for p in held if p.quantity}

    def _account(self, name: str | None) -> Account:
        return self.accounts[name] if name is not None else next(iter(self.accounts.values()))

    def fill(self, key: str | int, qty: Decimal | None = None, price: Decimal | None = None) -> list[Execution]:
        """Fill an order by hand, at its limit or the market where no price is given; nothing if it is done."""
        order = self.order(key)
        at = price if price is not None else order.number("lmtPrice")
        if at is None:
            prices = self.exchange.prices(order.contract)
            at = prices.touch(order.sign) or Decimal(0)
        return self.exchange.fill(order, order.remaining if qty is None else qty, at)

    def fill_all(self) -> None:
        """Fill every order that works, children after their parents."""
        for order in list(self.exchange.working()):
            if not order.is_done and not order.is_held:
                self.fill(order.perm_id)

    def cancel(self, key: str | int, reason: str = "", code: int = 202) -> None:
        """Cancel an order as the broker would: `code` 201 for an order that the exchange rejects late."""
        order = self.order(key)
        if not order.is_done:
            self.exchange.end(order, Status.INACTIVE if code == 201 else Status.CANCELLED, reason, code)

    def confirm_cancels(self) -> None:
        """Confirm the cancels that wait, where `cancels` is manual."""
        for order in list(self.exchange.working()):
            if order.status is Status.PENDING_CANCEL:
                self.exchange.end(order, Status.CANCELLED, "")

    def correct(self, exec_id: str, *, shares: Decimal | None = None, price: Decimal | None = None) -> Execution:
        """Correct an execution: its next version replaces it."""
        return fills.correct(self.exchange, exec_id, shares, price)

    def bust(self, exec_id: str) -> Execution:
        """Take an execution back: its next version has no shares."""
        return fills.correct(self.exchange, exec_id, Decimal(0), None)

    def place_manual(
        self,
        symbol: str,
        quantity: Decimal,
        *,
        price: Decimal | None = None,
        account: str | None = None,
        liquidation: int = 0,
        order_ref: str = "",
    ) -> Order:
        """Place an order as a person at the desk would: no client owns it; negative units sell."""
        scalars = {
            "action": "BUY" if quantity > 0 else "SELL",
            "totalQuantity": spelt(abs(quantity)),
            "orderType": "LMT" if price is not None else "MKT",
            "lmtPrice": spelt(price),
            "tif": "DAY",
            "account": self._account(account).name,
            "orderRef": order_ref,
            "transmit": "1",
        }
        by_hand = [order.order_id for order in self.exchange.orders.values() if order.order_id < 0]
        found = self.find_for_order(Contract(symbol=symbol, sec_type="STK", currency="USD", exchange="SMART"))
        if not isinstance(found, Contract):
            raise LookupError(f"an order by hand needs a stock, and {symbol!r} is none: {found}")
        order = Order(
            perm_id=self.exchange.next_perm_id(),
            order_id=min(by_hand, default=0) - 1,
            client_id=BY_HAND,
            contract=found,
            fields=OrderFields(scalars=scalars),
            entered_at=self.now(),
            liquidation=liquidation,
        )
        self.exchange.accept(order)
        return order

    def liquidate(self, symbol: str, account: str | None = None) -> Order:
        """Close a position by force, as the broker does when margin is missing."""
        quantity = self.positions(account)[symbol]
        order = self.place_manual(symbol, -quantity, account=account, liquidation=1)
        if not order.is_done:
            self.fill(order.perm_id)
        return order

    def find_for_order(self, named: Contract) -> Contract | str:
        """Return the contract that a client means, or why none is meant."""
        if named.sec_type == "BAG":
            return self._combo(named)
        found = self.market.find(named, on=self.now().date())
        if not found:
            return "No security definition has been found for the request"
        if len(found) > 1:
            return f"The contract description specified for {named.symbol} is ambiguous."
        return replace(found[0], exchange=named.exchange or found[0].exchange)

    def _combo(self, named: Contract) -> Contract | str:
        known = [self.market.find(Contract(con_id=leg.con_id)) for leg in named.legs]
        if len(named.legs) < 2 or not all(known):
            return "No security definition has been found for the request"
        return replace(named, con_id=COMBO_ID, local_symbol=named.symbol, trading_class="COMB")

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the market to a price, and let the working orders see it."""
        self.market.set_price(symbol, price)
        self.exchange.look()

    def auction(self, kind: Literal["open", "close"]) -> None:
        """Hold the opening or the closing auction."""
        self.exchange.auction(kind)

    def say(self, code: int, text: str) -> None:
        """Tell all clients a notice."""
        self.teller.everyone(code, text)

    def say_of(self, key: str | int, code: int, text: str) -> None:
        """Tell an order's own client an error or a warning about it; the order itself stays as it is."""
        self.teller.owner(self.order(key), code, text)

    def farm(self, code: int, farm: str = "usfarm") -> None:
        """Tell that a data farm went (2103, 2105, 2157), came (2104, 2106, 2158) or sleeps (2107, 2108)."""
        states = {2103: "broken", 2105: "broken", 2157: "broken", 2107: "inactive", 2108: "inactive"}
        kinds = {2105: "HMDS data farm", 2106: "HMDS data farm", 2107: "HMDS data farm"}
        kind = kinds.get(code, "Sec-def data farm" if code in {2157, 2158} else "Market data farm")
        self.say(code, f"{kind} connection is {states.get(code, 'OK')}:{farm}")

    def lose_link(self) -> None:
        """Lose the broker behind the gateway (1100)."""
        self.teller.lose_link()

    def restore_link(self, code: int = RESTORED) -> None:
        """Have it back (1102, or 1101 with the data subscriptions lost)."""
        self.teller.restore_link(code)

    def drop_connections(self) -> None:
        """Reset the sockets of all clients."""
        for client in tuple(self.sockets):
            client.kill()
