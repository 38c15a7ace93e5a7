"""Positions with a stop and a profit, over the real fall of AIG in September 2008 and on the sample."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from adapters.paper.broker import PaperBroker
from blocks.desk import Desk, open_desk
from tasks.place import place
from tasks.protect import protect
from tasks.watch import watch
from tests.adapters.paper.paper_desk import real_data
from tests.flows.desks import NO_BREAKERS, WEDNESDAY, Copy, DeskFolder, a_copy, a_new_desk
from trading.errors import DeskHalted
from trading.ledger import Decision, Lease, Target
from trading.market.timetable import session_times
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle, Order, OrderPurpose, OrdStatus, OrdType, Side, TimeInForce
from trading.orders.protection import Distance, DistanceUnit, HeldBy, ProtectionRules
from trading.positions.sizing import SizingRules
from trading.risk.breaker_readings import RiskObservation
from trading.risk.breakers import BreakerRules
from trading.risk.inputs import RiskInputs
from trading.risk.limits import RiskLimits
from trading.risk.restrictions import RestrictionKind

THURSDAY, FRIDAY, MONDAY = date(2008, 9, 11), date(2008, 9, 12), date(2008, 9, 15)
# There are two symbols, so each is half of the account.
WIDE = RiskLimits(
    max_position_pct=Decimal(60), max_position_notional=Decimal(600_000), max_order_notional=Decimal(600_000)
)
HOLD = SizingRules(drift_band_pct=Decimal(20))  # nothing but what is sold out is traded again
EVENING = datetime(2008, 9, 12, 20, 15, tzinfo=UTC)


def pct(value: str) -> Distance:
    return Distance(unit=DistanceUnit.PERCENT, value=Decimal(value))


EIGHT_TWENTY = ProtectionRules(stop_loss=pct("8"), take_profit=pct("20"))


def protective(desk: DeskFolder) -> list[Order]:
    orders = desk.ledger.journal.orders(desk.account)
    return [o for o in orders if o.new_order.purpose is OrderPurpose.PROTECT]


def rebalancing(desk: DeskFolder, session: date) -> list[Order]:
    orders = desk.ledger.journal.orders(desk.account, session=session)
    return [o for o in orders if o.new_order.purpose is OrderPurpose.REBALANCE]


def told(desk: DeskFolder) -> list[str]:
    return [a.text for a in desk.alerts() if a.fingerprint.startswith("protection")]


@pytest.fixture(scope="module")
def prepared(prefect_harness: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[DeskFolder, DeskFolder]:
    """Desks with real raw bars of AIG and IBM: up to 2008-09-10, and with what was bought and protected on Thursday."""
    folder, home, later = (tmp_path_factory.mktemp(name) for name in ("bars", "aig", "bought"))
    bars = pd.read_parquet(real_data() / "equity" / "us_equity_daily_raw.parquet")
    days = pd.to_datetime(bars["date"])
    for symbol, rows in bars[(days >= "2008-07-01") & (days <= "2008-09-19")].groupby("symbol"):
        if symbol in ("AIG", "IBM"):
            rows.drop(columns="symbol").to_csv(folder / f"{symbol}.csv", index=False)

    async def make() -> tuple[DeskFolder, DeskFolder]:
        source = {"name": "raw", "provider": "files", "path": folder}
        fresh = await a_new_desk(home, source=source, limits=WIDE, breakers=NO_BREAKERS)
        assert (await fresh.ingest(date(2008, 9, 10))).is_completed()
        bought = await a_copy(fresh, later)
        assert (await bought.trade(THURSDAY, protection=EIGHT_TWENTY)).is_completed()
        assert (await bought.ingest(THURSDAY)).is_completed()
        return fresh, bought

    with asyncio.Runner() as runner:
        return runner.run(make())


@pytest.fixture
async def aig(prepared: tuple[DeskFolder, DeskFolder], copy_of: Copy) -> DeskFolder:
    return await copy_of(prepared[0])


@pytest.fixture
async def bought(prepared: tuple[DeskFolder, DeskFolder], copy_of: Copy) -> DeskFolder:
    return await copy_of(prepared[1])


async def test_a_stop_closes_the_position_in_a_real_fall_and_takes_the_profit_order_with_it(bought: DeskFolder):
    placed = {(o.new_order.symbol, o.new_order.ord_type): o for o in protective(bought)}
    assert (await bought.reconcile(THURSDAY)).message.startswith("2008-09-11: 0 breaks")

    await bought.trade(FRIDAY, protection=EIGHT_TWENTY, sizing=HOLD)
    await bought.ingest(FRIDAY)
    reconciled = await bought.reconcile(FRIDAY)

    # Bought at Thursday's open: 15.57 x 1.0002 up to the tick; x 0.92 is 14.3336, x 1.2 is 18.696.
    assert {o.new_order.symbol: o.avg_px for o in rebalancing(bought, THURSDAY)}["AIG"] == Decimal("15.58")
    stop, profit = placed["AIG", OrdType.STOP], placed["AIG", OrdType.LIMIT]
    assert (stop.new_order.stop_px, profit.new_order.price) == (Decimal("14.34"), Decimal("18.70"))
    assert {stop.ord_status, profit.ord_status} == {OrdStatus.NEW}
    # On Friday AIG opened at 15.19 and fell to 11.50: sold at the stop less costs, 14.34 x 0.9998 down to the tick.
    now = {o.cl_ord_id: o for o in protective(bought)}
    assert (now[stop.cl_ord_id].ord_status, now[stop.cl_ord_id].avg_px) == (OrdStatus.FILLED, Decimal("14.33"))
    assert now[profit.cl_ord_id].ord_status is OrdStatus.CANCELED
    assert list(bought.ledger.facts.books(bought.account, EVENING).held()) == ["IBM"]
    assert reconciled.message.startswith("2008-09-12: 0 breaks")
    ibm = [o for o in now.values() if o.new_order.symbol == "IBM"]
    assert [o.ord_status for o in ibm] == [OrdStatus.NEW, OrdStatus.NEW]  # Thursday's pair, for nothing has changed
    assert told(bought) == []


async def test_a_second_run_of_the_session_changes_nothing(bought: DeskFolder):
    before = bought.rows("paper_order"), bought.rows("decision")

    again = await bought.trade(THURSDAY, protection=EIGHT_TWENTY)

    assert again.message.startswith("2008-09-11: 0 orders sent, 2 of 2 filled, 0 working")
    assert (bought.rows("paper_order"), bought.rows("decision")) == before


async def test_before_a_symbol_is_traded_its_pair_is_canceled_and_afterwards_placed_anew(bought: DeskFolder):
    first = {o.cl_ord_id for o in protective(bought)}

    traded = await bought.trade(FRIDAY, protection=EIGHT_TWENTY, sizing=SizingRules(capital_pct=Decimal(80)))

    sold = next(o for o in rebalancing(bought, FRIDAY) if o.new_order.symbol == "AIG")
    assert traded.message.startswith("2008-09-12: 2 orders sent, 2 of 2 filled")
    assert (sold.new_order.side, sold.ord_status) == (Side.SELL, OrdStatus.FILLED)
    said = [r for r in bought.ledger.facts.executions(bought.account) if r.symbol == "AIG"]
    ends = {r.cl_ord_id: r.transact_time for r in said if r.ord_status is OrdStatus.CANCELED}
    assert set(ends) == {
        o.cl_ord_id for o in protective(bought) if o.cl_ord_id in first and o.new_order.symbol == "AIG"
    }
    filled_at = min(r.transact_time for r in said if r.cl_ord_id == sold.cl_ord_id and r.last_qty)
    assert all(at < filled_at for at in ends.values())
    held = bought.ledger.facts.books(bought.account, EVENING).held()
    resting = [o.new_order for o in protective(bought) if o.ord_status.is_open]
    assert sorted((o.symbol, o.order_qty) for o in resting) == sorted([*held.items()] * 2)


async def test_without_rules_what_rests_is_taken_away(bought: DeskFolder):
    await bought.trade(FRIDAY, sizing=HOLD)

    assert not [o for o in protective(bought) if o.ord_status.is_open]


async def test_an_order_sized_by_a_position_that_its_stop_has_closed_is_not_sent(bought: DeskFolder):
    desk, lease = await a_trader(bought)
    held = bought.ledger.facts.held(bought.account, EVENING)["AIG"]
    order = a_decided_sale(desk, lease, held=held)

    sent = await place.fn(desk, lease, session_times(desk.market.calendar, FRIDAY), lambda: EVENING)

    given_up = desk.ledger.journal.order(order.cl_ord_id)
    assert sent == 0
    assert given_up is not None
    assert (given_up.ord_status, given_up.sent_count) == (OrdStatus.EXPIRED, 0)
    assert "held, and 0 are" in given_up.text


async def test_a_stop_that_the_price_has_passed_already_is_placed_and_told(aig: DeskFolder):
    await aig.trade(THURSDAY)
    for day in (THURSDAY, FRIDAY):
        await aig.ingest(day)

    await aig.trade(MONDAY, protection=ProtectionRules(stop_loss=pct("8")), sizing=HOLD)

    assert told(aig) == ["AIG: the last price 12.16 has reached its stop 14.34 already; its order closes it at once"]
    (stop,) = [o for o in protective(aig) if o.new_order.symbol == "AIG"]
    assert (stop.new_order.stop_px, stop.new_order.list_id) == (Decimal("14.34"), None)


async def test_under_a_halt_a_person_is_told_what_stands_without_a_stop_and_how_much_of_it(aig: DeskFolder):
    await aig.trade(THURSDAY)
    held = aig.ledger.facts.held(aig.account, EVENING)
    desk, lease = await a_trader(aig)
    desk.ledger.halts.halt("desk", "enough", "Ada", EVENING)

    with pytest.raises(DeskHalted):
        await protect.fn(
            desk, lease, session_times(desk.market.calendar, THURSDAY), "main", EIGHT_TWENTY, lambda: EVENING
        )

    (text,) = told(aig)
    assert [line.split(", for desk is halted: enough")[0] for line in text.splitlines()] == [
        f"{symbol}: {held[symbol]} held, and no stop of it rests at the broker" for symbol in ("AIG", "IBM")
    ]


async def test_a_halt_after_stops_were_canceled_for_orders_names_the_positions_that_lost_theirs(
    bought: DeskFolder, monkeypatch: pytest.MonkeyPatch
):
    desk, lease = await a_trader(bought)
    held = bought.ledger.facts.held(bought.account, EVENING)["AIG"]
    noon = datetime(2008, 9, 12, 13, tzinfo=UTC)  # before Friday's open: the stop has not filled
    a_decided_sale(desk, lease, held=held)

    class StoppedMeanwhile(PaperBroker):
        async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
            raise DeskHalted("desk", "enough")

    monkeypatch.setattr("blocks.broker_account.PaperBroker", StoppedMeanwhile)
    with pytest.raises(DeskHalted):
        await place.fn(desk, lease, session_times(desk.market.calendar, FRIDAY), lambda: noon)

    (text,) = told(bought)  # IBM has its stop still
    assert text.split(", for desk is halted: enough")[0] == f"AIG: {held} held, and no stop of it rests at the broker"


async def test_a_breaker_that_forbids_the_order_leaves_the_stop_of_its_symbol_at_the_broker(bought: DeskFolder):
    desk, lease = await a_trader(bought)
    noon = datetime(2008, 9, 12, 13, tzinfo=UTC)
    order = a_decided_sale(desk, lease, held=bought.ledger.facts.held(bought.account, EVENING)["AIG"])
    resting = {o.cl_ord_id for o in protective(bought) if o.ord_status.is_open}
    rules = replace(BreakerRules(), concentration=replace(BreakerRules().concentration, action=RestrictionKind.BLOCK))
    seen = RiskObservation(account=desk.name, session=FRIDAY, equity=Decimal(100), values={"AIG": Decimal(50)})
    desk.ledger.breakers.rule(rules, seen, noon, EVENING)

    sent = await place.fn(desk, lease, session_times(desk.market.calendar, FRIDAY), lambda: noon)

    given_up = desk.ledger.journal.order(order.cl_ord_id)
    assert given_up is not None
    assert (sent, given_up.ord_status) == (0, OrdStatus.EXPIRED)
    assert given_up.text.startswith("not sent: BREAKER_BLOCKED: ")
    assert {o.cl_ord_id for o in protective(bought) if o.ord_status.is_open} == resting


async def test_a_stop_that_the_desk_watches_and_may_not_carry_out_under_a_halt_is_told(aig: DeskFolder):
    rules = ProtectionRules(stop_loss=pct("8"), held_by=HeldBy.DESK)
    await aig.trade(THURSDAY, protection=rules)
    desk, lease = await a_trader(aig)
    held = aig.ledger.facts.held(aig.account, EVENING)["AIG"]
    times, noon = session_times(desk.market.calendar, FRIDAY), datetime(2008, 9, 12, 16, tzinfo=UTC)
    desk.ledger.halts.halt("desk", "enough", "Ada", noon)

    with pytest.raises(DeskHalted):
        await watch.fn(desk, lease, times, "main", rules, lambda: noon, {"AIG": Decimal("14.00"), "IBM": Decimal(118)})

    (text,) = told(aig)
    assert text.startswith(f"AIG: {held} held have reached its stop 14.34, and are not closed, for desk is halted")


async def test_a_stop_by_the_average_true_range_needs_highs_and_lows(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk, source={"symbols": ["CVX", "KO", "MRK", "PEP", "PG"]})
    rules = ProtectionRules(stop_loss=Distance(unit=DistanceUnit.ATR, value=Decimal(3)), take_profit=pct("20"))

    await desk.trade(WEDNESDAY, protection=rules)

    (text,) = told(desk)
    assert text.count("too few bars with high and low") == 5
    assert {o.new_order.ord_type for o in protective(desk)} == {OrdType.LIMIT}  # half of what was asked for


async def test_what_the_desk_watches_rests_nowhere_and_is_closed_once_at_the_market(aig: DeskFolder):
    rules = ProtectionRules(stop_loss=pct("8"), held_by=HeldBy.DESK)
    await aig.trade(THURSDAY, protection=rules)
    assert protective(aig) == []
    desk, lease = await a_trader(aig)
    times, noon = session_times(desk.market.calendar, FRIDAY), datetime(2008, 9, 12, 16, tzinfo=UTC)

    looks = [
        await watch.fn(desk, lease, times, "main", rules, lambda: noon, {"AIG": Decimal(px), "IBM": Decimal(118)})
        for px in ("14.35", "14.34", "14.00")
    ]

    assert looks == [(), ("AIG: the last price 14.34 has reached its stop 14.34, so it is closed",), ()]
    (closing,) = protective(aig)
    assert (closing.new_order.ord_type, closing.new_order.side) == (OrdType.MARKET, Side.SELL)
    assert closing.new_order.order_qty == next(
        o.cum_qty for o in rebalancing(aig, THURSDAY) if o.new_order.symbol == "AIG"
    )
    desk.ledger.leases.release(lease)
    await aig.ingest(THURSDAY)
    await aig.ingest(FRIDAY)
    assert (await aig.reconcile(FRIDAY)).message.startswith("2008-09-12: 0 breaks")
    assert list(aig.ledger.facts.books(aig.account, EVENING).held()) == ["IBM"]


async def a_trader(folder: DeskFolder) -> tuple[Desk, Lease]:
    desk = (await open_desk(folder.account_block, folder.storage)).as_trader()
    return desk, desk.ledger.leases.acquire(desk.name, "test", timedelta(minutes=3))


def a_decided_sale(desk: Desk, lease: Lease, held: Decimal) -> NewOrderSingle:
    """Record a decision to sell 100 AIG on Friday that was made by what Thursday left."""
    now = datetime(2008, 9, 12, 13, tzinfo=UTC)
    order = NewOrderSingle(
        cl_ord_id="r-1",
        account=desk.name,
        session=FRIDAY,
        book="main",
        symbol="AIG",
        side=Side.SELL,
        order_qty=Decimal(100),
        ord_type=OrdType.MARKET,
        time_in_force=TimeInForce.DAY,
        expire_time=EVENING,
        transact_time=now,
    )
    target = Target(
        symbol="AIG",
        weight=0.4,
        reference_px=Decimal("17.73"),
        held_qty=held,
        target_qty=held - 100,
        order_qty=Decimal(-100),
        reason="to target",
    )
    decision = Decision(
        decision_id="d-1",
        account=desk.name,
        session=FRIDAY,
        book="main",
        strategy="EqualWeight",
        parameters={},
        sizing={},
        code_version="",
        source="raw",
        bars_hash="",
        first_session=THURSDAY,
        bars_session=THURSDAY,
        verdict_id="",
        equity=Decimal(1_000_000),
        cash=Decimal(0),
        mode="paper",
        decided_at=now,
        targets=(target,),
    )
    marks = {"AIG": Decimal("17.73"), "IBM": Decimal(118)}
    (verdict,) = desk.ledger.journal.intend(lease, decision, [order], RiskInputs(limits=RiskLimits(), marks=marks))
    assert verdict.accepted, verdict.text
    return order
