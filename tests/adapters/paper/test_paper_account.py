"""What an account holds: deposits, dividends, splits on real bars, and what survives faults and rivals."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.adapters.paper.paper_desk import (
    FREE,
    MONDAY,
    TUESDAY,
    MemoryMarket,
    a_bar,
    a_broker,
    a_clock,
    an_engine,
    an_order,
    real_data,
)
from trading.broker import BrokerPosition, CashMovementType
from trading.errors import BrokerUnavailable, OutcomeUnknown, SourceUnavailable
from trading.market.bars import PriceBasis
from trading.market.corporate_actions import CashDividend, CashMerger, CorporateAction, Rename, Split
from trading.orders.executions import ExecType
from trading.orders.orders import OrdType, Side, TimeInForce

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return an_engine(tmp_path)


def a_dividend(amount: str, ex_date: date = TUESDAY) -> CashDividend:
    return CashDividend(symbol="AAPL", ex_date=ex_date, amount_per_share=Decimal(amount))


def a_split(ratio: str, ex_date: date = TUESDAY) -> Split:
    return Split(symbol="AAPL", ex_date=ex_date, new_per_old=Decimal(ratio))


async def statement_on_tuesday(engine: sa.Engine, market: MemoryMarket, qty: int = 100, side: Side = Side.BUY):
    """Trade on Monday at 100.00 and return the account on Tuesday, when the price is 25.00."""
    market.rows += [a_bar(MONDAY), a_bar(TUESDAY, open=25.0, high=26.0, low=24.0, close=25.0)]
    clock = a_clock()
    broker = a_broker(engine, market, clock)
    await broker.submit(an_order(qty=qty, side=side))
    clock.set(TUESDAY, 10)
    return await broker.statement()


async def test_a_ratio_that_no_decimal_holds_makes_whole_shares_of_whole_shares(engine):
    one_for_three = Split(symbol="AAPL", ex_date=TUESDAY, new_per_old=Decimal(1) / Decimal(3))

    statement = await statement_on_tuesday(engine, MemoryMarket([], [one_for_three]), qty=300)

    assert {p.symbol: p.qty for p in statement.positions} == {"AAPL": 100}
    assert CashMovementType.CASH_IN_LIEU not in {m.movement_type for m in statement.cash_movements}


async def test_an_account_begins_with_its_deposit_once(engine):
    broker = a_broker(engine, MemoryMarket(), a_clock())

    await broker.statement()
    statement = await a_broker(engine, MemoryMarket(), a_clock(TUESDAY)).statement()

    (deposit,) = statement.cash_movements
    assert (deposit.movement_type, deposit.amount.amount) == (CashMovementType.DEPOSIT, 1_000_000)
    assert deposit.value_time == a_clock().at
    assert statement.cash.amount == 1_000_000


async def test_accounts_in_one_ledger_do_not_touch_each_other(engine):
    clock, market = a_clock(), MemoryMarket([a_bar()])
    one, other = a_broker(engine, market, clock), a_broker(engine, market, clock, account="DU2")
    await one.submit(an_order())
    clock.set(MONDAY, 17)

    assert (await other.statement()).positions == ()
    assert await other.find("o-1") == ()
    assert await other.submit(an_order(account="DU2", session=TUESDAY)) != await one.find("o-1")


@pytest.mark.parametrize(("side", "amount"), [(Side.BUY, "82.00"), (Side.SELL, "-82.00")])
async def test_a_dividend_is_paid_at_the_open_of_its_ex_date_and_by_who_is_short(engine, side, amount):
    statement = await statement_on_tuesday(engine, MemoryMarket(actions=[a_dividend("0.82")]), side=side)

    dividend = statement.cash_movements[-1]
    assert (dividend.movement_type, dividend.amount.amount) == (CashMovementType.DIVIDEND, Decimal(amount))
    assert dividend.value_time == datetime(2020, 8, 25, 13, 30, tzinfo=UTC)


async def test_who_buys_on_the_ex_date_gets_no_dividend(engine):
    market = MemoryMarket(actions=[a_dividend("0.82", ex_date=MONDAY)])

    statement = await statement_on_tuesday(engine, market)

    assert [m.movement_type for m in statement.cash_movements] == [CashMovementType.DEPOSIT]


async def test_a_dividend_on_the_day_of_a_split_is_paid_on_the_old_shares(engine):
    market = MemoryMarket(actions=[a_split("4"), a_dividend("0.82")])

    statement = await statement_on_tuesday(engine, market)

    assert statement.positions == (BrokerPosition(symbol="AAPL", qty=Decimal(400)),)
    assert statement.cash_movements[-1].amount.amount == Decimal("82.00")


@pytest.mark.parametrize(
    ("qty", "side", "whole", "paid"), [(101, Side.BUY, 151, "12.50"), (101, Side.SELL, -151, "-12.50")]
)
async def test_a_split_leaves_whole_shares_and_pays_the_fraction_at_the_ex_date_price(engine, qty, side, whole, paid):
    statement = await statement_on_tuesday(engine, MemoryMarket(actions=[a_split("1.5")]), qty=qty, side=side)

    assert statement.positions == (BrokerPosition(symbol="AAPL", qty=Decimal(whole)),)
    lieu = statement.cash_movements[-1]
    assert (lieu.movement_type, lieu.amount.amount) == (CashMovementType.CASH_IN_LIEU, Decimal(paid))  # 0.5 x 25.00


@pytest.mark.parametrize(("side", "amount"), [(Side.BUY, "5420.00"), (Side.SELL, "-5420.00")])
async def test_shares_that_are_bought_out_become_cash_on_the_ex_date(engine, side, amount):
    bid = CashMerger(symbol="AAPL", ex_date=TUESDAY, amount_per_share=Decimal("54.20"))

    statement = await statement_on_tuesday(engine, MemoryMarket(actions=[bid]), side=side)

    assert statement.positions == ()
    paid = statement.cash_movements[-1]
    assert (paid.movement_type, paid.amount.amount) == (CashMovementType.MERGER, Decimal(amount))


async def test_a_position_is_under_its_new_symbol_from_the_rename_on_and_splits_with_it(engine):
    rename = Rename(symbol="AAPL", ex_date=TUESDAY, new_symbol="MSFT")
    split = Split(symbol="MSFT", ex_date=TUESDAY, new_per_old=Decimal(2))
    market = MemoryMarket([a_bar(TUESDAY, symbol="MSFT")], [rename, split])

    moved = await statement_on_tuesday(engine, market)
    split_too = await a_broker(engine, market, a_clock(TUESDAY, 17)).statement()

    assert {p.symbol for p in moved.positions} == {"MSFT"}
    assert {p.symbol: p.qty for p in split_too.positions} == {"MSFT": 200}


async def test_what_is_held_under_the_new_symbol_already_adds_up(engine):
    rename = Rename(symbol="AAPL", ex_date=TUESDAY, new_symbol="MSFT")
    market = MemoryMarket([a_bar(MONDAY, symbol="MSFT"), a_bar(TUESDAY, symbol="MSFT")], [rename])
    await a_broker(engine, market, a_clock()).submit(an_order(cl_ord_id="m", symbol="MSFT", qty=7))

    statement = await statement_on_tuesday(engine, market)

    assert {p.symbol: p.qty for p in statement.positions} == {"MSFT": 107}


async def test_an_order_of_before_a_rename_is_canceled(engine):
    rename = Rename(symbol="AAPL", ex_date=TUESDAY, new_symbol="MSFT")
    market, clock = MemoryMarket([a_bar(MONDAY), a_bar(TUESDAY)], [rename]), a_clock()
    broker = a_broker(engine, market, clock)
    await broker.submit(an_order(time_in_force=TimeInForce.GTC, ord_type=OrdType.LIMIT, price=Decimal(1)))

    clock.set(TUESDAY, 17)
    last = (await broker.find("o-1"))[-1]

    assert last.exec_type is ExecType.CANCELED
    assert last.text == "it was in shares that are no more; send it again in new ones"


@pytest.mark.parametrize(
    ("basis", "qty", "movements"),
    [(PriceBasis.RAW, 400, 2), (PriceBasis.SPLIT_ADJUSTED, 100, 2), (PriceBasis.ADJUSTED, 100, 1)],
)
async def test_actions_that_are_in_the_prices_already_are_not_counted_twice(engine, basis, qty, movements):
    market = MemoryMarket(actions=[a_split("4"), a_dividend("0.82")], price_basis=basis)

    statement = await statement_on_tuesday(engine, market)

    assert statement.positions[0].qty == qty
    assert len(statement.cash_movements) == movements


def a_real_market(symbol: str, first: str, last: str) -> MemoryMarket:
    """Return real raw bars of one symbol and the actions derived from its factors."""
    folder = real_data() / "equity"
    bars = pd.read_parquet(folder / "us_equity_daily_raw.parquet")
    days = bars["date"].astype(str)
    bars = bars[(bars["symbol"] == symbol) & (days >= first) & (days <= last)].rename(columns={"date": "session"})
    bars["session"] = [pd.Timestamp(day).date() for day in bars["session"]]
    events = pd.read_csv(folder / "us_equity_events_derived.csv")
    actions: list[CorporateAction] = []
    for event in events[(events["file_symbol"] == symbol) & (events["ex_date"] > first)].itertuples():
        ex_date = date.fromisoformat(event.ex_date)
        if event.type == "split":
            ratio = Decimal(str(event.split_ratio_new_per_old))
            actions.append(Split(symbol=symbol, ex_date=ex_date, new_per_old=ratio))
        else:
            amount = Decimal(str(event.cash_per_share))
            actions.append(CashDividend(symbol=symbol, ex_date=ex_date, amount_per_share=amount))
    return MemoryMarket(bars.to_dict("records"), actions, symbols=(symbol,))


async def test_apple_through_its_split_of_2020_and_two_dividends(engine):
    market, clock = a_real_market("AAPL", "2020-08-01", "2020-11-10"), a_clock(date(2020, 8, 3))
    broker = a_broker(engine, market, clock)
    await broker.submit(an_order(session=date(2020, 8, 3)))

    held = []
    for day in ("2020-08-28", "2020-08-31", "2020-11-10"):
        clock.set(date.fromisoformat(day), 12)
        held.append((await broker.statement()).positions[0].qty)
    statement = await broker.statement()

    # 100 shares at the open of 433.00; 0.82 a share on 2020-08-07; four for one on 2020-08-31; 0.205 on 2020-11-06
    paid = [m.amount.amount for m in statement.cash_movements[1:]]
    assert held == [100, 400, 400]
    assert paid == [Decimal("82.00"), Decimal("82.00")]
    assert statement.cash.amount == 1_000_000 - 43_300 + 164


async def test_aig_through_its_consolidation_of_2009(engine):
    market, clock = a_real_market("AIG", "2009-06-29", "2009-07-10"), a_clock(date(2009, 6, 29))
    broker = a_broker(engine, market, clock)
    await broker.submit(an_order(symbol="AIG", qty=1010, session=date(2009, 6, 29)))

    clock.set(date(2009, 7, 10), 12)
    statement = await broker.statement()

    # 1,010 at 1.46 are 1,474.60; one for twenty makes 50.5, and the half is paid at that day's open of 19.70
    assert statement.positions == (BrokerPosition(symbol="AIG", qty=Decimal(50)),)
    assert statement.cash_movements[-1].amount.amount == Decimal("9.85")
    assert statement.cash.amount == Decimal("998535.25")


async def test_a_symbol_that_could_not_be_asked_for_waits_and_the_others_go_on(engine):
    market = MemoryMarket([a_bar(MONDAY), a_bar(MONDAY, "MSFT")], failing=["AAPL"])
    clock = a_clock()
    broker = a_broker(engine, market, clock)
    await broker.submit(an_order("o-1"))
    await broker.submit(an_order("o-2", symbol="MSFT"))

    clock.set(MONDAY + timedelta(days=20), 12)
    without = await broker.statement()
    market.failing = ()
    clock.at += timedelta(minutes=2)

    assert without.working == ("o-1",)
    assert [(p.symbol, p.qty) for p in (await broker.statement()).positions] == [("AAPL", 100), ("MSFT", 100)]


async def test_a_market_that_is_away_makes_the_broker_unavailable_and_loses_nothing(engine):
    class Away(MemoryMarket):
        def fetch(self, symbols, first, last):
            raise SourceUnavailable("memory", "switched off")

    clock = a_clock()
    await a_broker(engine, MemoryMarket(), clock).submit(an_order())
    clock.set(MONDAY, 10)

    with pytest.raises(BrokerUnavailable, match="switched off"):
        await a_broker(engine, Away(), clock).submit(an_order("o-2"))

    known = await a_broker(engine, MemoryMarket([a_bar()]), clock).reports_since(LONG_AGO)
    assert {r.cl_ord_id for r in known} == {"o-1"}


@contextmanager
def a_failing_commit(engine: sa.Engine):
    """Have every commit fail, as on a disk that goes away."""

    def fail(_connection: sa.Connection) -> None:
        raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))

    sa.event.listen(engine, "commit", fail)
    yield
    sa.event.remove(engine, "commit", fail)


async def test_an_order_whose_commit_failed_is_unknown_until_asked_for(engine):
    broker = a_broker(engine, MemoryMarket(), a_clock())

    with a_failing_commit(engine), pytest.raises(OutcomeUnknown, match=r"order o-1: disk I/O error"):
        await broker.submit(an_order())

    assert await broker.find("o-1") == ()


async def test_a_crash_in_the_middle_of_settling_leaves_nothing_half_done(engine):
    clock, market = a_clock(), MemoryMarket([a_bar()])
    broker = a_broker(engine, market, clock, FREE)
    await broker.submit(an_order("o-1"))
    await broker.submit(an_order("o-2"))
    clock.set(MONDAY, 17)

    with a_failing_commit(engine), pytest.raises(BrokerUnavailable):
        await broker.statement()
    statement = await broker.statement()

    assert statement.positions[0].qty == 200
    assert statement.cash.amount == 1_000_000 - 200 * 100
    assert len(await broker.reports_since(LONG_AGO)) == 4


def test_traders_in_many_threads_send_each_order_once(tmp_path: Path):
    clock = a_clock()

    def trade(_: int) -> list:
        broker = a_broker(an_engine(tmp_path), MemoryMarket(), clock)
        return [asyncio.run(broker.submit(an_order(f"o-{number}"))) for number in range(10)]

    an_engine(tmp_path)
    with ThreadPoolExecutor(4) as traders:
        answers = list(traders.map(trade, range(4)))

    statement = asyncio.run(a_broker(an_engine(tmp_path), MemoryMarket(), clock).statement())
    assert all(answer == answers[0] for answer in answers)
    assert len(statement.working) == 10
    assert len(statement.cash_movements) == 1
