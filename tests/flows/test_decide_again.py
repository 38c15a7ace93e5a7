"""A decision can be made again from what was recorded, and gives the same orders bit for bit."""

from datetime import date
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from adapters.sql.rows import json_value
from blocks.desk import Desk, open_desk
from tasks.decide import point_in_time
from tests.flows.desks import WEDNESDAY, Copy, DeskFolder
from trading.ledger import Target
from trading.market.timetable import session_times
from trading.orders.rebalance import orders_from_targets
from trading.positions.sizing import SizingRules, prices_of, size_targets
from trading.strategies.catalogue import make_strategy, run_strategy


async def decided_again(desk: Desk, session: date) -> tuple[dict, tuple[Target, ...]]:
    """Return the recorded decision, and the targets made again from the inputs that it names."""
    row = desk.ledger.journal.decision(desk.name, session, "main")
    bars = desk.market.store.read(row["source"], desk.market.symbols(), row["first_session"], row["bars_session"])
    report = desk.ledger.facts.quality_report(row["verdict_id"])
    weights = run_strategy(
        make_strategy(row["strategy"], row["parameters"]),
        point_in_time(desk, bars, session, report),
        max_gross=float(desk.account.risk_limits.limits.max_gross_leverage),
    )
    targets = size_targets(
        weights=weights,
        prices=prices_of(bars.on(row["bars_session"])["close"].to_dict(), desk.market.instruments()),
        held={t["symbol"]: Decimal(t["held_qty"]) for t in row["targets"] if Decimal(t["held_qty"])},
        instruments=desk.market.instruments(),
        equity=row["equity"],
        rules=TypeAdapter(SizingRules).validate_python(row["sizing"], strict=False),
        frozen={},
    )
    assert bars.content_hash() == row["bars_hash"]
    return row, targets


@pytest.mark.parametrize(
    "choice",
    [{"name": "EqualWeight"}, {"name": "MomentumRotation", "parameters": {"top": 7}}],
    ids=lambda choice: choice["name"],
)
async def test_the_recorded_inputs_give_the_same_targets_and_the_same_orders_again(
    choice: dict, fresh_desk: DeskFolder, copy_of: Copy
):
    folder = await copy_of(fresh_desk)
    await folder.trade(WEDNESDAY, strategy=choice, sizing={"capital_pct": 80, "min_trade_notional": "250.5"})
    desk = await open_desk(folder.account_block, folder.storage)

    row, targets = await decided_again(desk, WEDNESDAY)
    orders = orders_from_targets(
        targets,
        account=desk.name,
        session=WEDNESDAY,
        book="main",
        instruments=desk.market.instruments(),
        time_in_force=TypeAdapter(SizingRules).validate_python(row["sizing"]).time_in_force,
        expire_time=session_times(desk.market.calendar, WEDNESDAY).place_by,
        transact_time=row["decided_at"],
    )

    assert json_value(targets) == row["targets"]
    assert orders == tuple(o.new_order for o in desk.ledger.journal.orders(desk.name))
    assert orders
