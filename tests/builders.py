"""Builders of trading values: each shows only what a test is about."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from trading.broker import AccountStatement, BrokerPosition, CashMovement, CashMovementType
from trading.market.corporate_actions import CashDividend, EffectiveAction, Split
from trading.money import Money
from trading.orders.executions import ExecType, ExecutionReport, SendMark, SendMarkEntry
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side, TimeInForce

ACCOUNT = "DU100"
SESSION = date(2024, 3, 15)
DECIDED = datetime(2024, 3, 15, 13, 0, tzinfo=UTC)
OPEN = datetime(2024, 3, 15, 13, 30, tzinfo=UTC)
CLOSE = datetime(2024, 3, 15, 20, 0, tzinfo=UTC)


def at(minutes: float, day: date = SESSION) -> datetime:
    """Return the time so many minutes after the open, taken as 13:30 UTC."""
    return datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC) + timedelta(minutes=minutes)


def a_new_order(**fields: Any) -> NewOrderSingle:
    given = {
        "cl_ord_id": "t-1",
        "account": ACCOUNT,
        "session": SESSION,
        "book": "main",
        "symbol": "AAPL",
        "side": Side.BUY,
        "order_qty": Decimal(100),
        "ord_type": OrdType.MARKET,
        "time_in_force": TimeInForce.DAY,
        "expire_time": CLOSE,
        "transact_time": DECIDED,
    }
    return NewOrderSingle(**(given | fields))


def an_order(*, ord_status: OrdStatus = OrdStatus.NEW, new_order: NewOrderSingle | None = None, **fields: Any) -> Order:
    """Return an order in that status; fields of NewOrderSingle and of Order are told apart by their names."""
    own = {k: fields.pop(k) for k in tuple(fields) if k in Order.__dataclass_fields__}
    return Order(new_order=new_order or a_new_order(**fields), ord_status=ord_status, **own)


def a_report(exec_type: ExecType, exec_id: str = "e-1", **fields: Any) -> ExecutionReport:
    """Return a report whose OrdStatus follows its ExecType, unless told otherwise."""
    stated = exec_type.value if exec_type.value in set(OrdStatus) else "new"
    given = {
        "account": ACCOUNT,
        "cl_ord_id": "t-1",
        "order_id": "b-1",
        "exec_id": exec_id,
        "exec_type": exec_type,
        "ord_status": OrdStatus(stated),
        "symbol": "AAPL",
        "side": Side.BUY,
        "cum_qty": Decimal(0),
        "transact_time": at(0),
    }
    return ExecutionReport(**(given | fields))


def a_trade(qty: int | str, px: int | str, exec_id: str = "e-1", **fields: Any) -> ExecutionReport:
    """Return an execution; a negative quantity is a sale."""
    signed = Decimal(qty)
    given = {
        "side": Side.BUY if signed > 0 else Side.SELL,
        "last_qty": abs(signed),
        "last_px": Decimal(px),
        "ord_status": OrdStatus.PARTIALLY_FILLED,
        "cum_qty": abs(signed),
    }
    return a_report(fields.pop("exec_type", ExecType.TRADE), exec_id, **(given | fields))


def trades(*fills: tuple[int | str, int | str], symbol: str = "AAPL", day: date = SESSION) -> list[ExecutionReport]:
    """Return executions of (signed quantity, price), a minute apart."""
    return [
        a_trade(qty, px, f"{symbol}-{n}", symbol=symbol, transact_time=at(n, day)) for n, (qty, px) in enumerate(fills)
    ]


def a_correction(of: str, qty: int | str, px: int | str, exec_id: str, **fields: Any) -> ExecutionReport:
    return a_trade(qty, px, exec_id, exec_type=ExecType.TRADE_CORRECT, exec_ref_id=of, **fields)


def a_bust(of: str, exec_id: str, **fields: Any) -> ExecutionReport:
    return a_report(ExecType.TRADE_CANCEL, exec_id, exec_ref_id=of, **fields)


def a_mark(mark: SendMark, text: str = "") -> SendMarkEntry:
    return SendMarkEntry(mark=mark, marked_at=DECIDED, text=text)


def a_movement(
    amount: int | str,
    movement_type: CashMovementType = CashMovementType.DEPOSIT,
    movement_id: str = "m-1",
    currency: str = "USD",
    **fields: Any,
) -> CashMovement:
    given = {
        "account": ACCOUNT,
        "movement_id": movement_id,
        "movement_type": movement_type,
        "amount": Money(amount=Decimal(amount), currency=currency),
        "value_time": at(0),
    }
    return CashMovement(**(given | fields))


def a_split(new_per_old: int | str | Decimal, ex_date: date = SESSION, symbol: str = "AAPL") -> EffectiveAction:
    action = Split(symbol=symbol, ex_date=ex_date, new_per_old=Decimal(new_per_old))
    return EffectiveAction(action=action, effective_at=at(0, ex_date))


def a_dividend(per_share: str, ex_date: date = SESSION, symbol: str = "AAPL") -> EffectiveAction:
    action = CashDividend(symbol=symbol, ex_date=ex_date, amount_per_share=Decimal(per_share))
    return EffectiveAction(action=action, effective_at=at(0, ex_date))


def a_statement(
    *, cash: int | str = 0, held: dict[str, int] | None = None, working: tuple[str, ...] = (), **fields: Any
) -> AccountStatement:
    given = {
        "account": ACCOUNT,
        "as_of": CLOSE,
        "cash": Money(amount=Decimal(cash), currency="USD"),
        "positions": tuple(BrokerPosition(symbol=s, qty=Decimal(q)) for s, q in (held or {}).items()),
        "working": working,
        "cash_movements": (),
    }
    return AccountStatement(**(given | fields))
