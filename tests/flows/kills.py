"""Flows that are killed before and after each of their durable steps, and run again: what came out otherwise."""

import asyncio
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prefect.settings import PREFECT_API_URL

from tests.flows.desk_process import SENT_TWICE, Moment, Outcome, StopAt, run_flow
from tests.flows.desks import WEDNESDAY, DeskFolder, a_copy, cents, sample_closes
from trading.orders.orders import OrdStatus, Side

AT_ONCE = 2
TRADE = "flows.trade_session:trade_session"
MOMENTUM = {"name": "MomentumRotation", "parameters": {"top": 4}}

Check = Callable[[DeskFolder], Any]


def killed_everywhere(
    prepared: DeskFolder, folder: Path, flow: str, parameters: dict[str, Any], outcome_of: Check, *, since: str = ""
) -> list[str]:
    """Kill the flow before and after each of its steps, each time on a new copy, and return what came out otherwise.

    Args:
        since: only from the last step of that name on.
    """
    api_url = PREFECT_API_URL.value()
    places: SimpleQueue[DeskFolder] = SimpleQueue()
    for place in places_for(prepared, folder):
        places.put(place)

    def run(desk: DeskFolder, stop: StopAt | None = None) -> Outcome:
        return run_flow(api_url, flow, parameters | {"storage": desk.storage}, desk.home, stop)

    with a_new_copy(prepared, places) as desk:
        once = run(desk)
        assert once.exit_code == 0, once.message
        wanted = outcome_of(desk)

    def problems_of(stop: StopAt) -> list[str]:
        name = f"{stop.moment} step {stop.step}, {once.steps[stop.step - 1]}"
        with a_new_copy(prepared, places) as desk:
            killed = run(desk, stop)
            if killed.exit_code != -signal.SIGKILL:
                return [f"{name}: was not killed: {killed}"]
            return [f"{name}: {problem}" for problem in different(run(desk), wanted, outcome_of, desk)]

    first = len(once.steps) - list(reversed(once.steps)).index(since) if since else 1
    stops = [StopAt(step=step, moment=moment) for step in range(first, len(once.steps) + 1) for moment in Moment]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(problems_of, stops))
    print(f"{flow}: killed {len(stops)} times at {len(once.steps)} steps: {Counter(once.steps)}")  # noqa: T201
    return [problem for problems in found for problem in problems]


def places_for(prepared: DeskFolder, folder: Path) -> list[DeskFolder]:
    """Save the storage of as many folders as are used at the same time."""

    async def save() -> list[DeskFolder]:
        return [await a_copy(prepared, folder / str(number)) for number in range(AT_ONCE)]

    return asyncio.run(save())


@contextmanager
def a_new_copy(prepared: DeskFolder, places: "SimpleQueue[DeskFolder]") -> Iterator[DeskFolder]:
    """Copy the prepared desk into a free place."""
    place = places.get()
    shutil.rmtree(place.home, ignore_errors=True)  # a connection that is closed late takes its files away itself
    shutil.copytree(prepared.home, place.home)
    try:
        yield replace(place)  # with a ledger of its own
    finally:
        places.put(place)


def different(again: Outcome, wanted: Any, outcome_of: Check, desk: DeskFolder) -> list[str]:
    if again.exit_code != 0:
        return [f"the run after failed: {again.message}"]
    try:
        found = outcome_of(desk)
    except AssertionError as broken:
        return [str(broken).splitlines()[0]]
    return [f"{key} is {found[key]}, undisturbed {wanted[key]}" for key in wanted if found[key] != wanted[key]]


def what_was_traded(desk: DeskFolder) -> dict[str, Any]:
    """Return orders, fills and worth of the account, after a look at every invariant of the order path.

    What the broker holds is read from its own tables and summed here by hand.
    """
    assert not (desk.home / SENT_TWICE).exists(), "an order was sent to a broker that had it"
    journal, facts = desk.ledger.journal, desk.ledger.facts
    orders = {o.cl_ord_id: o for o in journal.orders(desk.account)}
    at_broker = desk.rows("paper_order")
    assert Counter(row.cl_ord_id for row in at_broker) == Counter(list(orders)), "orders at the broker are not intents"
    said = desk.rows("paper_report")
    accepted = Counter(row.cl_ord_id for row in said if row.exec_type == "new")
    assert accepted == Counter(list(orders)), "an order was not accepted exactly once"
    assert {row.cl_ord_id: row.ord_status for row in at_broker} == {i: o.ord_status for i, o in orders.items()}
    assert not [o for o in orders.values() if o.ord_status is OrdStatus.UNKNOWN], "an order stayed UNKNOWN"
    recorded = Counter(r.exec_id for r in facts.executions(desk.account))
    assert recorded == Counter(row.exec_id for row in said), "reports are not recorded exactly once"

    trades = [row for row in said if row.exec_type == "trade"]
    held: Counter[str] = Counter()
    cash = sum((Decimal(row.amount) for row in desk.rows("paper_cash")), Decimal(0))
    for row in trades:
        signed = Decimal(row.last_qty) * (1 if row.side == Side.BUY else -1)
        held[row.symbol] += signed
        cash -= signed * Decimal(row.last_px) + Decimal(row.commission)
    books = facts.books(desk.account, datetime.now(UTC))
    positions = {symbol: qty for symbol, qty in held.items() if qty}
    stated = {row.symbol: Decimal(row.qty) for row in desk.rows("paper_position") if Decimal(row.qty)}
    assert books.held() == positions == stated, "positions differ"
    (account,) = desk.rows("paper_account")
    assert cents(books.cash) == cents(cash) == cents(account.cash), "cash differs"
    assert journal.rebuild() == 0, "an order's state had drifted from its facts"

    closes = sample_closes(WEDNESDAY)
    return {
        "decisions": sorted((row.account, row.session, row.book) for row in desk.rows("decision")),
        "refused": sorted((r.symbol, r.code) for r in desk.rows("risk_decision") if not r.accepted),
        "orders": sorted((o.cl_ord_id, o.new_order.symbol, o.new_order.order_qty) for o in orders.values()),
        "fills": sorted((r.exec_id, r.last_qty, r.last_px, r.commission, r.transact_time) for r in trades),
        "deposits": [row.amount for row in desk.rows("cash_movement")],
        "alerts": sorted(alert.fingerprint for alert in desk.alerts()),
        "equity": cents(cash + sum((qty * closes[symbol] for symbol, qty in positions.items()), Decimal(0))),
    }
