"""Executions and their commissions: late, twice, out of order, corrected, busted, or not heard at all."""

from decimal import Decimal
from pathlib import Path

from adapters.ib.ib_settings import Role
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.adapters.ib.ib_desk import LONG_AGO, Desk, a_market_order, an_order, folded, until
from trading.orders.executions import ExecType, effective_trades, fold_order
from trading.orders.orders import OrdStatus


async def test_a_commission_that_comes_before_its_execution_is_joined(tmp_path: Path):
    """Both libraries drop it without a word; IB sends either first.

    https://github.com/wboayue/rust-ibapi/issues/788
    """
    async with Desk(tmp_path, commission_first=True) as desk:
        broker = desk.broker()
        await broker.submit(a_market_order(qty=1000))

        desk.gateway.fill_all()

        [trade] = [r for r in await broker.reports_since(LONG_AGO) if r.exec_type is ExecType.TRADE]
        assert trade.commission == 5  # 1,000 shares at 0.005


async def test_a_commission_that_comes_late_corrects_the_execution_and_counts_once(tmp_path: Path):
    """A commission may be missing for seconds.

    https://github.com/wboayue/rust-ibapi/issues/788
    """
    late = Scenario(faults=(Fault(on="commissionReport", do=Action.DELAY, seconds=0.4, times=1),))
    async with Desk(tmp_path, late) as desk:
        broker, order = desk.broker(commission_seconds=0.05), a_market_order(qty=1000)
        await broker.submit(order)
        desk.gateway.fill_all()
        await until(lambda: _written(desk, "o-1") == 2)
        without = folded(order, await broker.reports_since(LONG_AGO))

        await until(lambda: _written(desk, "o-1") == 3)
        reports = await broker.find("o-1")

        assert (without.cum_qty, without.commission) == (1000, 0)
        assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.TRADE, ExecType.TRADE_CORRECT]
        assert reports[-1].exec_id == f"{reports[1].exec_id}.fee"
        assert (folded(order, reports).cum_qty, folded(order, reports).commission) == (1000, 5)


def _written(desk: Desk, cl_ord_id: str) -> int:
    with desk.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT count(*) FROM ib_report WHERE cl_ord_id = '{cl_ord_id}'")
        return int(rows.scalar_one())


async def test_a_corrected_execution_supersedes_the_one_before(desk: Desk):
    """Only the digits after the last dot change, and the libraries count both: 20 shares for 10.

    https://stoqey.github.io/ib-doc/interfaces/Execution.html
    """
    broker, order = desk.broker(), a_market_order(qty=10)
    await broker.submit(order)
    [execution] = desk.gateway.fill("o-1", price=Decimal(200))

    desk.gateway.correct(execution.exec_id, price=Decimal("199.5"))
    reports = await broker.reports_since(LONG_AGO)

    assert [r.exec_id for r in reports][1:] == [execution.exec_id, execution.exec_id[:-2] + "02"]
    assert reports[-1].exec_type is ExecType.TRADE_CORRECT
    assert reports[-1].exec_ref_id == execution.exec_id
    assert [(t.last_qty, t.last_px) for t in effective_trades(reports)] == [(10, Decimal("199.5"))]


async def test_a_busted_execution_counts_no_more(desk: Desk):
    """A correction to 0 shares takes it back (Execution.execId in the TWS API).

    https://stoqey.github.io/ib-doc/interfaces/Execution.html
    """
    broker, order = desk.broker(), a_market_order(qty=10)
    await broker.submit(order)
    [execution] = desk.gateway.fill("o-1")

    desk.gateway.bust(execution.exec_id)
    reports = await broker.reports_since(LONG_AGO)

    assert reports[-1].exec_type is ExecType.TRADE_CANCEL
    assert effective_trades(reports) == ()
    assert (await broker.statement()).positions == ()


async def test_an_execution_that_is_only_known_from_asking_has_its_commission(desk: Desk):
    """What `reqExecutions` returns in the libraries has none for executions seen before.

    https://interactivebrokers.github.io/tws-api/executions_commissions.html
    """
    await desk.broker().submit(a_market_order(qty=1000))
    await desk.as_after_a_restart()
    desk.gateway.fill_all()

    found = await desk.broker().find("o-1")

    assert [r.commission for r in found if r.exec_type is ExecType.TRADE] == [5]


