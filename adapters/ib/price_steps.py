"""Price steps: prices brought onto the grid that IB's market rule gives, never to a worse price than was meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from trading.orders.orders import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStep:
    """From `low_edge` on, prices are multiples of `increment`."""

    low_edge: Decimal
    increment: Decimal


def step_at(steps: Sequence[PriceStep], px: Decimal) -> Decimal | None:
    """Return the increment at a price; of a negative one (a combo that pays), that of its size.

    With 0.05 below 3 and 0.10 from 3 on, 2.95 gives 0.05 and -3.10 gives 0.10.
    """
    below = [step for step in steps if step.low_edge <= abs(px) and step.increment > 0]
    return max(below, key=lambda step: step.low_edge).increment if below else None


def on_step(steps: Sequence[PriceStep], px: Decimal, rounding: str) -> Decimal:
    """Return the price on the grid; as it is where IB gave no grid."""
    step = step_at(steps, px)
    return px if step is None else (px / step).to_integral_value(rounding) * step


def grid_prices(
    steps: Sequence[PriceStep], side: Side, price: Decimal | None, stop_px: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """Return both prices on the grid.

    A limit never becomes worse for us: a buy goes down, a sell up. A stop never comes nearer to the market: a buy stop
    goes up, a sell stop down.
    """
    inward, outward = (ROUND_FLOOR, ROUND_CEILING) if side is Side.BUY else (ROUND_CEILING, ROUND_FLOOR)
    return (
        price if price is None else on_step(steps, price, inward),
        stop_px if stop_px is None else on_step(steps, stop_px, outward),
    )
