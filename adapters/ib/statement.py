"""What an account is told to hold, and what happened in it."""

from datetime import datetime

from adapters.ib.decimals import exact
from adapters.ib.ib_settings import Role
from adapters.ib.session import IbSession
from adapters.ib.values import account_cash
from trading.broker import AccountStatement, BrokerPosition
from trading.orders.executions import ExecutionReport


async def reports_since(session: IbSession, account: str, since: datetime) -> tuple[ExecutionReport, ...]:
    """Return all reports from that time on in the order they happened.

    The trader hears of its orders by itself; one short question makes sure that all of it has arrived. Others, and the
    trader from time to time, ask for everything again.

    Raises:
        BrokerUnavailable: IB could not be asked.
    """
    connection = await session.ready()
    await connection.ask_time()
    if session.role is not Role.TRADER or session.is_stale() or session.memory.lacks_executions():
        await session.ask_orders()
    session.require_healthy(connection)
    await session.settled()
    return await session.records(lambda records: records.reports_since(account, since))


async def state_account(session: IbSession, account: str) -> AccountStatement:
    """Ask for orders, positions and values anew and return the account as it stands.

    Raises:
        BrokerUnavailable: IB could not be asked, or did not say all of it.
    """
    connection = await session.ready()
    await session.ask_orders()
    positions = await connection.ask_positions()
    cash = account_cash(await connection.ask_account(account), session.settings.currency)
    session.require_healthy(connection)
    await session.settled()
    movements = await session.records(lambda records: records.movements(account))
    held = {
        session.contracts.symbol_of(contract) or str(contract.conId): exact(qty)
        for of, contract, qty in positions
        if of == account and qty
    }
    return AccountStatement(
        account=account,
        as_of=session.now(),
        cash=cash,
        positions=tuple(BrokerPosition(symbol=symbol, qty=qty) for symbol, qty in sorted(held.items())),
        working=tuple(sorted({known.cl_ord_id for known in session.memory.working(account)})),
        cash_movements=movements,
    )
