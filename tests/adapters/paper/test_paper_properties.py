"""What holds for any orders over any bars."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
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
from trading.market.corporate_actions import CashDividend, Split
from trading.orders.executions import ExecType, ExecutionReport, fold_order
from trading.orders.order_types import (
    ContingencyType,
    OrderLeg,
    PegOffsetType,
    PriceTrigger,
    TimeTrigger,
    TriggerDirection,
    combo_symbol,
    is_combo,
)
from trading.orders.orders import (
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrdType,
    Side,
    TimeInForce,
)

SESSIONS = [date(2020, 8, day) for day in (24, 25, 26, 27, 28)]
LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
MIDNIGHT = datetime(2020, 8, 24, 4, tzinfo=UTC)  # in New York
AUCTIONS = (TimeInForce.OPG, TimeInForce.CLS)
Step = tuple[datetime, list[NewOrderSingle] | OrderCancelRequest | OrderCancelReplaceRequest | None]
PAIR = (OrderLeg(symbol="AAPL", ratio=1, side=Side.BUY), OrderLeg(symbol="MSFT", ratio=2, side=Side.SELL))
LEGS = {"symbol": combo_symbol(PAIR), "legs": PAIR}

cents = st.integers(900, 1100).map(lambda n: Decimal(n) / 100)
triggers = st.one_of(
    st.just(()),
    st.tuples(
        st.one_of(
            st.builds(TimeTrigger, at=st.integers(0, 6000).map(lambda minutes: MIDNIGHT + timedelta(minutes=minutes))),
            st.builds(
                PriceTrigger,
                symbol=st.sampled_from(["AAPL", "MSFT"]),
                price=cents,
                direction=st.sampled_from(TriggerDirection),
            ),
        )
    ),
)
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
def orders(draw: st.DrawFn, cl_ord_id: str, **changes: Any) -> NewOrderSingle:
    tif = draw(st.sampled_from(TimeInForce))
    plain = [OrdType.MARKET, OrdType.LIMIT]
    ord_type = draw(st.sampled_from(plain if tif in AUCTIONS or "legs" in changes else list(OrdType)))
    session = draw(st.sampled_from(SESSIONS))
    trails = ord_type is OrdType.TRAILING_STOP
    given = {
        "symbol": draw(st.sampled_from(["AAPL", "MSFT"])),
        "session": session,
        "time_in_force": tif,
        "ord_type": ord_type,
        "price": draw(cents) if ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) else None,
        "stop_px": draw(cents) if ord_type in (OrdType.STOP, OrdType.STOP_LIMIT) else None,
        "peg_offset_value": draw(cents) / 10 if trails else None,
        "peg_offset_type": draw(st.sampled_from(PegOffsetType)) if trails else None,
        "good_till": datetime(session.year, session.month, session.day, 18, tzinfo=UTC) + timedelta(days=2)
        if tif is TimeInForce.GTD
        else None,
        "triggers": draw(triggers),
    }
    return an_order(cl_ord_id, draw(st.sampled_from(Side)), draw(st.integers(1, 300)), **(given | changes))


@st.composite
def lists(draw: st.DrawFn, name: str) -> list[NewOrderSingle]:
    """A bracket, or two orders of which one cancels the other."""
    link = {"list_id": name, "contingency_type": ContingencyType.OCO}
    children = {} if draw(st.booleans()) else {"parent_cl_ord_id": name}
    pair = [draw(orders(f"{name}-{n}", **link, **children)) for n in range(2)]
    return [draw(orders(name, list_id=name, contingency_type=ContingencyType.OTO)), *pair] if children else pair


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Orders of every kind, cancels and replaces at times that only grow, any time of day and night."""
    found: list[Step] = []
    at = MIDNIGHT
    for number in range(draw(st.integers(1, 8))):
        at += timedelta(minutes=draw(st.integers(0, 900)))
        name = f"o-{number}"
        kind = draw(st.sampled_from(["one", "one", "list", "legs"]))
        new = draw(lists(name)) if kind == "list" else [draw(orders(name, **(LEGS if kind == "legs" else {})))]
        found.append((at, new))
        change = draw(st.integers(0, 5))
        meant = new[0]
        if change < 2:
            at += timedelta(minutes=draw(st.integers(0, 900)))
            ids = {"orig_cl_ord_id": meant.cl_ord_id, "account": "DU1", "transact_time": at}
            values = {
                "order_qty": Decimal(draw(st.integers(1, 300))),
                "price": meant.price and draw(cents),
                "stop_px": meant.stop_px and draw(cents),
                "peg_offset_value": meant.peg_offset_value and draw(cents) / 10,
            }
            if change == 0:
                found.append((at, OrderCancelRequest(cl_ord_id=f"{name}-x", **ids)))
            else:
                found.append((at, OrderCancelReplaceRequest(cl_ord_id=f"{name}-r1", **ids, **values)))
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


async def _take(broker: PaperBroker, step: Any) -> None:
    match step:
        case [order]:
            await broker.submit(order)
        case list():
            await broker.submit_list(step)
        case OrderCancelRequest():
            await broker.cancel(step)
        case OrderCancelReplaceRequest():
            await broker.replace(step)
        case None:
            await broker.statement()


@settings(max_examples=25, deadline=None)
@given(markets(), steps(), terms)
def test_cash_and_positions_are_the_fold_of_trades_movements_and_splits(market, plan, terms):
    reports, statement = rehearse(market, plan, terms, [])

    trades = [r for r in reports if r.exec_type is ExecType.TRADE and not is_combo(r.symbol)]
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

    sent = {o.cl_ord_id: o for _, step in plan if isinstance(step, list) for o in step}
    for cl_ord_id, order in sent.items():
        own = [r for r in reports if r.cl_ord_id == cl_ord_id]
        assert fold_order(order, (), own).contradictions == ()
        filled = Decimal(0)
        for report in own:
            assert own[-1] is report or report.ord_status.is_open  # nothing follows an end
            if report.last_px is not None:
                assert report.last_px % Decimal("0.01") == 0
            if report.symbol != order.symbol:
                continue  # a leg
            filled += report.last_qty
            assert report.cum_qty == filled
            if report.order_qty is not None:
                order = replace(
                    order,
                    order_qty=report.order_qty,
                    price=report.price,
                    stop_px=report.stop_px,
                    peg_offset_value=report.peg_offset_value,
                )
            assert filled <= order.order_qty
            if report.last_px is not None:
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
