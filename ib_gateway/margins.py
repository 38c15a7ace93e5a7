"""What an account needs for an order: margin now, after it, and the answer to a what-if."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from ib_gateway.contracts import Contract
from ib_gateway.executions import commission_of
from ib_gateway.orders import Order
from ib_gateway.wire import Field

if TYPE_CHECKING:
    from ib_gateway.gateway import Gateway


def equity(gateway: "Gateway", account: str) -> Decimal:
    """Return equity with loan value: cash and positions at the market."""
    held = gateway.accounts[account]
    return held.own_cash() + held.worth(gateway.mark)


def margin_now(gateway: "Gateway", account: str) -> Decimal:
    """Return the initial margin of the positions."""
    return gateway.accounts[account].margin(gateway.mark)


def margin_after(gateway: "Gateway", order: Order) -> Decimal:
    """Return the initial margin once an order has filled."""
    return gateway.accounts[order.account].margin(gateway.mark, _units(gateway, order))


def _units(gateway: "Gateway", order: Order) -> Mapping[int, tuple[Contract, Decimal]]:
    signed = order.remaining * order.sign
    if order.contract.sec_type != "BAG":
        return {order.contract.con_id: (order.contract, signed)}
    legs = [(leg, leg.ratio if leg.action == "BUY" else -leg.ratio) for leg in order.contract.legs]
    return {leg.con_id: (gateway.contract(leg.con_id), signed * ratio) for leg, ratio in legs}


def what_if(gateway: "Gateway", order: Order) -> dict[str, Field]:
    """Return margins and costs of an order that is not sent."""
    own, before, after = (
        equity(gateway, order.account),
        margin_now(gateway, order.account),
        margin_after(gateway, order),
    )
    commission = commission_of(
        order.qty, gateway.settings.commission_per_share, gateway.settings.commission_minimum, Decimal(0)
    )
    half = Decimal(2)
    return {
        "initMarginBefore": before,
        "maintMarginBefore": before / half,
        "equityWithLoanBefore": own,
        "initMarginChange": after - before,
        "maintMarginChange": (after - before) / half,
        "equityWithLoanChange": -commission,
        "initMarginAfter": after,
        "maintMarginAfter": after / half,
        "equityWithLoanAfter": own - commission,
        "commission": commission,
        "commissionCurrency": order.contract.currency or "USD",
    }
