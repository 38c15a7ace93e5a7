"""The broker's answer is lost, or the broker is away: nothing is assumed, nothing is sent twice, the rest goes on."""

from collections.abc import Callable
from datetime import datetime

import pytest
from prefect.tasks import Task

from adapters.paper.broker import PaperBroker
from tests.flows.desks import SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder
from trading.broker import AccountStatement
from trading.errors import BrokerUnavailable, OutcomeUnknown
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle, OrdStatus

NAME = "the paper broker"


class BadLine(PaperBroker):
    """The paper broker at the end of a bad line. What fails is set on the class by each test."""

    accepted_unheard: frozenset[str] = frozenset()
    lost_on_the_way: frozenset[str] = frozenset()
    cut_by: frozenset[str] = frozenset()
    refuses_to_connect: frozenset[str] = frozenset()
    answers = True

    async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
        self._require_line()
        if order.symbol in self.refuses_to_connect:
            raise BrokerUnavailable(NAME, "connection refused")
        if order.symbol in self.lost_on_the_way:
            raise OutcomeUnknown(NAME, order.cl_ord_id, "connection reset")
        answer = await super().submit(order)
        if order.symbol in self.cut_by:
            type(self).answers = False
        if order.symbol in self.accepted_unheard | self.cut_by:
            raise OutcomeUnknown(NAME, order.cl_ord_id, "time-out")
        return answer

    async def find(self, cl_ord_id: str) -> tuple[ExecutionReport, ...]:
        self._require_line()
        return await super().find(cl_ord_id)

    async def reports_since(self, since: datetime) -> tuple[ExecutionReport, ...]:
        self._require_line()
        return await super().reports_since(since)

    async def statement(self) -> AccountStatement:
        self._require_line()
        return await super().statement()

    def _require_line(self) -> None:
        if not self.answers:
            raise BrokerUnavailable(NAME, "connection refused")


