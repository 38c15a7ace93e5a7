"""Trails, times, triggers, lists and legs against the bar 100, 110, 90, 105 of Monday; prices by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.paper.paper_settings import PaperSettings
from tests.adapters.paper.paper_desk import (
    FREE,
    MONDAY,
    TUESDAY,
    MemoryMarket,
    a_bar,
    a_broker,
    a_clock,
    a_close,
    a_limit,
    a_stop,
    an_engine,
    an_order,
    in_words,
    outcome,
)
from trading.orders.executions import ExecType
from trading.orders.order_types import (
    ContingencyType,
    OrderLeg,
    PegOffsetType,
    PriceTrigger,
    TimeTrigger,
    TriggerDirection,
    combo_symbol,
)
from trading.orders.orders import NewOrderSingle, OrdStatus, OrdType, Side, TimeInForce

OPEN, CLOSE = "Mon 09:30:01", "Mon 16:00:00"
BUY, SELL = Side.BUY, Side.SELL
GTC, GTD, FOK, OPG, CLS = (TimeInForce(t) for t in ("gtc", "gtd", "fok", "opg", "cls"))
UP, DOWN = TriggerDirection.UP, TriggerDirection.DOWN
OCO, OTO = ContingencyType.OCO, ContingencyType.OTO
UNFILLED = ("expired", CLOSE, "not filled by the close of 2020-08-24")
LATER = MONDAY + timedelta(days=14)


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return an_engine(tmp_path)


def a_trail(offset: str, unit: PegOffsetType = PegOffsetType.PRICE, **changes) -> NewOrderSingle:
    given = {"ord_type": OrdType.TRAILING_STOP, "peg_offset_value": Decimal(offset), "peg_offset_type": unit}
    return an_order(**(given | changes))


def new_york(day, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) + timedelta(hours=4)


async def lived(engine, orders, *rows, settings: PaperSettings = FREE, as_list: bool = False) -> dict[str, list]:
    """Send the orders on Monday at 8 and return in words what became of each in the fortnight after."""
    clock = a_clock()
    broker = a_broker(engine, MemoryMarket(list(rows)), clock, settings)
    if as_list:
        await broker.submit_list(orders)
    else:
        for order in orders:
            await broker.submit(order)
    clock.set(LATER, 20)
    return {o.cl_ord_id: [in_words(r) for r in (await broker.find(o.cl_ord_id))[1:]] for o in orders}


class TestTrailingStop:
    @pytest.mark.parametrize(
        ("side", "offset", "happens"),
        [
            # The trail begins at the open: 100 - 8 = 92, and the low of 90 reaches it.
            (SELL, "8", ("100 at 92", CLOSE, "")),
            # 100 - 12 = 88 is not reached; the high moves it to 110 - 12 = 98, which the close of 105 is above.
            (SELL, "12", UNFILLED),
            # 100 + 9 = 109: the high of 110 reaches it.
            (BUY, "9", ("100 at 109", CLOSE, "")),
            # 100 + 11 = 111 is not reached; the low moves it to 90 + 11 = 101, which the close of 105 has passed.
            (BUY, "11", ("100 at 101", CLOSE, "")),
        ],
    )
    async def test_it_follows_the_price_by_an_amount(self, engine, side, offset, happens):
        assert await outcome(a_trail(offset, side=side), a_bar(), engine=engine) == [happens]

    async def test_it_follows_the_price_by_a_percentage_and_stays_where_it_was_best(self, engine):
        # Monday puts it at 110 less 15 % = 93.50. Tuesday opens above, and its low of 93 reaches it.
        order = a_trail("15", PegOffsetType.PERCENT, side=SELL, time_in_force=GTC)
        tuesday = a_bar(TUESDAY, open=100.0, high=101.0, low=93.0, close=97.0)

        happened = await outcome(order, a_bar(), tuesday, engine=engine)

        assert happened == [("100 at 93.5", "Tue 16:00:00", "")]

    async def test_an_open_beyond_the_trail_is_what_is_paid(self, engine):
        order = a_trail("12", side=SELL, time_in_force=GTC)  # at 98 after Monday

        happened = await outcome(order, a_bar(), a_bar(TUESDAY, open=95.0, high=96.0, low=94.0), engine=engine)

        assert happened == [("100 at 95", "Tue 09:30:01", "")]

    async def test_with_closes_only_the_closes_move_and_trigger_it(self, engine):
        order = a_trail("10", side=SELL, time_in_force=GTC)
        rows = [a_close(MONDAY, 105.0), a_close(TUESDAY, 95.0)]  # 105 - 10 = 95

        assert await outcome(order, *rows, engine=engine) == [("100 at 95", "Tue 16:00:00", "")]

    async def test_sent_after_the_open_it_knows_the_close_only(self, engine):
        assert await outcome(a_trail("1", side=SELL), a_bar(), engine=engine, at=(12, 0)) == [UNFILLED]


class TestTimes:
    async def test_a_good_till_date_order_works_until_its_time(self, engine):
        order = a_limit("80", time_in_force=GTD, good_till=new_york(TUESDAY, 12))

        happened = await outcome(order, a_bar(), a_bar(TUESDAY), a_bar(TUESDAY + timedelta(days=1)), engine=engine)

        assert happened == [("expired", "Tue 12:00:00", "it was good till 2020-08-25 16:00 UTC")]

    @pytest.mark.parametrize(
        ("till", "happens"),
        [
            ((16, 0), ("100 at 95", CLOSE, "")),
            ((15, 0), ("expired", "Mon 15:00:00", "it was good till 2020-08-24 19:00 UTC")),  # was the low before 3?
        ],
    )
    async def test_one_that_ends_before_the_close_does_not_have_the_low_of_the_day(self, engine, till, happens):
        order = a_limit("95", time_in_force=GTD, good_till=new_york(MONDAY, *till))

        assert await outcome(order, a_bar(), engine=engine) == [happens]

    @pytest.mark.parametrize(
        ("volume", "happens"),
        [(1000.0, ("100 at 100", OPEN, "")), (990.0, ("canceled", OPEN, "the open did not fill it on 2020-08-24"))],
    )
    async def test_fill_or_kill_trades_all_or_nothing(self, engine, volume, happens):
        # A tenth of the volume may be ours.
        assert await outcome(an_order(time_in_force=FOK), a_bar(volume=volume), engine=engine) == [happens]

    @pytest.mark.parametrize(
        ("order", "happens"),
        [
            (a_limit("100", time_in_force=OPG), ("100 at 100", OPEN, "")),
            (a_limit("99", time_in_force=OPG), ("expired", OPEN, "the open did not fill it on 2020-08-24")),
            (a_limit("105", time_in_force=CLS), ("100 at 105", CLOSE, "")),
            (a_limit("104", time_in_force=CLS), UNFILLED),
            (an_order(time_in_force=CLS), ("100 at 105", CLOSE, "")),
        ],
    )
    async def test_orders_for_the_open_and_the_close_trade_there_or_not_at_all(self, engine, order, happens):
        assert await outcome(order, a_bar(), engine=engine) == [happens]

    async def test_that_it_may_trade_outside_regular_hours_changes_nothing(self, engine):
        order = an_order(outside_regular_hours=True)

        assert await outcome(order, a_bar(), engine=engine) == [("100 at 100", OPEN, "")]


class TestTriggers:
    @pytest.mark.parametrize(
        ("trigger", "happens"),
        [
            (PriceTrigger(symbol="AAPL", price=Decimal(100), direction=UP), ("100 at 105", CLOSE, "")),  # at the open
            (PriceTrigger(symbol="AAPL", price=Decimal(91), direction=DOWN), ("100 at 105", CLOSE, "")),
            (PriceTrigger(symbol="AAPL", price=Decimal("110.01"), direction=UP), UNFILLED),
            (PriceTrigger(symbol="MSFT", price=Decimal(50), direction=UP), ("100 at 105", CLOSE, "")),
            (PriceTrigger(symbol="MSFT", price=Decimal(51), direction=UP), UNFILLED),
            (TimeTrigger(at=new_york(MONDAY, 9)), ("100 at 100", OPEN, "")),
            (TimeTrigger(at=new_york(MONDAY, 11)), ("100 at 105", CLOSE, "")),
            (TimeTrigger(at=new_york(MONDAY, 17)), UNFILLED),
        ],
    )
    async def test_an_order_works_only_once_its_trigger_has_happened(self, engine, trigger, happens):
        msft = a_bar(symbol="MSFT", open=45.0, high=50.0, low=40.0, close=45.0)

        assert await outcome(an_order(triggers=(trigger,)), a_bar(), msft, engine=engine) == [happens]

    async def test_a_price_of_the_morning_triggers_nothing_that_was_sent_at_noon(self, engine):
        trigger = PriceTrigger(symbol="AAPL", price=Decimal(91), direction=DOWN)
        order = an_order(triggers=(trigger,), time_in_force=GTC)

        assert await outcome(order, a_bar(), a_bar(TUESDAY, low=95.0), engine=engine, at=(12, 0)) == []

    async def test_all_triggers_must_have_happened_but_not_on_the_same_day(self, engine):
        up = PriceTrigger(symbol="AAPL", price=Decimal(108), direction=UP)
        down = PriceTrigger(symbol="AAPL", price=Decimal(85), direction=DOWN)
        tuesday = a_bar(TUESDAY, open=99.0, high=100.0, low=85.0, close=88.0)

        happened = await outcome(an_order(triggers=(up, down), time_in_force=GTC), a_bar(), tuesday, engine=engine)

        assert happened == [("100 at 88", "Tue 16:00:00", "")]

    async def test_what_the_close_alone_triggers_trades_from_the_next_open(self, engine):
        trigger = PriceTrigger(symbol="AAPL", price=Decimal(105), direction=UP)
        order = an_order(triggers=(trigger,), time_in_force=GTC)

        happened = await outcome(order, a_close(MONDAY, 105.0), a_bar(TUESDAY, open=107.0), engine=engine)

        assert happened == [("100 at 107", "Tue 09:30:01", "")]


def a_bracket(target: str, stop: str, entry: NewOrderSingle | None = None, **changes) -> list[NewOrderSingle]:
    exits = {"list_id": "l", "contingency_type": OCO, "parent_cl_ord_id": "in", "side": SELL} | changes
    return [
        entry or an_order("in", list_id="l", contingency_type=OTO),
        a_limit(target, "gain", **exits),
        a_stop(stop, "loss", **exits),
    ]


class TestLists:
    async def test_the_exits_of_a_bracket_work_for_the_rest_of_the_bar_that_opened_it(self, engine):
        happened = await lived(engine, a_bracket("108", "80"), a_bar(), as_list=True)

        assert happened == {
            "in": [("100 at 100", OPEN, "")],
            "gain": [("100 at 108", CLOSE, "")],
            "loss": [UNFILLED],  # it was looked at first
        }

    async def test_where_one_bar_reaches_both_exits_the_stop_is_taken_to_be_the_first(self, engine):
        happened = await lived(engine, a_bracket("108", "92"), a_bar(), as_list=True)

        assert happened["loss"] == [("100 at 92", CLOSE, "")]
        assert happened["gain"] == [("canceled", CLOSE, "loss of its list traded")]

    async def test_an_entry_in_the_course_of_the_bar_leaves_its_exits_the_close_only(self, engine):
        entry = a_limit("95", "in", list_id="l", contingency_type=OTO)

        happened = await lived(engine, a_bracket("104", "92", entry), a_bar(), as_list=True)

        assert happened["in"] == [("100 at 95", CLOSE, "")]
        assert happened["gain"] == [("100 at 105", CLOSE, "")]  # the low of 90 may have been before the entry

    async def test_an_entry_at_the_close_leaves_its_exits_the_next_session(self, engine):
        entry = an_order("in", list_id="l", contingency_type=OTO, time_in_force=CLS)
        tuesday = a_bar(TUESDAY, open=120.0, high=125.0, low=119.0, close=121.0)

        happened = await lived(engine, a_bracket("104", "92", entry, time_in_force=GTC), a_bar(), tuesday, as_list=True)

        assert happened["in"] == [("100 at 105", CLOSE, "")]
        assert happened["gain"] == [("100 at 120", "Tue 09:30:01", "")]

    async def test_an_entry_that_never_trades_takes_its_exits_with_it(self, engine):
        entry = a_limit("80", "in", list_id="l", contingency_type=OTO)

        happened = await lived(engine, a_bracket("108", "92", entry, time_in_force=GTC), a_bar(), as_list=True)

        gone = ("canceled", CLOSE, "its parent in ended without it")
        assert happened == {"in": [UNFILLED], "gain": [gone], "loss": [gone]}

    async def test_an_entry_that_trades_in_part_leaves_exits_for_that_part(self, engine):
        # A tenth of 300 shares is ours: 30 of 100.
        tuesday = a_bar(TUESDAY, open=120.0, high=125.0, low=119.0, close=121.0)
        bracket = a_bracket("108", "80", time_in_force=GTC)

        happened = await lived(engine, bracket, a_bar(volume=300.0), tuesday, as_list=True)

        assert happened["in"] == [("30 at 100", OPEN, ""), UNFILLED]
        assert happened["gain"] == [
            ("restated", CLOSE, "its parent in traded 30 of 100"),
            ("30 at 120", "Tue 09:30:01", ""),
        ]
        assert happened["loss"][-1] == ("canceled", "Tue 09:30:01", "gain of its list traded")

    async def test_canceling_the_entry_cancels_its_exits(self, engine):
        broker = a_broker(engine, MemoryMarket([a_bar()]), a_clock())
        bracket = a_bracket("108", "92")
        await broker.submit_list(bracket)

        await broker.cancel_all()

        assert (await broker.statement()).working == ()
        assert [(await broker.find(o.cl_ord_id))[-1].ord_status for o in bracket] == [OrdStatus.CANCELED] * 3

    async def test_one_cancels_the_other_across_symbols(self, engine):
        pair = {"list_id": "l", "contingency_type": OCO}
        orders = [a_limit("95", "a", **pair), a_limit("44", "m", symbol="MSFT", **pair)]
        msft = a_bar(symbol="MSFT", open=45.0, high=50.0, low=44.5, close=45.0)

        happened = await lived(engine, orders, a_bar(), msft, as_list=True)

        assert happened == {"a": [("100 at 95", CLOSE, "")], "m": [("canceled", CLOSE, "a of its list traded")]}

    async def test_a_list_with_one_bad_order_is_rejected_as_a_whole(self, engine):
        broker = a_broker(engine, MemoryMarket([a_bar()]), a_clock())

        reports = await broker.submit_list(a_bracket("108.005", "92"))

        assert {r.exec_type for r in reports} == {ExecType.REJECTED}
        assert "gain of its list was rejected: price 108.005 is not a multiple" in reports[0].text

    async def test_a_child_without_its_parent_is_rejected(self, engine):
        broker = a_broker(engine, MemoryMarket([a_bar()]), a_clock())

        (report,) = await broker.submit(a_bracket("108", "92")[1])

        assert report.text == "its parent in is not here; send them together"


LEGS = (OrderLeg(symbol="AAPL", ratio=1, side=BUY), OrderLeg(symbol="MSFT", ratio=2, side=SELL))
MSFT = a_bar(symbol="MSFT", open=45.0, high=50.0, low=40.0, close=46.0)


def a_combo(cl_ord_id: str = "o-1", side: Side = BUY, **changes) -> NewOrderSingle:
    return an_order(cl_ord_id, side, symbol=combo_symbol(LEGS), legs=LEGS, **changes)


class TestLegs:
    async def test_all_legs_trade_at_once_and_the_order_at_their_net(self, engine):
        clock = a_clock()
        broker = a_broker(engine, MemoryMarket([a_bar(), MSFT]), clock)
        await broker.submit(a_combo())

        clock.set(MONDAY, 10)

        reports = (await broker.find("o-1"))[1:]
        told = [(r.symbol, r.side, r.last_qty, r.last_px) for r in reports]
        assert told == [("AAPL", BUY, 100, 100), ("MSFT", SELL, 200, 45), (combo_symbol(LEGS), BUY, 100, 10)]
        assert reports[-1].ord_status is OrdStatus.FILLED
        statement = await broker.statement()
        assert {p.symbol: p.qty for p in statement.positions} == {"AAPL": 100, "MSFT": -200}
        assert statement.cash.amount == 1_000_000 - 100 * 100 + 200 * 45

    async def test_a_combo_that_is_sold_trades_the_opposite_of_each_leg(self, engine):
        happened = await lived(engine, [a_combo(side=SELL)], a_bar(), MSFT)

        assert happened["o-1"] == [("100 at 100", OPEN, ""), ("200 at 45", OPEN, ""), ("100 at 10", OPEN, "")]

    @pytest.mark.parametrize(
        ("limit_px", "happens"),
        [("10", [("100 at 10", OPEN, "")]), ("9", []), ("13", [("100 at 10", OPEN, "")])],
    )
    async def test_a_net_limit_knows_the_opens_and_the_closes_only(self, engine, limit_px, happens):
        # At the open 100 - 2 x 45 = 10; at the close 105 - 2 x 46 = 13; the low less the high would be -10.
        order = a_combo(ord_type=OrdType.LIMIT, price=Decimal(limit_px))

        happened = (await lived(engine, [order], a_bar(), MSFT))["o-1"]

        assert happened[2:] == happens if happens else happened[0][0] == "expired"

    async def test_it_trades_as_many_units_as_every_leg_has_volume_for(self, engine):
        # A tenth of 500 MSFT is 50, 25 units; AAPL has plenty.
        happened = await lived(engine, [a_combo()], a_bar(), MSFT | {"volume": 500.0})

        assert happened["o-1"][:3] == [("25 at 100", OPEN, ""), ("50 at 45", OPEN, ""), ("25 at 10", OPEN, "")]

    async def test_it_waits_until_every_leg_has_its_bar(self, engine):
        clock, market = a_clock(), MemoryMarket([a_bar()])
        broker = a_broker(engine, market, clock)
        await broker.submit(a_combo())
        clock.set(MONDAY, 10)
        before = await broker.find("o-1")

        market.rows.append(MSFT)
        clock.set(MONDAY, 11)

        assert len(before) == 1
        assert [in_words(r)[1] for r in (await broker.find("o-1"))[1:]] == [OPEN] * 3
