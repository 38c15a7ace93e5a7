"""One trader per account: leases, their tokens, and whom they are taken over from."""

import os
import signal
import subprocess
from datetime import timedelta

import psutil
import pytest

from tests.adapters.sql.ledger_child import acquire, all_at_once, children
from tests.adapters.sql.sql_desk import MINUTE, a_decision
from tests.builders import ACCOUNT, DECIDED, a_new_order
from tests.half_ended import half_ended
from trading.errors import DeskHalted, InvalidValue, LeaseHeld, LeaseLost
from trading.ledger import Lease
from trading.orders.executions import SendMark

OVER = timedelta(0)  # a lease that has expired when it is given


def test_an_account_has_one_trader_and_the_second_is_told_who_and_until_when(ledger):
    lease = ledger.leases.acquire(ACCOUNT, "the morning run", MINUTE)

    with pytest.raises(LeaseHeld, match=f"the morning run, whose lease ends {lease.expires_at:%Y-%m-%d %H:%M:%S} UTC"):
        ledger.leases.acquire(ACCOUNT, "the evening run", MINUTE)
    assert ledger.leases.current(ACCOUNT) == lease


def test_each_account_has_its_own_trader(ledger):
    ledger.leases.acquire("DU100", "first", MINUTE)
    ledger.leases.acquire("DU200", "second", MINUTE)

    assert ledger.leases.current("DU200").holder == "second"


def test_a_lease_that_was_given_back_can_be_taken_and_the_token_grows(ledger):
    first = ledger.leases.acquire(ACCOUNT, "first", MINUTE)
    ledger.leases.release(first)
    assert ledger.leases.current(ACCOUNT) is None

    second = ledger.leases.acquire(ACCOUNT, "second", MINUTE)

    assert second.token > first.token


def test_a_lease_that_was_given_back_cannot_be_renewed(ledger):
    lease = ledger.leases.acquire(ACCOUNT, "first", MINUTE)
    ledger.leases.release(lease)

    with pytest.raises(LeaseLost):
        ledger.leases.renew(lease, MINUTE)


def test_an_expired_lease_can_be_taken_and_the_token_grows(ledger):
    ledger.leases.acquire(ACCOUNT, "late", OVER)

    assert ledger.leases.acquire(ACCOUNT, "next", MINUTE).token == 2


def test_a_renewed_lease_ends_later_and_keeps_its_token(ledger):
    lease = ledger.leases.acquire(ACCOUNT, "long", MINUTE)

    renewed = ledger.leases.renew(lease, 10 * MINUTE)

    assert renewed.token == lease.token
    assert renewed.expires_at >= lease.expires_at + 9 * MINUTE
    assert ledger.leases.current(ACCOUNT) == renewed


def test_a_lease_that_was_lost_can_neither_be_renewed_nor_take_the_new_one_away(ledger):
    lost = ledger.leases.acquire(ACCOUNT, "lost", OVER)
    held = ledger.leases.acquire(ACCOUNT, "next", MINUTE)

    with pytest.raises(LeaseLost, match="the lease 1 on account DU100 is no longer valid"):
        ledger.leases.renew(lost, MINUTE)
    ledger.leases.release(lost)

    assert ledger.leases.current(ACCOUNT) == held


def test_a_lease_that_expired_writes_nothing_but_is_renewed_while_nobody_has_taken_it(ledger):
    lease = ledger.leases.acquire(ACCOUNT, "slow", OVER)
    with pytest.raises(LeaseLost):
        ledger.intend(lease, a_new_order())

    ledger.leases.renew(lease, MINUTE)

    assert ledger.intend(lease, a_new_order())[0].accepted


def test_a_lease_that_expired_and_was_taken_is_lost(ledger):
    lease = ledger.leases.acquire(ACCOUNT, "slow", OVER)
    ledger.leases.acquire(ACCOUNT, "next", MINUTE)

    with pytest.raises(LeaseLost):
        ledger.leases.renew(lease, MINUTE)


def an_old_lease(ledger, *orders) -> Lease:
    """Return a lease that was given back after these orders were intended; another run has it now."""
    old = ledger.lease()
    if orders:
        ledger.intend(old, *orders)
    ledger.leases.release(old)
    ledger.lease()
    return old


def test_who_has_lost_the_lease_intends_nothing(ledger):
    old = an_old_lease(ledger)

    with pytest.raises(LeaseLost):
        ledger.intend(old, a_new_order())

    assert ledger.journal.decision(ACCOUNT, a_decision().session, "main") is None
    assert ledger.journal.orders(ACCOUNT) == ()


def test_who_has_lost_the_lease_sends_nothing(ledger):
    old = an_old_lease(ledger, a_new_order())

    with pytest.raises(LeaseLost):
        ledger.journal.mark_sending(old, ["t-1"], DECIDED)
    with pytest.raises(LeaseLost):
        ledger.journal.mark(old, "t-1", SendMark.NOT_SENT, DECIDED, "")

    assert ledger.journal.history("t-1") == ((), ())


