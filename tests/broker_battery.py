"""The battery: what every broker adapter must do, whichever broker is behind it.

A test file gives its broker a `Venue` and inherits:

    class TestAcmeBroker(BrokerBattery):
        @pytest.fixture
        def venue(self, tmp_path): return AcmeVenue(tmp_path)
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import pytest

from trading.broker import Broker
from trading.errors import BrokerUnavailable
from trading.orders.executions import ExecType, ExecutionReport, fold_order
from trading.orders.orders import NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest, OrdStatus, Side

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


class Venue(Protocol):
    """A broker under test, its market and its clock."""

    async def connect(self) -> Broker:
        """Return a new adapter of the same account, as after a restart."""
        ...

    def resting_order(self, cl_ord_id: str, side: Side = Side.BUY, qty: int = 100) -> NewOrderSingle:
        """Return an order that is accepted, and works until `let_trade`."""
        ...

    def bad_order(self, cl_ord_id: str) -> NewOrderSingle:
        """Return an order that the broker rejects."""
        ...

    async def let_trade(self) -> None:
        """Let all that works fill completely."""
        ...

    async def order_count(self) -> int:
        """Return how many orders have ever been accepted, as the venue itself counts them."""
        ...

    def unreachable(self) -> AbstractAsyncContextManager[None] | None:
        """Return a time in which the broker cannot be reached; None where that cannot be brought about."""
        ...


class BrokerBattery:
    """The tests; `venue` comes from the class that inherits them."""

    async def test_an_accepted_order_is_answered_with_new_under_our_cl_ord_id(self, venue: Venue):
        broker = await venue.connect()

        reports = await broker.submit(venue.resting_order("o-1"))

        assert [(r.cl_ord_id, r.exec_type, r.ord_status) for r in reports] == [("o-1", ExecType.NEW, OrdStatus.NEW)]
        assert reports[0].order_id
        assert await venue.order_count() == 1

    async def test_an_order_that_is_not_taken_is_rejected_with_a_text(self, venue: Venue):
        broker = await venue.connect()

        reports = await broker.submit(venue.bad_order("o-1"))

        assert reports[-1].ord_status is OrdStatus.REJECTED
        assert reports[-1].text
        assert "o-1" not in (await broker.statement()).working

    async def test_the_same_cl_ord_id_twice_is_one_order(self, venue: Venue):
        broker = await venue.connect()
        first = await broker.submit(venue.resting_order("o-1"))

        second = await broker.submit(venue.resting_order("o-1"))

        assert second == first
        assert await venue.order_count() == 1

    async def test_two_traders_who_send_the_same_order_at_once_send_one(self, venue: Venue):
        one, other = await venue.connect(), await venue.connect()

        answers = await asyncio.gather(*(b.submit(venue.resting_order("o-1")) for b in (one, other)))

        assert answers[0] == answers[1]
        assert await venue.order_count() == 1

    async def test_an_order_nobody_sent_is_not_found(self, venue: Venue):
        broker = await venue.connect()

        assert await broker.find("o-never") == ()

    async def test_canceling_an_open_order_cancels_it_once(self, venue: Venue):
        broker = await venue.connect()
        await broker.submit(venue.resting_order("o-1"))

        await broker.cancel(_cancel(venue.resting_order("o-1")))
        await broker.cancel(_cancel(venue.resting_order("o-1")))

        found = await broker.find("o-1")
        assert [r.ord_status for r in found if r.exec_type is ExecType.CANCELED] == [OrdStatus.CANCELED]
        assert (await broker.statement()).working == ()

    async def test_a_canceled_order_does_not_trade(self, venue: Venue):
        broker = await venue.connect()
        await broker.submit(venue.resting_order("o-1"))
        await broker.cancel(_cancel(venue.resting_order("o-1")))

        await venue.let_trade()

        assert _trades(await broker.find("o-1")) == []

    async def test_canceling_a_filled_order_changes_nothing(self, venue: Venue):
        broker = await venue.connect()
        await broker.submit(venue.resting_order("o-1"))
        await venue.let_trade()
        before = await broker.find("o-1")

        await broker.cancel(_cancel(venue.resting_order("o-1")))

        assert await broker.find("o-1") == before
        assert before[-1].ord_status is OrdStatus.FILLED

    async def test_canceling_an_order_nobody_sent_makes_no_order(self, venue: Venue):
        broker = await venue.connect()

        await broker.cancel(_cancel(venue.resting_order("o-never")))

        assert await broker.find("o-never") == ()
        assert await venue.order_count() == 0

    async def test_two_requests_to_cancel_with_ids_of_their_own_cancel_once(self, venue: Venue):
        broker = await venue.connect()
        order = venue.resting_order("o-1")
        await broker.submit(order)

        await broker.cancel(_cancel(order))
        await broker.cancel(replace(_cancel(order), cl_ord_id="o-1-y"))

        found = await broker.find("o-1")
        assert [r.cl_ord_id for r in found if r.exec_type is ExecType.CANCELED] == ["o-1"]

    async def test_a_replaced_order_keeps_its_id_and_fills_under_its_new_values(self, venue: Venue):
        broker = await venue.connect()
        order = venue.resting_order("o-1")
        await broker.submit(order)

        answer = await broker.replace(_replace(order, 150))
        await venue.let_trade()

        told = [r for r in answer if r.exec_type is ExecType.REPLACED]
        assert [(r.cl_ord_id, r.order_qty) for r in told] == [("o-1", 150)]
        assert sum(r.last_qty for r in _trades(await broker.find("o-1"))) == 150
        folded = fold_order(order, (), await broker.find("o-1"))
        assert (folded.ord_status, folded.in_force.order_qty) == (OrdStatus.FILLED, 150)
        assert folded.contradictions == ()
        assert await venue.order_count() == 1

    async def test_asking_twice_to_replace_is_asking_once(self, venue: Venue):
        broker = await venue.connect()
        order = venue.resting_order("o-1")
        await broker.submit(order)

        await broker.replace(_replace(order, 150))
        await broker.replace(_replace(order, 120, number=2))
        await broker.replace(_replace(order, 150))

        told = [r.order_qty for r in await broker.find("o-1") if r.exec_type is ExecType.REPLACED]
        assert told == [150, 120]
        assert (await broker.statement()).working == ("o-1",)

    async def test_replacing_a_filled_order_changes_nothing(self, venue: Venue):
        broker = await venue.connect()
        order = venue.resting_order("o-1")
        await broker.submit(order)
        await venue.let_trade()
        before = await broker.find("o-1")

        await broker.replace(_replace(order, 150))

        assert await broker.find("o-1") == before

    async def test_replacing_an_order_nobody_sent_makes_no_order(self, venue: Venue):
        broker = await venue.connect()

        await broker.replace(_replace(venue.resting_order("o-never"), 150))

        assert await broker.find("o-never") == ()
        assert await venue.order_count() == 0

    async def test_cancel_all_leaves_nothing_that_works(self, venue: Venue):
        broker = await venue.connect()
        for number in range(3):
            await broker.submit(venue.resting_order(f"o-{number}"))

        await broker.cancel_all()
        await broker.cancel_all()
        await venue.let_trade()

        assert (await broker.statement()).working == ()
        for number in range(3):
            found = await broker.find(f"o-{number}")
            assert (found[-1].ord_status, _trades(found)) == (OrdStatus.CANCELED, [])

    async def test_a_closed_broker_may_be_closed_again_and_another_goes_on(self, venue: Venue):
        broker = await venue.connect()
        await broker.submit(venue.resting_order("o-1"))

        await broker.close()
        await broker.close()

        assert (await (await venue.connect()).statement()).working == ("o-1",)

    async def test_reports_come_in_order_with_unique_ids_and_growing_quantities(self, venue: Venue):
        broker = await venue.connect()
        for number in range(3):
            await broker.submit(venue.resting_order(f"o-{number}", qty=100 + number))
        await venue.let_trade()

        reports = await broker.reports_since(LONG_AGO)

        assert len({r.exec_id for r in reports}) == len(reports)
        assert [r.transact_time for r in reports] == sorted(r.transact_time for r in reports)
        for number in range(3):
            own = [r for r in reports if r.cl_ord_id == f"o-{number}"]
            assert tuple(own) == await broker.find(f"o-{number}")
            traded = Decimal(0)
            for report in own:
                traded += report.last_qty
                assert report.cum_qty == traded
            assert traded == 100 + number
            assert own[-1].ord_status is OrdStatus.FILLED

    async def test_reports_since_a_time_leave_out_what_came_before(self, venue: Venue):
        broker = await venue.connect()
        await broker.submit(venue.resting_order("o-1"))
        await venue.let_trade()
        everything = await broker.reports_since(LONG_AGO)
        since = everything[-1].transact_time

        assert await broker.reports_since(since) == tuple(r for r in everything if r.transact_time >= since)

    async def test_positions_are_the_sum_of_the_executions(self, venue: Venue):
        broker = await venue.connect()
        await broker.submit(venue.resting_order("o-1", qty=300))
        await broker.submit(venue.resting_order("o-2", side=Side.SELL, qty=100))
        before = await broker.statement()
        await venue.let_trade()

        after = await broker.statement()

        traded = sum(r.side.sign * r.last_qty for r in _trades(await broker.reports_since(LONG_AGO)))
        assert set(before.working) == {"o-1", "o-2"}
        assert before.positions == ()
        assert [p.qty for p in after.positions] == [traded] == [200]
        assert after.working == ()

    async def test_cash_is_what_came_in_less_what_was_paid(self, venue: Venue):
        broker = await venue.connect()
        before = (await broker.statement()).cash.amount
        await broker.submit(venue.resting_order("o-1"))
        await venue.let_trade()

        after = (await broker.statement()).cash.amount

        trades = _trades(await broker.find("o-1"))
        assert after == before - sum(r.last_qty * r.last_px + r.commission for r in trades)

    async def test_a_restart_loses_nothing(self, venue: Venue):
        broker = await venue.connect()
        await broker.submit(venue.resting_order("o-1"))
        await venue.let_trade()
        await broker.submit(venue.bad_order("o-2"))
        known = await broker.reports_since(LONG_AGO), await broker.statement()

        again = await venue.connect()

        assert (await again.reports_since(LONG_AGO), await again.statement()) == known
        assert await again.submit(venue.resting_order("o-1")) == await broker.find("o-1")

    async def test_nothing_is_sent_while_the_broker_cannot_be_reached(self, venue: Venue):
        broker = await venue.connect()
        await broker.statement()
        away = venue.unreachable()
        if away is None:
            pytest.skip("this venue is always there")

        async with away:
            with pytest.raises(BrokerUnavailable):
                await broker.submit(venue.resting_order("o-1"))
            with pytest.raises(BrokerUnavailable):
                await broker.find("o-1")

        assert await broker.find("o-1") == ()
        assert await venue.order_count() == 0


def _cancel(order: NewOrderSingle) -> OrderCancelRequest:
    return OrderCancelRequest(
        cl_ord_id=f"{order.cl_ord_id}-x",
        orig_cl_ord_id=order.cl_ord_id,
        account=order.account,
        transact_time=order.transact_time,
    )


def _replace(order: NewOrderSingle, qty: int, number: int = 1) -> OrderCancelReplaceRequest:
    return OrderCancelReplaceRequest(
        cl_ord_id=f"{order.cl_ord_id}-r{number}",
        orig_cl_ord_id=order.cl_ord_id,
        account=order.account,
        transact_time=order.transact_time,
        order_qty=Decimal(qty),
        price=order.price,
        stop_px=order.stop_px,
    )


def _trades(reports: tuple[ExecutionReport, ...]) -> list[ExecutionReport]:
    return [r for r in reports if r.exec_type is ExecType.TRADE]
