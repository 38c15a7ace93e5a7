"""Fills: what they do to an order, its account and all who must be told; corrections and busts."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ib_gateway import linked
from ib_gateway.contracts import Contract
from ib_gateway.executions import Execution, commission_of
from ib_gateway.orders import Order, Status

if TYPE_CHECKING:
    from ib_gateway.exchange import Exchange


def fill(exchange: "Exchange", order: Order, quantity: Decimal, price: Decimal) -> list[Execution]:
    """Fill so much of an order, never more than is open; return what was executed."""
    quantity = min(quantity, order.remaining)
    if order.is_done or quantity <= 0:
        return []
    order.filled += quantity
    order.spent += quantity * price
    order.last_px = price
    if order.remaining == 0:
        order.status, order.why_held = Status.FILLED, ""
        order.completed_at = exchange.gateway.now()
        order.completed_status = f"Filled Size: {order.filled:f}"
    executions = _booked(exchange, order, quantity, price)
    exchange.gateway.teller.fill(order, executions)
    linked.after_fill(exchange, order, quantity)
    return executions


def _booked(exchange: "Exchange", order: Order, quantity: Decimal, price: Decimal) -> list[Execution]:
    parts = [(order.contract, order.side, quantity, price, order.contract.sec_type != "BAG")]
    parts += [
        (leg, action, quantity * ratio, leg_px, True) for leg, action, ratio, leg_px in _legs(exchange, order, price)
    ]
    ids = exchange.ids.next(len(parts) - 1)
    return [_book(exchange, order, exec_id, *part) for exec_id, part in zip(ids, parts, strict=True)]


def _book(
    exchange: "Exchange",
    order: Order,
    exec_id: str,
    contract: Contract,
    action: str,
    quantity: Decimal,
    price: Decimal,
    moves: bool,  # the last part of a row
) -> Execution:
    own = contract is order.contract
    exchange.executed += 1
    execution = Execution(
        exec_id=exec_id,
        sequence=exchange.executed,
        at=exchange.gateway.now(),
        contract=contract,
        account=order.account,
        exchange=contract.primary_exchange or contract.exchange or "SMART",
        side="BOT" if action == "BUY" else "SLD",
        shares=quantity,
        price=price,
        perm_id=order.perm_id,
        client_id=order.client_id,
        order_id=order.order_id,
        order_ref=order.order_ref,
        cum_qty=order.filled if own else quantity,
        avg_price=round(order.avg_px, 8) if own else price,
        liquidation=order.liquidation,
        moves_position=moves,
        commission=_commission(exchange, order, quantity) if moves else Decimal(0),
        currency=contract.currency or "USD",
    )
    earned = exchange.gateway.accounts[order.account].take(execution)
    execution = replace(execution, realized_pnl=earned)
    order.executions.append(execution)
    return execution


def _commission(exchange: "Exchange", order: Order, quantity: Decimal) -> Decimal:
    settings = exchange.gateway.settings
    units = sum((e.shares for e in order.executions if e.moves_position), Decimal(0))
    rate = settings.commission_per_share
    return commission_of(quantity, rate, settings.commission_minimum, units * rate)


def _legs(exchange: "Exchange", order: Order, net: Decimal) -> list[tuple[Contract, str, int, Decimal]]:
    """Return a combo's legs with prices that add up to the net price: the first leg takes the difference."""
    legs: list[tuple[Contract, str, int, Decimal]] = []
    total = Decimal(0)
    for leg in order.contract.legs:
        same = leg.action == "BUY"
        px = exchange.gateway.last_px(leg.con_id) or Decimal(0)
        legs.append((exchange.gateway.contract(leg.con_id), _seen_from(order, same), leg.ratio, px))
        total += px * leg.ratio * (1 if same else -1)
    if legs:
        contract, action, ratio, px = legs[0]
        sign = 1 if order.contract.legs[0].action == "BUY" else -1
        legs[0] = (contract, action, ratio, px + (net - total) * sign / ratio)
    return legs


def _seen_from(order: Order, same: bool) -> str:  # whether the leg is bought by the combo's buyer
    return "BUY" if same == (order.side == "BUY") else "SELL"


class NoSuchExecution(LookupError):
    """A correction names an execution that never was, or a version that was corrected already."""

    def __init__(self, exec_id: str) -> None:
        self.exec_id = exec_id
        super().__init__(f"no execution {exec_id!r} stands; only the newest version of one can be corrected")


def _newest(exchange: "Exchange", exec_id: str) -> Execution:
    family = exec_id.rpartition(".")[0]
    versions = [execution for execution in exchange.executions() if execution.family == family]
    if not versions or versions[-1].exec_id != exec_id:
        raise NoSuchExecution(exec_id)
    return versions[-1]


def correct(exchange: "Exchange", exec_id: str, shares: Decimal | None, price: Decimal | None) -> Execution:
    """Send a corrected version of an execution; 0 shares take it back (a bust)."""
    old = _newest(exchange, exec_id)
    order = exchange.orders[old.perm_id]
    new_shares = old.shares if shares is None else shares
    new_price = old.price if price is None else price
    exchange.executed += 1
    commission = old.commission if new_shares else Decimal(0)
    new = old.corrected(sequence=exchange.executed, shares=new_shares, price=new_price, commission=commission)
    order.executions.append(new)
    order.spent += new_shares * new_price - old.shares * old.price
    order.filled += new_shares - old.shares
    account = exchange.gateway.accounts[old.account]
    account.rebuild(e for e in exchange.executions() if e.account == old.account)
    exchange.gateway.teller.fill(order, [new])
    return new
