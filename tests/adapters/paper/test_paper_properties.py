"""What holds for any orders over any bars."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import SQLModel

from adapters.paper.broker import PaperBroker
from adapters.paper.paper_settings import PaperSettings
from adapters.sql.engine import make_engine
from tests.adapters.paper.paper_desk import NAN, Clock, MemoryMarket, a_bar, a_broker, an_order
from trading.broker import AccountStatement
from trading.market.adjustments import CashDividend, Split
from trading.orders.executions import ExecType, ExecutionReport
from trading.orders.orders import NewOrderSingle, OrderCancelRequest, OrdType, Side, TimeInForce

SESSIONS = [date(2020, 8, day) for day in (24, 25, 26, 27, 28)]
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
MIDNIGHT = datetime(2020, 8, 24, 4, tzinfo=UTC)  # in New York
AUCTIONS = (TimeInForce.IOC, TimeInForce.OPG, TimeInForce.CLS)
Step = tuple[datetime, NewOrderSingle | OrderCancelRequest | None]

cents = st.integers(900, 1100).map(lambda n: Decimal(n) / 100)
ratios = st.sampled_from(["4", "1.5", "0.05", "0.3333333333"]).map(Decimal)


@st.composite
def bars(draw: st.DrawFn, symbol: str) -> list[dict[str, Any]]:
    rows = []
    for session in SESSIONS:
        if draw(st.integers(0, 7)) == 0:
            continue  # the source has no bar of that day
        prices = sorted(draw(st.lists(cents, min_size=4, max_size=4)))
        low, one, other, high = (float(px) for px in prices)
        opens, closes = (one, other) if draw(st.booleans()) else (other, one)
        volume = draw(st.sampled_from([0.0, 500.0, 1234.0, 1_000_000.0, NAN]))
        if draw(st.integers(0, 4)) == 0:
            opens = high = low = NAN
        rows.append(a_bar(session, symbol, open=opens, high=high, low=low, close=closes, volume=volume))
    return rows


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Orders and cancels at times that only grow, any time of day and night."""
    found: list[Step] = []
    at = MIDNIGHT
    for number in range(draw(st.integers(1, 8))):
        at += timedelta(minutes=draw(st.integers(0, 900)))
        tif = draw(
            st.sampled_from([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.OPG, TimeInForce.CLS])
        )
        plain = [OrdType.MARKET, OrdType.LIMIT]
        ord_type = draw(st.sampled_from(plain if tif in AUCTIONS else [*plain, OrdType.STOP, OrdType.STOP_LIMIT]))
        order = an_order(
            f"o-{number}",
            draw(st.sampled_from(Side)),
            draw(st.integers(1, 300)),
            symbol=draw(st.sampled_from(["AAPL", "MSFT"])),
            session=draw(st.sampled_from(SESSIONS)),
            time_in_force=tif,
            ord_type=ord_type,
            price=draw(cents) if ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) else None,
            stop_px=draw(cents) if ord_type in (OrdType.STOP, OrdType.STOP_LIMIT) else None,
        )
        found.append((at, order))
        if draw(st.integers(0, 3)) == 0:
            at += timedelta(minutes=draw(st.integers(0, 900)))
            request = OrderCancelRequest(
                cl_ord_id=f"o-{number}-x", orig_cl_ord_id=f"o-{number}", account="DU1", transact_time=at
            )
            found.append((at, request))
    return found


@st.composite
def markets(draw: st.DrawFn) -> MemoryMarket:
    actions = [
        draw(
            st.one_of(
                st.builds(Split, symbol=st.just(symbol), ex_date=st.just(session), new_per_old=ratios),
                st.builds(CashDividend, symbol=st.just(symbol), ex_date=st.just(session), amount_per_share=cents),
            )
        )
        for symbol in ("AAPL", "MSFT")
        for session in SESSIONS
        if draw(st.integers(0, 5)) == 0
    ]
    return MemoryMarket(draw(bars("AAPL")) + draw(bars("MSFT")), actions)


terms = st.builds(
    PaperSettings,
    fill_slices=st.integers(1, 4),
    seed=st.integers(0, 9),
    delay_seconds=st.sampled_from([0.0, 1.0, 90.0]),
)


