"""Orders in legs on daily bars: all legs trade at once, or none does.

The open and the close are the only moments at which all legs have a price at the same time; the highs and lows of
different symbols are not. A MARKET order pays in each leg what a market order of that leg pays. A LIMIT order trades
the opens or the closes as they are when their net is at or better than its limit. Units trade as far as every leg has
volume for them.
"""

from collections.abc import Mapping
from decimal import Decimal

from adapters.paper.holding import Holding
from adapters.paper.matching import WorkingOrder, px_with_costs
from adapters.paper.paper_settings import PaperSettings
from adapters.paper.reports import leg_side
from trading.orders.order_types import OrderLeg
from trading.orders.orders import Side


def net_px(legs: tuple[OrderLeg, ...], pxs: Mapping[str, Decimal]) -> Decimal:
    """Return what one unit costs when bought: 1 AAPL at 100 bought and 2 MSFT at 40 sold cost 20."""
    return sum((leg.side.sign * leg.ratio * pxs[leg.symbol] for leg in legs), Decimal(0))


def leg_pxs(
    order: WorkingOrder, pxs: Mapping[str, Decimal], holdings: Mapping[str, Holding], settings: PaperSettings
) -> dict[str, Decimal] | None:
    """Return the price of each leg at which the order trades; None when it does not."""
    if order.price is None:
        return {
            leg.symbol: px_with_costs(
                leg_side(order.side, leg), pxs[leg.symbol], holdings[leg.symbol].instrument.tick_size, settings
            )
            for leg in order.legs
        }
    net = net_px(order.legs, pxs)
    done = net <= order.price if order.side is Side.BUY else net >= order.price
    return dict(pxs) if done else None


def units_there(order: WorkingOrder, holdings: Mapping[str, Holding]) -> Decimal:
    """Return how many units may trade in the order's session, at most what is left of it."""
    units = order.leaves_qty
    for leg in order.legs:
        room = holdings[leg.symbol].room(order.session)
        if room is not None:
            units = min(units, room // leg.ratio)
    return units
