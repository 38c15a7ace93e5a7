"""The battery of order types: what every broker adapter that takes them must do with them.

A test file gives its broker a `SessionVenue` and inherits:

    class TestAcmeOrderTypes(OrderTypesBattery):
        @pytest.fixture
        def venue(self, tmp_path): return AcmeSessions(tmp_path)
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import pytest

from trading.broker import Broker
from trading.errors import InvalidValue
from trading.orders.executions import ExecType, fold_order
from trading.orders.order_types import (
    ContingencyType,
    OrderLeg,
    PegOffsetType,
    PriceTrigger,
    TriggerDirection,
    combo_symbol,
)
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side, TimeInForce

GTC = TimeInForce.GTC
OCO, OTO = ContingencyType.OCO, ContingencyType.OTO


class SessionVenue(Protocol):
    """A broker under test before the open of a session, whose prices it can set.

    Attributes:
        symbols: two that can be traded; the first one's price is told to `pass_session`, the second's stays.
        px: what the first begins at; more than 50.
        good_till: after the close of the first session that is passed, and before the close of the second.
    """

    symbols: tuple[str, str]
    px: Decimal
    good_till: datetime

    async def connect(self) -> Broker:
        """Return an adapter of the account."""
        ...

    def order(self, cl_ord_id: str, **fields: Any) -> NewOrderSingle:
        """Return a MARKET DAY order to buy 100 of the first symbol in the coming session, with other fields."""
        ...

    async def pass_session(self, *pxs: Decimal) -> None:
        """Let a session pass in which the first symbol trades at these prices, one after another from the open on.

        Volume is plenty. What is due at its close has happened.
        """
        ...


class OrderTypesBattery:
    """The tests; `venue` comes from the class that inherits them."""

    @pytest.mark.parametrize(("ends", "filled", "canceled"), [(12, "target", "stop"), (-12, "stop", "target")])
    async def test_the_exits_of_a_bracket_follow_its_entry_and_one_cancels_the_other(
        self, venue: SessionVenue, ends: int, filled: str, canceled: str
    ):
        broker, bracket = await venue.connect(), _bracket(venue)
        answer = await broker.submit_list(bracket)

        await venue.pass_session(venue.px, venue.px + ends)

        assert [(r.cl_ord_id, r.exec_type) for r in answer] == [(o.cl_ord_id, ExecType.NEW) for o in bracket]
        became = await _became(broker, bracket)
        assert became["in"].ord_status is became[filled].ord_status is OrdStatus.FILLED
        assert became[canceled].ord_status is OrdStatus.CANCELED
        assert [o.contradictions for o in became.values()] == [()] * 3
        statement = await broker.statement()
        assert (statement.positions, statement.working) == ((), ())

    async def test_the_exits_of_a_bracket_do_not_trade_while_its_entry_has_not(self, venue: SessionVenue):
        broker, bracket = await venue.connect(), _bracket(venue, ord_type=OrdType.LIMIT, price=venue.px - 30)
        await broker.submit_list(bracket)

        await venue.pass_session(venue.px, venue.px + 12, venue.px - 12)

        became = await _became(broker, bracket)
        assert [o.cum_qty for o in became.values()] == [0, 0, 0]
        assert (await broker.statement()).positions == ()

    async def test_a_list_sent_twice_is_one_list(self, venue: SessionVenue):
        broker, bracket = await venue.connect(), _bracket(venue)
        first = await broker.submit_list(bracket)

        assert await broker.submit_list(bracket) == first
        assert set((await broker.statement()).working) == {"in", "target", "stop"}

    async def test_orders_that_make_no_list_are_refused_before_anything_is_sent(self, venue: SessionVenue):
        broker = await venue.connect()

        with pytest.raises(InvalidValue):
            await broker.submit_list(_bracket(venue)[1:])

        assert await broker.find("target") == ()

    async def test_one_cancels_the_other(self, venue: SessionVenue):
        broker = await venue.connect()
        given = {"list_id": "l-1", "contingency_type": OCO, "ord_type": OrdType.LIMIT, "time_in_force": GTC}
        pair = [
            venue.order("near", price=venue.px - 5, **given),
            venue.order("far", price=venue.px - 20, **given),
        ]
        await broker.submit_list(pair)

        await venue.pass_session(venue.px, venue.px - 6)

        became = await _became(broker, pair)
        assert [became[i].ord_status for i in ("near", "far")] == [OrdStatus.FILLED, OrdStatus.CANCELED]

    @pytest.mark.parametrize(
        ("unit", "offset"), [(PegOffsetType.PRICE, Decimal(5)), (PegOffsetType.PERCENT, Decimal(4))]
    )
    @pytest.mark.parametrize(("ends", "filled"), [(2, 100), (8, 0)])
    async def test_a_trailing_stop_follows_the_best_price(
        self, venue: SessionVenue, unit: PegOffsetType, offset: Decimal, ends: int, filled: int
    ):
        broker = await venue.connect()
        order = venue.order(
            "t",
            side=Side.SELL,
            ord_type=OrdType.TRAILING_STOP,
            peg_offset_value=offset,
            peg_offset_type=unit,
            time_in_force=GTC,
        )
        await broker.submit(order)

        await venue.pass_session(venue.px, venue.px + 10, venue.px + ends)

        assert (await _became(broker, [order]))["t"].cum_qty == filled

    async def test_an_order_for_the_close_trades_at_the_close(self, venue: SessionVenue):
        broker, order = await venue.connect(), venue.order("c", time_in_force=TimeInForce.CLS)
        await broker.submit(order)

        await venue.pass_session(venue.px, venue.px + 5, venue.px + 3)

        filled = (await _became(broker, [order]))["c"]
        assert filled.ord_status is OrdStatus.FILLED
        assert filled.avg_px is not None
        assert abs(filled.avg_px - (venue.px + 3)) < 1

    async def test_a_good_till_date_order_works_for_more_than_a_session_but_not_after_its_time(
        self, venue: SessionVenue
    ):
        broker = await venue.connect()
        given = {"ord_type": OrdType.LIMIT, "time_in_force": TimeInForce.GTD, "good_till": venue.good_till}
        order = venue.order("g", price=venue.px - 20, **given)
        await broker.submit(order)

        await venue.pass_session(venue.px)
        working = (await broker.statement()).working
        await venue.pass_session(venue.px)
        await venue.pass_session(venue.px - 25)

        over = (await _became(broker, [order]))["g"]
        assert working == ("g",)
        assert (await broker.statement()).working == ()
        assert (over.ord_status.is_open, over.cum_qty) == (False, 0)

    @pytest.mark.parametrize(("away", "filled"), [(0, 100), (-20, 0)])
    async def test_fill_or_kill_trades_at_once_in_full_or_not_at_all(self, venue: SessionVenue, away: int, filled: int):
        broker = await venue.connect()
        given = {"ord_type": OrdType.LIMIT, "time_in_force": TimeInForce.FOK}
        order = venue.order("k", price=venue.px + away, **given)
        await broker.submit(order)

        await venue.pass_session(venue.px, venue.px - 25)

        became = (await _became(broker, [order]))["k"]
        assert (became.ord_status.is_open, became.cum_qty) == (False, filled)

    @pytest.mark.parametrize(("top", "filled"), [(8, 100), (6, 0)])
    async def test_an_order_waits_for_its_trigger(self, venue: SessionVenue, top: int, filled: int):
        broker = await venue.connect()
        trigger = PriceTrigger(symbol=venue.symbols[0], price=venue.px + 7, direction=TriggerDirection.UP)
        order = venue.order("w", triggers=(trigger,))
        await broker.submit(order)

        await venue.pass_session(venue.px, venue.px + top, venue.px)

        assert (await _became(broker, [order]))["w"].cum_qty == filled

    async def test_an_order_in_legs_is_one_order_and_moves_the_position_of_each_leg(self, venue: SessionVenue):
        broker, (one, other) = await venue.connect(), venue.symbols
        legs = (OrderLeg(symbol=one, ratio=1, side=Side.BUY), OrderLeg(symbol=other, ratio=2, side=Side.SELL))
        order = venue.order("s", symbol=combo_symbol(legs), legs=legs)
        await broker.submit(order)

        await venue.pass_session(venue.px)

        filled = (await _became(broker, [order]))["s"]
        statement = await broker.statement()
        assert (filled.ord_status, filled.cum_qty, filled.contradictions) == (OrdStatus.FILLED, 100, ())
        assert {p.symbol: p.qty for p in statement.positions} == {one: 100, other: -200}
        trades = [r for r in await broker.find("s") if r.exec_type is ExecType.TRADE]
        for symbol, side, qty in ((one, Side.BUY, 100), (other, Side.SELL, 200)):
            assert sum(r.last_qty for r in trades if (r.symbol, r.side) == (symbol, side)) == qty
        assert {r.symbol for r in trades} == {one, other, order.symbol}


def _bracket(venue: SessionVenue, **entry: Any) -> list[NewOrderSingle]:
    """Return an entry, and exits 10 above and below the price."""
    exits: dict[str, Any] = {"list_id": "l-1", "contingency_type": OCO, "parent_cl_ord_id": "in"}
    exits |= {"side": Side.SELL, "time_in_force": GTC}
    return [
        venue.order("in", list_id="l-1", contingency_type=OTO, **entry),
        venue.order("target", ord_type=OrdType.LIMIT, price=venue.px + 10, **exits),
        venue.order("stop", ord_type=OrdType.STOP, stop_px=venue.px - 10, **exits),
    ]


async def _became(broker: Broker, orders: Sequence[NewOrderSingle]) -> dict[str, Order]:
    return {o.cl_ord_id: fold_order(o, (), await broker.find(o.cl_ord_id)) for o in orders}
