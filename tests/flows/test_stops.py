"""A stop works at once, in the middle of a batch too; what was not sent by then is sent once a person resumes."""

import pytest

from adapters.paper.broker import PaperBroker
from blocks.desk import wall_clock
from tasks.decide import StrategyChoice
from tests.flows.desks import SYMBOLS, TUESDAY, Copy, DeskFolder
from trading.orders.executions import ExecutionReport
from trading.orders.orders import NewOrderSingle
from trading.positions.sizing import SizingRules


async def test_a_stop_in_the_middle_of_a_batch_lets_no_further_order_out(
    fresh_desk: DeskFolder, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
):
    desk = await copy_of(fresh_desk)
    stop_file = desk.home / "STOP"

    class StoppedAfterThree(PaperBroker):
        async def submit(self, order: NewOrderSingle) -> tuple[ExecutionReport, ...]:
            answer = await super().submit(order)
            if len(desk.at_broker()) == 3:
                stop_file.touch()
            return answer

    with monkeypatch.context() as patched:
        patched.setattr("blocks.broker_account.PaperBroker", StoppedAfterThree)
        stopped = await desk.trade()

    assert stopped.is_failed()
    assert len(desk.at_broker()) == 3

    stop_file.unlink()
    assert (await desk.trade()).is_failed()  # the file is gone, and nobody has resumed
    desk.ledger.halts.resume("desk", "looked at", "tester", wall_clock())
    resumed = await desk.trade()

    assert resumed.is_completed()
    assert desk.at_broker() == sorted(SYMBOLS)


async def test_two_books_of_an_account_trade_each_its_own(fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk)
    half = SizingRules(capital_pct=50)
    top = StrategyChoice(name="MomentumRotation", parameters={"top": 3})

    await desk.trade(TUESDAY, book="even", sizing=half)
    both = await desk.trade(TUESDAY, book="fast", strategy=top, sizing=half)
    await desk.reconcile(TUESDAY)

    assert "3 orders sent" in both.message
    now = wall_clock()
    even, fast = (desk.ledger.facts.held(desk.account, now, book) for book in ("even", "fast"))
    assert (len(even), len(fast)) == (20, 3)
    held = desk.ledger.facts.books(desk.account, now).held()
    assert held == {symbol: even[symbol] + fast.get(symbol, 0) for symbol in even}
    assert desk.ledger.facts.reconciliations(desk.account)[-1].breaks == ()
