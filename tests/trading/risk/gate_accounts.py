"""Builders for tests of the gate: an account of 10,000, symbols at 10.00, and limits that nothing reaches."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from trading.market.instruments import Option, PutOrCall
from trading.orders.orders import NewOrderSingle, Order, OrdStatus, OrdType, Side, TimeInForce
from trading.risk.gate import RiskState, check_orders
from trading.risk.limits import RefusalCode, RiskDecision, RiskLimits
from trading.risk.trading_facts import TradingFacts

D = Decimal
OPEN = RiskLimits(
    max_position_notional=D(10**9),
    max_position_pct=D(10**9),
    max_gross_leverage=D(10**9),
    max_orders_per_day=10**6,
    max_notional_per_day=D(10**9),
    price_band_pct=D(10**6),
    buying_power_multiple=D(10**9),
)
CALL = Option(
    symbol="CALL",
    mic="XCBO",
    underlying="A",
    maturity_date=date(2024, 6, 21),
    strike_px=D(12),
    put_or_call=PutOrCall.CALL,
)
PUT = replace(CALL, symbol="PUT", strike_px=D(8), put_or_call=PutOrCall.PUT)
OPTIONS = {"CALL": TradingFacts(instrument=CALL), "PUT": TradingFacts(instrument=PUT)}
MARKS = {"A": D(10), "B": D(10), "C": D(10), "CALL": D("0.5"), "PUT": D("0.5")}


def an_order(
    qty: int = 10, *, symbol: str = "A", price: str | None = None, stop_px: str | None = None, name: str = "o"
) -> NewOrderSingle:
    """Return an order for a signed quantity."""
    ord_type = OrdType.LIMIT if price else OrdType.STOP if stop_px else OrdType.MARKET
    return NewOrderSingle(
        cl_ord_id=name,
        account="DU1",
        session=date(2024, 4, 1),
        book="main",
        symbol=symbol,
        side=Side.BUY if qty > 0 else Side.SELL,
        order_qty=D(abs(qty)),
        ord_type=ord_type,
        time_in_force=TimeInForce.DAY,
        expire_time=datetime(2024, 4, 1, 20, tzinfo=UTC),
        transact_time=datetime(2024, 4, 1, 12, tzinfo=UTC),
        price=D(price) if price else None,
        stop_px=D(stop_px) if stop_px else None,
    )


def a_state(held=(), **changes) -> RiskState:
    """Return 10,000 of equity, and prices of 10.00 for A, B and C."""
    state = RiskState(
        equity=D(10_000),
        cash=D(10_000),
        held={s: D(q) for s, q in dict(held).items()},
        marks={"A": D(10), "B": D(10), "C": D(10)},
    )
    return replace(state, **changes)


def working(*orders) -> tuple[Order, ...]:
    return tuple(Order(new_order=o, ord_status=OrdStatus.NEW) for o in orders)


def limits(**changes) -> RiskLimits:
    """Return limits that nothing reaches, but for the changes."""
    return replace(OPEN, **{name: D(v) if isinstance(v, str) else v for name, v in changes.items()})


def codes(orders, state, limits) -> list[RefusalCode | None]:
    return [decision.code for decision in check_orders(orders, state, limits)]


def decision_on(order, state, limits) -> RiskDecision:
    (decision,) = check_orders([order], state, limits)
    return decision
