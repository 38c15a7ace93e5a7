"""Two runs never trade one account, whatever Prefect believes: real processes, stopped at the worst moments."""

import signal
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from prefect.settings import PREFECT_API_URL

from adapters.sql.engine import writing
from adapters.sql.leases import LEASE
from tests.flows.desk_process import WIRE, DeskProcess, Moment, StopAt, start_flow
from tests.flows.desks import SYMBOLS, WEDNESDAY, Copy, DeskFolder
from trading.orders.orders import OrdStatus

pytestmark = pytest.mark.slow


def start_trading(desk: DeskFolder, stop: StopAt | None = None) -> DeskProcess:
    parameters = {"session": WEDNESDAY, "account": desk.account_block, "storage": desk.storage}
    return start_flow(PREFECT_API_URL.value(), "flows.trade_session:trade_session", parameters, desk.home, stop)


def let_the_lease_expire(desk: DeskFolder) -> None:
    with writing(desk.ledger.engine) as connection:
        connection.execute(sa.update(LEASE).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))


def assert_each_order_was_taken_and_filled_once(desk: DeskFolder) -> None:
    assert desk.at_broker() == list(SYMBOLS)
    assert {o.ord_status for o in desk.orders().values()} == {OrdStatus.FILLED}
    kinds = Counter((row.symbol, row.exec_type) for row in desk.rows("paper_report"))
    assert kinds == Counter([(symbol, kind) for symbol in SYMBOLS for kind in ("new", "trade")])
    recorded = Counter(row.exec_id for row in desk.rows("execution_report"))
    assert recorded == Counter(row.exec_id for row in desk.rows("paper_report"))


async def test_a_run_that_finds_another_one_trading_the_account_fails_and_names_it(
    fresh_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(fresh_desk)
    first = start_trading(desk, StopAt(step="commit lease", moment=Moment.AFTER, signal=signal.SIGSTOP))
    first.wait_until_stopped()

    second = start_trading(desk).wait()
    holder = desk.ledger.leases.current(desk.account).holder
    first.go_on()
    ended = first.wait()

    assert second.exit_code == 1
    assert f"LeaseHeld: account paper is being traded by {holder}, whose lease ends" in second.message
    assert ended.message == "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"
    assert_each_order_was_taken_and_filled_once(desk)


async def test_of_two_runs_started_at_once_one_trades(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)

    started = [start_trading(desk), start_trading(desk)]
    ended = [process.wait() for process in started]

    (other,) = [o for o in ended if o.message != "2022-12-28: 20 orders sent, 20 of 20 filled, 0 working"]
    assert "LeaseHeld" in other.message or "before" in other.message  # or it came when the first had finished
    assert_each_order_was_taken_and_filled_once(desk)


@pytest.mark.parametrize("step", ["commit send_mark", WIRE, "commit paper_order+paper_report"])
async def test_a_run_that_slept_while_it_sent_cannot_send_an_order_twice(
    step: str, fresh_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(fresh_desk)
    sleeper = start_trading(desk, StopAt(step=step, moment=Moment.AFTER, signal=signal.SIGSTOP))
    sleeper.wait_until_stopped()

    let_the_lease_expire(desk)
    successor = start_trading(desk).wait()
    sleeper.go_on()
    slept = sleeper.wait()

    assert successor.exit_code == 0, successor.message
    assert slept.exit_code == 1
    assert "LeaseLost: the lease 1 on account paper is no longer valid, so nothing was written" in slept.message
    assert_each_order_was_taken_and_filled_once(desk)


async def test_a_run_that_slept_before_it_marked_its_orders_sends_none(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    decided = "commit decision+risk_decision+new_order"
    sleeper = start_trading(desk, StopAt(step=decided, moment=Moment.AFTER, signal=signal.SIGSTOP))
    sleeper.wait_until_stopped()

    let_the_lease_expire(desk)
    successor = start_trading(desk).wait()
    sleeper.go_on()
    slept = sleeper.wait()

    assert successor.message.startswith("2022-12-28: 20 orders sent, 20 of 20 filled")
    assert slept.message.startswith("2022-12-28: 0 orders sent, 20 of 20 filled")
    assert {row.token for row in desk.rows("send_mark")} == {2}
    assert_each_order_was_taken_and_filled_once(desk)


async def test_a_run_that_slept_before_it_decided_records_no_second_decision(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    sleeper = start_trading(desk, StopAt(step="commit reconciliation", moment=Moment.AFTER, signal=signal.SIGSTOP))
    sleeper.wait_until_stopped()

    let_the_lease_expire(desk)
    successor = start_trading(desk).wait()
    sleeper.go_on()
    slept = sleeper.wait()

    assert successor.exit_code == 0
    assert "LeaseLost" in slept.message
    assert len(desk.rows("decision")) == 1
    assert_each_order_was_taken_and_filled_once(desk)
