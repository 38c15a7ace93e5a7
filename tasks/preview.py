"""Preview: what the broker would bind as margin for orders that nobody has sent."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from blocks.desk import Desk, wall_clock
from trading.errors import BrokerUnavailable
from trading.orders.orders import NewOrderSingle
from trading.risk.margin_previews import count_margin, orders_to_preview
from trading.risk.risk_state import RiskState
from trading.risk.trading_facts import BrokerMargin

ANSWER_TIME = timedelta(seconds=45)  # 200 orders take 7: two thirds of a message budget of 45 a second


@task(name="preview_margin", timeout_seconds=150, cache_policy=NO_CACHE)
async def preview(desk: Desk, orders: Sequence[NewOrderSingle], state: RiskState) -> BrokerMargin | None:
    """Ask the broker what the orders that add would bind as margin; None counts all by `margin_rate_pct`.

    Nothing is placed by it, so an account in shadow asks too, and its verdicts are those it would get in earnest.
    """
    limits, broker = desk.account.risk_limits.limits, desk.margin_preview(wall_clock)
    adding = orders_to_preview(orders, state)
    if broker is None or not adding:
        return None
    try:
        told = await broker.margin(adding, ANSWER_TIME)
    except BrokerUnavailable as exc:
        get_run_logger().warning("All margin counts by margin_rate_pct (%s %%): %s", limits.margin_rate_pct, exc)
        return None
    for why, count in Counter(told.untold.values()).items():
        rate = limits.margin_rate_pct
        get_run_logger().warning("Margin of %d orders counts by margin_rate_pct (%s %%): %s", count, rate, why)
    return count_margin(told, state, limits)