async def test_fills_are_told_in_their_order_even_when_commissions_are_not(tmp_path: Path):
    """Partial fills with the first commission late.

    https://github.com/wboayue/rust-ibapi/issues/788
    """
    held = Fault(on="commissionReport", do=Action.REORDER, until="commissionReport", times=1)
    async with Desk(tmp_path, Scenario(faults=(held,))) as desk:
        broker = desk.broker()
        await broker.submit(a_market_order(qty=300))

        for _ in range(3):
            desk.gateway.fill("o-1", Decimal(100))
        trades = [r for r in await broker.reports_since(LONG_AGO) if r.exec_type is ExecType.TRADE]

        assert [t.cum_qty for t in trades] == [100, 200, 300]


async def test_a_message_that_comes_twice_is_one_fact(tmp_path: Path):
    """Callbacks repeat, and all of them again at each synchronisation.

    https://interactivebrokers.github.io/tws-api/executions_commissions.html
    """
    names = ("openOrder", "orderStatus", "execDetails", "commissionReport")
    twice = Scenario(faults=tuple(Fault(on=name, do=Action.DOUBLE) for name in names))
    async with Desk(tmp_path, twice) as desk:
        broker = desk.broker()
        await broker.submit(a_market_order())
        desk.gateway.fill_all()
        desk.gateway.drop_connections()

        reports = await broker.reports_since(LONG_AGO)

        assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.TRADE]


async def test_a_status_before_its_order_is_kept_for_it(tmp_path: Path):
    """IB does not promise which comes first, openOrder or orderStatus.

    https://interactivebrokers.github.io/tws-api/order_submission.html
    """
    late = Fault(on="openOrder", do=Action.REORDER, until="orderStatus", times=1)
    async with Desk(tmp_path, Scenario(faults=(late,))) as desk:
        reports = await desk.broker().submit(an_order())

        assert [r.exec_type for r in reports] == [ExecType.NEW]


async def test_fills_that_a_status_speaks_of_and_nobody_heard_are_asked_for(tmp_path: Path):
    """Executions may be late in the nightly reset.

    https://interactivebrokers.github.io/tws-api/message_codes.html
    """
    lost = tuple(Fault(on=name, do=Action.DROP, times=1) for name in ("execDetails", "commissionReport"))
    async with Desk(tmp_path, Scenario(faults=lost)) as desk:
        broker = desk.broker(ask_again_seconds=3600)
        await broker.submit(a_market_order())
        desk.gateway.fill_all()

        reports = await broker.reports_since(LONG_AGO)

        assert [r.exec_type for r in reports] == [ExecType.NEW, ExecType.TRADE]


async def test_a_filled_order_is_a_completed_one_after_a_restart_and_its_fills_are_known(desk: Desk):
    """Its status then says 0 filled and order id 0; quantity, permId and fills say it.

    https://github.com/erdewit/ib_insync/issues/309
    """
    order = a_market_order()
    await desk.broker().submit(order)
    await desk.as_after_a_restart()
    desk.gateway.fill_all()

    after = folded(order, await desk.broker().find("o-1"))

    assert (after.ord_status, after.cum_qty) == (OrdStatus.FILLED, 100)


async def test_a_market_order_may_skip_every_state_in_between(tmp_path: Path):
    """Some market orders are never told as Submitted.

    https://interactivebrokers.github.io/tws-api/order_submission.html
    """
    async with Desk(tmp_path, fills="auto") as desk:
        broker = desk.broker()
        await broker.submit(a_market_order())

        assert folded(a_market_order(), await broker.reports_since(LONG_AGO)).ord_status is OrdStatus.FILLED


async def test_commissions_told_to_the_trader_alone_complete_what_a_reader_wrote(tmp_path: Path):
    """https://interactivebrokers.github.io/tws-api/executions_commissions.html"""
    async with Desk(tmp_path, commissions_to_all=False) as desk:
        order = a_market_order(qty=1000)
        await desk.broker().submit(order)
        await desk.as_after_a_restart()
        desk.gateway.fill_all()

        without = await desk.broker(Role.READER, commission_seconds=0.05).reports_since(LONG_AGO)
        reports = await desk.broker().find("o-1")

    assert [fold_order(order, (), r).commission for r in (without, reports)] == [0, 5]  # 1,000 shares at 0.005
    assert fold_order(order, (), reports).cum_qty == 1000
