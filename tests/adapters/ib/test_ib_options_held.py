"""An account that holds options at Interactive Brokers and the desk's books of it say the same."""

from decimal import Decimal
from pathlib import Path

from adapters.ib.broker import IbBroker
from tests.adapters.ib.ib_desk import LONG_AGO, Desk, an_order, folded
from trading.breaks import Break
from trading.orders.orders import NewOrderSingle, Side
from trading.positions.books import Books, equity, fold_books
from trading.reconciliation import reconcile
from trading.risk.observations import worst_break

D = Decimal
CALL = "AAPL  261218C00250000"


async def reconciled(broker: IbBroker, *orders: NewOrderSingle) -> tuple[Books, tuple[Break, ...]]:
    """Fold what the broker has told, and compare it with what it states."""
    statement, reports = await broker.statement(), await broker.reports_since(LONG_AGO)
    books = fold_books(reports, statement.cash_movements, ())
    breaks = reconcile(
        statement=statement,
        broker_reports=reports,
        since=LONG_AGO,
        orders=[folded(order, reports) for order in orders],
        reports=reports,
        books=books,
    )
    return books, breaks


async def test_contracts_bought_and_sold_leave_no_break_of_cash_or_positions(tmp_path: Path):
    """Its statement of cash is the judge: https://interactivebrokers.github.io/tws-api/account_updates.html"""
    async with Desk(tmp_path, commission_minimum=D("1.30")) as desk:
        broker = desk.broker()
        await broker.statement()  # the million is what the account opens with
        buy = an_order("b", qty=2, symbol=CALL, price=D("3.10"))
        sell = an_order("s", Side.SELL, 1, symbol=CALL, price=D("4.60"))

        await broker.submit(buy)
        desk.gateway.fill("b", price=D("3.10"))
        held, found = await reconciled(broker, buy)
        await broker.submit(sell)
        desk.gateway.fill("s", price=D("4.60"))
        left, found_after = await reconciled(broker, buy, sell)

    assert (found, found_after) == ((), ())
    assert worst_break(found, {}) == 0
    assert held.cash == D("999378.70")  # 1,000,000 - 2 x 3.10 x 100 - 1.30
    assert equity(held, {CALL: D("4.00")}) == D("1000178.70")
    assert left.cash == D("999837.40")  # and 460 - 1.30
    assert left.positions[CALL].realized_pnl == 150