@pytest.fixture
def bad_line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the desk reach its broker through a line that is bad in the ways told; nothing told mends it."""
    monkeypatch.setattr("blocks.broker_account.PaperBroker", BadLine)

    def set_faults(**faults: object) -> None:
        for name in ("accepted_unheard", "lost_on_the_way", "cut_by", "refuses_to_connect"):
            monkeypatch.setattr(BadLine, name, frozenset(faults.get(name, ())))
        monkeypatch.setattr(BadLine, "answers", faults.get("answers", True))

    return set_faults


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.reconcile import reconcile_books

    task: Task = reconcile_books
    monkeypatch.setattr(task, "retry_delay_seconds", [0, 0])


def assert_all_taken_and_filled_once(desk: DeskFolder) -> None:
    assert desk.at_broker() == list(SYMBOLS)
    assert {o.ord_status for o in desk.orders().values()} == {OrdStatus.FILLED}


async def test_an_order_taken_by_the_broker_whose_answer_was_lost_is_adopted(
    fresh_desk: DeskFolder, copy_of: Copy, bad_line: Callable[..., None]
):
    desk = await copy_of(fresh_desk)
    bad_line(accepted_unheard={"KO"})

    state = await desk.trade(WEDNESDAY)

    assert state.message.endswith(" orders sent, 20 of 20 filled, 0 working")
    assert desk.orders()["KO"].sent_count == 1
    assert_all_taken_and_filled_once(desk)


async def test_an_order_whose_answer_was_lost_with_the_line_is_asked_for_by_the_next_run(
    fresh_desk: DeskFolder, copy_of: Copy, bad_line: Callable[..., None]
):
    desk = await copy_of(fresh_desk)
    bad_line(cut_by={"KO"})

    cut = await desk.trade(WEDNESDAY)
    unknown = desk.orders()["KO"]
    bad_line()
    mended = await desk.trade(WEDNESDAY)

    assert cut.is_failed()
    assert unknown.ord_status is OrdStatus.UNKNOWN
    assert mended.message.startswith("2022-12-28: 10 orders sent, 20 of 20 filled")  # LLY to XOM
    assert desk.orders()["KO"].sent_count == 1
    assert_all_taken_and_filled_once(desk)


async def test_an_order_proven_absent_is_sent_again_once_under_the_same_id(
    fresh_desk: DeskFolder, copy_of: Copy, bad_line: Callable[..., None]
):
    desk = await copy_of(fresh_desk)
    bad_line(lost_on_the_way={"KO", "PG"})

    first = await desk.trade(WEDNESDAY)
    before = desk.orders()
    bad_line()
    second = await desk.trade(WEDNESDAY)

    assert "18 of 20 filled, 2 working" in first.message
    assert {s for s, o in before.items() if o.ord_status is OrdStatus.UNKNOWN} == {"KO", "PG"}
    assert second.message.startswith("2022-12-28: 2 orders sent, 20 of 20 filled")
    assert desk.orders()["KO"].cl_ord_id == before["KO"].cl_ord_id
    assert desk.orders()["KO"].sent_count == before["KO"].sent_count + 1
    assert_all_taken_and_filled_once(desk)


async def test_an_order_that_cannot_be_asked_for_stays_unknown_and_locks_its_symbol_while_others_trade(
    fresh_desk: DeskFolder, copy_of: Copy, bad_line: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    bad_line(lost_on_the_way={"KO"})
    await desk.trade(TUESDAY)
    bad_line()

    async def unreachable(broker: BadLine, cl_ord_id: str) -> tuple[ExecutionReport, ...]:
        raise BrokerUnavailable(NAME, "the order service is down")

    with monkeypatch.context() as patch:
        patch.setattr(BadLine, "find", unreachable)
        traded = await desk.trade(WEDNESDAY, sizing={"drift_band_pct": 0})
    held_back = desk.orders(TUESDAY)["KO"]
    targets = {t["symbol"]: t["reason"] for t in desk.ledger.journal.last_decision(desk.account)["targets"]}
    later = await desk.reconcile(WEDNESDAY)

    assert ", 1 UNKNOWN" in traded.message
    assert held_back.ord_status is OrdStatus.UNKNOWN
    assert targets["KO"] == "locked: an order of it is UNKNOWN"
    assert "KO" not in desk.orders(WEDNESDAY)
    assert {o.ord_status for o in desk.orders(WEDNESDAY).values()} == {OrdStatus.FILLED}
    (alert,) = [a for a in desk.alerts() if a.fingerprint == f"unknown {held_back.cl_ord_id}"]
    assert "KO is locked and its risk stays reserved until the broker answers" in alert.text
    assert later.is_completed()
    given_up = desk.orders(TUESDAY)["KO"]  # asked again, proven absent, and too late by a day
    assert given_up.ord_status is OrdStatus.EXPIRED
    assert given_up.text == "not sent by 2022-12-27 15:00 UTC, and too late now"


async def test_a_broker_that_goes_away_while_orders_are_sent_gets_the_rest_from_the_next_run(
    fresh_desk: DeskFolder, copy_of: Copy, bad_line: Callable[..., None]
):
    desk = await copy_of(fresh_desk)
    bad_line(refuses_to_connect={"GE"})

    cut = await desk.trade(WEDNESDAY)
    reached = desk.at_broker()
    bad_line()
    mended = await desk.trade(WEDNESDAY)

    assert "BrokerUnavailable: the paper broker cannot be reached: connection refused; nothing was sent" in cut.message
    assert reached == ["AAPL", "AMD", "BAC", "BBY", "CVX"]
    assert "trade-session Failed" in [alert.title for alert in desk.alerts()]
    assert mended.message.startswith("2022-12-28: 15 orders sent, 20 of 20 filled")
    assert_all_taken_and_filled_once(desk)


async def test_no_order_is_made_while_the_broker_cannot_state_the_account(
    fresh_desk: DeskFolder, copy_of: Copy, bad_line: Callable[..., None]
):
    desk = await copy_of(fresh_desk)
    bad_line(answers=False)

    state = await desk.trade(WEDNESDAY)

    assert "BrokerUnavailable" in state.message
    assert desk.rows("decision") == []
    assert desk.at_broker() == []


async def test_a_broker_that_is_away_for_a_moment_is_asked_again_and_gets_each_order_once(
    fresh_desk: DeskFolder, copy_of: Copy, bad_line: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    bad_line()
    answers = iter([False])
    monkeypatch.setattr(BadLine, "answers", property(lambda _: next(answers, True)))

    state = await desk.trade(WEDNESDAY)

    assert state.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"
    assert_all_taken_and_filled_once(desk)