def rehearse(
    market: MemoryMarket, plan: list[Step], terms: PaperSettings, looks: list[datetime]
) -> tuple[tuple[ExecutionReport, ...], AccountStatement]:
    """Live through the plan with a look, from a new process, at each of the times; return how it ended."""
    engine = make_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    clock = Clock(LONG_AGO)

    async def live() -> tuple[tuple[ExecutionReport, ...], AccountStatement]:
        for at, step in sorted([*plan, *((look, None) for look in looks)], key=lambda s: s[0]):
            clock.at = at
            broker = a_broker(engine, market, clock, terms)
            await _take(broker, step)
        clock.at = datetime(2020, 9, 20, tzinfo=UTC)
        broker = a_broker(engine, market, clock, terms)
        return await broker.reports_since(LONG_AGO), await broker.statement()

    try:
        return asyncio.run(live())
    finally:
        engine.dispose()


async def _take(broker: PaperBroker, step: NewOrderSingle | OrderCancelRequest | None) -> None:
    if isinstance(step, NewOrderSingle):
        await broker.submit(step)
    elif step is not None:
        await broker.cancel(step)
    else:
        await broker.statement()


@settings(max_examples=25, deadline=None)
@given(markets(), steps(), terms)
def test_cash_and_positions_are_the_fold_of_trades_movements_and_splits(market, plan, terms):
    reports, statement = rehearse(market, plan, terms, [])

    trades = [r for r in reports if r.exec_type is ExecType.TRADE]
    paid = sum((r.side.sign * r.last_qty * r.last_px + r.commission for r in trades), Decimal(0))
    moved = sum((m.amount.amount for m in statement.cash_movements), Decimal(0))
    assert statement.cash.amount == moved - paid
    assert {p.symbol: p.qty for p in statement.positions} == _fold(trades, market)
    assert all(m.amount.amount == m.amount.amount.quantize(Decimal("0.01")) for m in statement.cash_movements)


def _fold(trades: list[ExecutionReport], market: MemoryMarket) -> dict[str, Decimal]:
    """Return what is held after trades and splits, each at its time: a split at its open comes before trades."""
    happened: list[tuple[datetime, int, str, Callable[[Decimal], Decimal]]] = []
    for trade in trades:
        happened.append((trade.transact_time, 1, trade.symbol, lambda qty, t=trade: qty + t.side.sign * t.last_qty))
    for split in (a for a in market.actions if isinstance(a, Split)):
        opens = datetime(split.ex_date.year, split.ex_date.month, split.ex_date.day, 13, 30, tzinfo=UTC)
        priced = any(r["symbol"] == split.symbol and r["session"] >= split.ex_date for r in market.rows)

        def turn(qty: Decimal, ratio: Decimal = split.new_per_old, priced: bool = priced) -> Decimal:
            return (qty * ratio).to_integral_value(ROUND_DOWN) if priced else qty * ratio

        happened.append((opens, 0, split.symbol, turn))
    held: dict[str, Decimal] = {}
    for _, _, symbol, change in sorted(happened, key=lambda h: h[:2]):
        held[symbol] = change(held.get(symbol, Decimal(0)))
    return {symbol: qty for symbol, qty in held.items() if qty}


@settings(max_examples=25, deadline=None)
@given(markets(), steps(), terms)
def test_every_order_has_a_sound_history(market, plan, terms):
    reports, statement = rehearse(market, plan, terms, [])

    orders = {step.cl_ord_id: step for _, step in plan if isinstance(step, NewOrderSingle)}
    for cl_ord_id, order in orders.items():
        own = [r for r in reports if r.cl_ord_id == cl_ord_id]
        filled = Decimal(0)
        for report in own:
            filled += report.last_qty
            assert report.cum_qty == filled <= order.order_qty
            assert own[-1] is report or report.ord_status.is_open  # nothing follows an end
            if report.last_px is not None:
                assert report.last_px % Decimal("0.01") == 0
                assert order.price is None or (order.price - report.last_px) * order.side.sign >= 0
        assert own[-1].ord_status.is_open == (cl_ord_id in statement.working)
    assert len({r.exec_id for r in reports}) == len(reports)
    assert list(reports) == sorted(reports, key=lambda r: r.transact_time)


looks = st.lists(st.integers(0, 17 * 24 * 60).map(lambda minutes: MIDNIGHT + timedelta(minutes=minutes)), max_size=8)


@settings(max_examples=25, deadline=None)
@given(markets(), steps(), terms, looks)
def test_who_looks_and_how_often_changes_nothing(market, plan, terms, looks):
    reports, statement = rehearse(market, plan, terms, [])
    again, looked_at = rehearse(market, plan, terms, looks)

    first = min([*(at for at, _ in plan), *looks])
    assert again == reports
    assert looked_at.positions == statement.positions
    assert looked_at.cash == statement.cash
    assert looked_at.cash_movements[1:] == statement.cash_movements[1:]
    assert looked_at.cash_movements[0].value_time == first  # the deposit comes when the account is first seen
