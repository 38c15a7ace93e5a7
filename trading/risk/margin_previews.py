"""Margin by the broker's what-ifs: which orders are worth one, and what of the answers counts at the gate."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from trading.orders.orders import NewOrderSingle
from trading.risk.limits import RiskLimits
from trading.risk.risk_state import RiskState
from trading.risk.tally import HUNDRED, exposure_of
from trading.risk.trading_facts import BrokerMargin


def orders_to_preview(orders: Sequence[NewOrderSingle], state: RiskState) -> tuple[NewOrderSingle, ...]:
    """Return the orders that could do more than close, counting those before each as working.

    An order in legs is not among them: the gate judges each leg by itself, and a what-if is of the whole.
    """
    exposure, adding = exposure_of(state), []
    for order in orders:
        for part in order.parts():
            if not order.legs and exposure.after(part, part.order_qty)[0].opening > exposure.before(part).opening:
                adding.append(order)
            exposure.reserve(part, part.order_qty)
    return tuple(adding)


def count_margin(told: BrokerMargin, state: RiskState, limits: RiskLimits) -> BrokerMargin:
    """Return what the broker told with all that works counted in, as the worst case.

    A broker tells the margin of what is held; what works and adds exposure counts by `margin_rate_pct` on top, though
    the broker may have counted some of it. An order that would free margin frees none before it is filled.

    Held 100 at 10.00 with a margin of 300.00 told, 50 more working, at a rate of 50 %: 550.00.

    Source: Interactive Brokers, TWS Users' Guide, "Account Window": margin requirements are those of the current
        portfolio; of orders that work it says nothing, so that they may count twice here, and never not at all.
    """
    held, all_filled = exposure_of(replace(state, working=())).gross, exposure_of(state).gross
    working = (all_filled - held) * limits.margin_rate_pct / HUNDRED
    changes = {cl_ord_id: max(change, Decimal(0)) for cl_ord_id, change in told.changes.items()}
    return replace(told, initial=told.initial + working, changes=changes)