STOPS = {
    "a lost lease": lambda ledger: ledger.tamper("UPDATE lease SET token = token + 1"),
    "an expired lease": lambda ledger: ledger.tamper("UPDATE lease SET expires_at = '2024-01-01 00:00:00.000000'"),
    "a stop of the account": lambda ledger: ledger.halts.halt(ACCOUNT, "fire", "Ada", DECIDED),
    "a stop of the desk": lambda ledger: ledger.halts.halt("desk", "fire", "Ada", DECIDED),
    "a STOP file": lambda ledger: ledger.stop_file.touch(),
}


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_between_two_orders_is_seen_before_the_second(ledger, stop):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order(), a_new_order(cl_ord_id="t-2", symbol="IBM"))
    ledger.journal.require_may_send(lease, DECIDED, "t-1")

    STOPS[stop](ledger)

    with pytest.raises(LeaseLost if "lease" in stop else DeskHalted):
        ledger.journal.require_may_send(lease, DECIDED, "t-2")


@pytest.mark.parametrize("scope", [ACCOUNT, "desk"])
def test_after_a_stop_is_resumed_orders_go_out_again_and_one_of_another_account_stops_none(ledger, scope):
    lease = ledger.lease()
    ledger.sent(lease, a_new_order())
    ledger.halts.halt(scope, "fire", "Ada", DECIDED)
    ledger.halts.halt("DU200", "fire", "Ada", DECIDED)

    ledger.halts.resume(scope, "it is out", "Ada", DECIDED)

    ledger.journal.require_may_send(lease, DECIDED, "t-1")


def test_the_lease_of_one_account_is_no_right_to_trade_another(ledger):
    mine, other = ledger.lease(), ledger.lease("DU200")
    ledger.intend(mine, a_new_order())

    with pytest.raises(InvalidValue, match="'DU100', but must be DU200, for which the lease is"):
        ledger.journal.mark_sending(other, ["t-1"], DECIDED)
    with pytest.raises(InvalidValue, match="for which the lease is"):
        ledger.journal.mark(other, "t-1", SendMark.ABANDONED, DECIDED, "")
    with pytest.raises(InvalidValue, match="for which the lease is"):
        ledger.intend(other, a_new_order(cl_ord_id="t-2"), decision=a_decision(book="second"))

    assert ledger.journal.history("t-1") == ((), ())
    assert len(ledger.journal.orders(ACCOUNT)) == 1


def test_a_living_process_keeps_its_lease_and_a_killed_one_loses_it_at_once(ledger):
    with children(ledger.engine, (acquire, "the child")) as [child]:
        child.go()
        assert child.result() == "token 1"
        with pytest.raises(LeaseHeld, match="is being traded by the child"):
            ledger.lease()

        child.end(signal.SIGKILL)

        assert ledger.leases.current(ACCOUNT) is None
        assert ledger.lease().token == 2


def test_of_two_runs_that_start_at_once_exactly_one_trades(ledger):
    told = all_at_once(ledger.engine, (acquire, "left"), (acquire, "right"))

    assert sorted(told) in (["held by left", "token 1"], ["held by right", "token 1"])


class TestProofOfDeath:
    """The lease's row names its process as machine, number and time of creation."""

    def held_by(self, ledger, **changes: object) -> None:
        ledger.lease()
        with ledger.engine.connect() as connection:
            process = str(connection.exec_driver_sql("SELECT process FROM lease").scalar_one())
        machine, pid, created = process.rsplit(" ", 2)
        parts = {"machine": machine, "pid": pid, "created": created} | changes
        ledger.tamper(f"UPDATE lease SET process = '{parts['machine']} {parts['pid']} {parts['created']}'")

    def test_a_killed_process_whose_parent_has_not_noticed_is_dead(self, ledger):
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            self.held_by(ledger, pid=process.pid, created=psutil.Process(process.pid).create_time())
            assert ledger.leases.current(ACCOUNT) is not None

            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

            assert ledger.leases.current(ACCOUNT) is None

    def test_a_process_of_which_a_thread_is_left_is_not_dead(self, ledger):
        with half_ended() as process:
            self.held_by(ledger, pid=process.pid, created=psutil.Process(process.pid).create_time())
            assert ledger.leases.current(ACCOUNT) is not None

            process.stdin.close()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

            assert ledger.leases.current(ACCOUNT) is None

    def test_a_process_that_only_has_the_number_of_the_holder_is_another(self, ledger):
        self.held_by(ledger, created=1_000_000_000)

        assert ledger.lease().token == 2

    def test_nothing_is_proven_of_the_process_of_another_machine(self, ledger):
        self.held_by(ledger, machine="elsewhere", pid=2**22 + 1)

        with pytest.raises(LeaseHeld):
            ledger.lease()
