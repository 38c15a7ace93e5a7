"""How Interactive Brokers works day by day, one test for each rule; where it was told is at the end of each."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.ib.bars import IbBars
from adapters.ib.broker import IbBroker
from adapters.ib.guard import require_matching_mode
from adapters.ib.probe import probe_gateway
from adapters.ib.quotes import IbQuotes
from ib_gateway.orders import Status
from ib_gateway.scenarios import Action, Fault, Scenario
from tests.adapters.ib.ib_desk import LONG_AGO, Desk, a_cancel, a_market_order, a_replace, an_order, kinds, until
from trading.errors import BrokerUnavailable, InvalidValue, SourceUnavailable
from trading.market.instruments import Equity
from trading.market.quotes import QuoteKind
from trading.orders.executions import ExecType, fold_order
from trading.orders.orders import OrdStatus, Side, TimeInForce

TOMORROW = datetime(2026, 11, 17, 15, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 15, 15, tzinfo=UTC)
CALL = "AAPL  261218C00250000"


def quotes_of(desk: Desk, wanted: QuoteKind = QuoteKind.LIVE) -> IbQuotes:
    return IbQuotes(settings=desk.settings(), now=desk.clock, wanted=wanted, sessions=desk.sessions[-1])


def heard_after(desk: Desk, count: int) -> set[str]:
    """Return the names of what clients sent after so many messages."""
    return {m.name for m in list(desk.gateway.wire_log)[count:] if m.way == "in"}


# -- the link, the farms, the socket


async def test_a_nightly_reset_leaves_orders_working_and_what_they_did_is_told_after_it(desk: Desk):
    """The link is lost once a day at least, and reports come late: https://github.com/IbcAlpha/IBC/issues/251"""
    broker = desk.broker()
    await broker.submit(an_order("a"))
    await broker.submit(an_order("b"))

    desk.gateway.farm(2103)
    desk.gateway.lose_link()
    await until(lambda: desk.states()[-1] == "DEGRADED")
    desk.gateway.fill("a")
    desk.gateway.restore_link(1101)
    desk.gateway.farm(2104)
    await until(lambda: desk.states()[-1] == "READY")

    assert (await broker.find("a"))[-1].ord_status is OrdStatus.FILLED
    assert (await broker.statement()).working == ("b",)
    assert desk.placed() == 2


async def test_fills_that_come_with_1100_are_written_down_though_the_link_is_lost(desk: Desk):
    """Callbacks dropped then are lost: https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/249"""
    await desk.broker().submit(an_order())
    desk.gateway.say(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
    await until(lambda: desk.states()[-1] == "DEGRADED")

    desk.gateway.fill("o-1")

    await until(lambda: "trade" in _written(desk))
    assert desk.states()[-1] == "DEGRADED"


def _written(desk: Desk) -> list[str]:
    with desk.engine.connect() as connection:
        return [str(row[0]).lower() for row in connection.exec_driver_sql("SELECT exec_type FROM ib_report")]


async def test_a_changed_port_ends_the_session_and_says_which_setting_to_change(desk: Desk):
    """1300 comes once, and nobody answers after it: https://interactivebrokers.github.io/tws-api/message_codes.html"""
    await desk.broker().connect()

    desk.gateway.say(1300, "TWS socket port has been reset. Please reconnect on the new port - 4004")

    await until(lambda: "DISCONNECTED" in desk.states())
    ended = next(t for t in desk.transitions if t.after.name == "DISCONNECTED")
    assert ended.cause.startswith("1300: TWS socket port has been reset")
    assert "new port - 4004" in ended.cause
    assert "set the account's port" in ended.cause


async def test_a_login_elsewhere_takes_the_link_and_no_order_goes_out_until_it_is_back(desk: Desk):
    """A user has one session: https://interactivebrokers.github.io/tws-api/message_codes.html (1100)"""
    broker = desk.broker()
    await broker.connect()

    desk.gateway.say(1100, "Connectivity has been lost: the user has logged in elsewhere, a competing session.")
    await until(lambda: desk.states()[-1] == "DEGRADED")
    with pytest.raises(BrokerUnavailable, match="competing session"):
        await broker.submit(an_order())
    desk.gateway.say(1101, "Connectivity has been restored, data lost.")
    await until(lambda: desk.states()[-1] == "READY")

    assert kinds(await broker.submit(an_order())) == [ExecType.NEW]
    assert desk.placed() == 1


async def test_a_quote_taken_by_a_competing_session_says_so_and_is_a_quote_again_when_it_ticks(desk: Desk):
    """10197 comes for each line: https://interactivebrokers.github.io/tws-api/message_codes.html"""
    quotes = quotes_of(desk)
    await quotes.subscribe(["AAPL"])
    await until(lambda: quotes.quotes()["AAPL"].last)
    [client] = desk.gateway.clients
    number = next(int(m.fields[1]) for m in desk.gateway.wire_log if m.name == "reqMktData")

    client.tell(number, 10197, "No market data during competing live session")
    await until(lambda: quotes.quotes()["AAPL"].error)
    error = quotes.quotes()["AAPL"].error
    desk.gateway.set_price("AAPL", Decimal(203))
    await until(lambda: quotes.quotes()["AAPL"].last == 203)

    assert error == "10197: No market data during competing live session"
    assert quotes.quotes()["AAPL"].error == ""


async def test_a_second_factor_that_nobody_answers_ends_in_words_and_not_in_a_hang(tmp_path: Path):
    """Tokens end each Sunday: https://ibkrguides.com/traderworkstation/auto-restart-considerations.htm"""
    async with Desk(tmp_path, Scenario(faults=(Fault(on="nextValidId", do=Action.HANG),))) as desk:
        with pytest.raises(BrokerUnavailable, match="a second factor may be pending"):
            await desk.broker(connect_seconds=0.3).submit(an_order())

        assert desk.heard("placeOrder") == 0


async def test_a_gateway_started_for_reading_only_rejects_the_order_with_its_words(tmp_path: Path):
    """READ_ONLY_API of the usual container: https://github.com/gnzsnz/ib-gateway-docker/issues/333"""
    words = "Error validating request.-'bK' : cause - The API interface is currently in Read-Only mode."
    refuses = Fault(on="placeOrder", do=Action.REJECT, code=321, text=words)
    async with Desk(tmp_path, Scenario(faults=(refuses,))) as desk:
        [report] = await desk.broker().submit(an_order())

    assert report.ord_status is OrdStatus.REJECTED
    assert "Read-Only mode" in report.text


def test_the_ports_that_a_container_exposes_anew_leave_the_account_to_decide():
    """socat listens on 4003 (live) and 4004 (paper): https://github.com/gnzsnz/ib-gateway-docker/issues/34"""
    require_matching_mode(False, 4004, "DU1234567")
    require_matching_mode(True, 4003, "U1234567")

    with pytest.raises(InvalidValue, match="must be a paper account"):
        require_matching_mode(False, 4004, "U1234567")


# -- what is asked for, and what IB no longer tells


async def test_every_connection_asks_for_what_is_open_done_executed_and_held(desk: Desk):
    """reqOpenOrders tells one client's only: https://interactivebrokers.github.io/tws-api/open_orders.html"""
    broker = desk.broker()
    await broker.connect()
    said = len(desk.gateway.wire_log)

    desk.gateway.drop_connections()
    await until(lambda: desk.states().count("READY") == 2)

    asked = heard_after(desk, said)
    assert asked >= {"reqAllOpenOrders", "reqCompletedOrders", "reqExecutions", "reqPositions"}
    assert "reqOpenOrders" not in asked


async def test_an_order_of_before_the_socket_died_can_still_be_changed_and_canceled(desk: Desk):
    """The libraries' trades are gone after a reconnect: https://github.com/erdewit/ib_insync/issues/130"""
    broker = desk.broker()
    await broker.submit(an_order())
    desk.gateway.drop_connections()
    await until(lambda: desk.states().count("READY") == 2)

    changed = await broker.replace(a_replace(price=Decimal(151)))
    canceled = await broker.cancel(a_cancel())

    assert changed[-1].price == 151
    assert kinds(canceled) == [ExecType.NEW, ExecType.REPLACED, ExecType.CANCELED]


async def test_a_status_that_goes_back_is_told_once_and_the_order_works(desk: Desk):
    """After an error comes the old status again: https://github.com/ib-api-reloaded/ib_async/issues/217"""
    broker = desk.broker()
    await broker.submit(an_order())
    order = desk.gateway.order("o-1")

    for status in (Status.PRE_SUBMITTED, Status.PENDING_SUBMIT, Status.SUBMITTED):
        order.status = status
        desk.gateway.teller.order(order)
    reports = await broker.reports_since(LONG_AGO)

    assert kinds(reports) == [ExecType.NEW]
    assert fold_order(an_order(), (), reports).contradictions == ()


async def test_yesterdays_fills_are_known_although_the_gateway_tells_todays_only(desk: Desk):
    """Executions are told since midnight: https://github.com/erdewit/ib_insync/issues/483"""
    await desk.broker().submit(a_market_order())
    desk.gateway.fill_all()
    await until(lambda: "trade" in _written(desk))
    await desk.as_after_a_restart()
    desk.clock.at = TOMORROW

    reports = await desk.broker().find("o-1")

    assert kinds(reports) == [ExecType.NEW, ExecType.TRADE]
    assert not [m for m in desk.gateway.wire_log if m.way == "out" and m.name == "completedOrder"]


async def test_a_fill_that_nobody_heard_before_midnight_shows_in_the_position_and_is_not_made_up(desk: Desk):
    """What is older has to come from elsewhere: https://github.com/westonplatter/ngv_reports_ibkr/issues/39"""
    await desk.broker().submit(an_order(time_in_force=TimeInForce.GTC))
    await desk.as_after_a_restart()
    desk.gateway.fill("o-1")
    desk.clock.at = TOMORROW

    broker = desk.broker()
    reports, statement = await broker.find("o-1"), await broker.statement()

    assert kinds(reports) == [ExecType.NEW]
    assert [(p.symbol, p.qty) for p in statement.positions] == [("AAPL", 100)]
    assert statement.working == ()


# -- limits of what may be asked


async def test_a_change_that_changes_nothing_is_not_sent(desk: Desk):
    """The order efficiency ratio is watched: https://interactivebrokers.github.io/tws-api/order_limitations.html"""
    broker = desk.broker()
    await broker.submit(an_order())

    await broker.replace(a_replace(price=Decimal("150.004")))  # 150.00 on AAPL's steps

    assert desk.heard("placeOrder") == 1


async def test_bars_refused_for_pacing_are_the_sources_fault_and_no_empty_history(desk: Desk):
    """162: https://interactivebrokers.github.io/tws-api/historical_limitations.html"""
    desk.gateway.faults.add(Fault(on="reqHistoricalData", do=Action.DROP))
    apple = Equity(symbol="AAPL", mic="XNAS")
    source = IbBars([apple], settings=desk.settings(), now=desk.clock, sessions=desk.sessions[-1])
    asking = asyncio.create_task(asyncio.to_thread(source.fetch, ["AAPL"], date(2026, 11, 9), date(2026, 11, 13)))
    await until(lambda: desk.heard("reqHistoricalData"))

    number = next(int(m.fields[0]) for m in desk.gateway.wire_log if m.name == "reqHistoricalData")
    desk.gateway.clients[0].tell(number, 162, "Historical Market Data Service error message: pacing violation")

    with pytest.raises(SourceUnavailable, match=r"162: .*pacing violation"):
        await asking


async def test_a_line_that_other_software_has_taken_is_told_with_the_quote(tmp_path: Path):
    """Lines are the user's, 101 above them: https://aifinhub.io/articles/ibkr-tws-api-rate-limits-2026/"""
    async with Desk(tmp_path, data_lines=1) as desk:
        quotes = quotes_of(desk)

        await quotes.subscribe(["AAPL", "MSFT"])
        await until(lambda: quotes.quotes()["MSFT"].error)

        assert quotes.quotes()["MSFT"].error == "101: Max number of tickers has been reached"
        assert quotes.quotes()["AAPL"].error == ""
        assert quotes.stale(timedelta(seconds=1)) == ("MSFT",)


async def test_a_quote_of_a_closed_market_is_called_frozen(tmp_path: Path):
    """https://interactivebrokers.github.io/tws-api/market_data_type.html"""
    async with Desk(tmp_path, session="regular_hours") as desk:
        desk.clock.at = SUNDAY
        quotes = quotes_of(desk, QuoteKind.FROZEN)

        await quotes.subscribe(["AAPL"])
        await until(lambda: quotes.quotes()["AAPL"].last)

        assert quotes.quotes()["AAPL"].kind is QuoteKind.FROZEN


# -- orders


@pytest.mark.parametrize(("meant", "sent"), [("2.938", "2.93"), ("3.17", "3.15"), ("2.93", "2.93")])
async def test_an_options_price_is_brought_onto_the_step_of_its_own_height(desk: Desk, meant: str, sent: str):
    """minTick is the smallest anywhere: https://interactivebrokers.github.io/tws-api/minimum_increment.html

    Options of the penny programme trade in 0.01 below 3 and in 0.05 from there on.
    """
    await desk.broker().submit(an_order(symbol=CALL, qty=1, price=Decimal(meant)))

    assert [o.fields.get("lmtPrice") for o in desk.gateway.accepted] == [sent]


@pytest.mark.parametrize(("anywhen", "status"), [(False, Status.PRE_SUBMITTED), (True, Status.SUBMITTED)])
async def test_an_order_waits_for_regular_hours_unless_it_says_otherwise(tmp_path: Path, anywhen: bool, status: Status):
    """399, and 2109 where it is ignored: https://interactivebrokers.github.io/tws-api/message_codes.html"""
    async with Desk(tmp_path, session="regular_hours") as desk:
        desk.clock.at = desk.clock.at.replace(hour=13)  # 08:00 in New York

        reports = await desk.broker().submit(an_order(outside_regular_hours=anywhen))

        assert kinds(reports) == [ExecType.NEW]
        assert desk.gateway.order("o-1").status is status


async def test_what_an_order_would_cost_is_asked_without_there_being_an_order(desk: Desk):
    """https://interactivebrokers.github.io/tws-api/margin.html"""
    found = await probe_gateway(desk.settings(), "DU1234567", "AAPL", now=desk.clock)

    assert found.what_if is not None
    assert found.what_if.margin_change
    assert desk.placed() == 0
    assert await desk.broker().reports_since(LONG_AGO) == ()


async def test_a_rejections_reason_is_kept_in_ibs_words_and_its_code_decides(tmp_path: Path):
    """201 has a hundred reasons, and only text: https://interactivebrokers.github.io/tws-api/message_codes.html"""
    words = "Order rejected - reason:The contract is not available for short sale."
    async with Desk(
        tmp_path, Scenario(faults=(Fault(on="placeOrder", do=Action.REJECT, code=201, text=words),))
    ) as desk:
        [report] = await desk.broker().submit(an_order(side=Side.SELL, price=Decimal(250)))

    assert (report.ord_status, report.text) == (OrdStatus.REJECTED, f"201: {words}")


async def test_callers_on_event_loops_of_their_own_are_each_answered(desk: Desk):
    """What is awaited on a foreign loop wakes only by its timer: https://github.com/erdewit/ib_insync/issues/33"""
    patience: dict[str, Any] = {"ask_seconds": 300, "answer_seconds": 300}

    def on_its_own_loop(name: str) -> list[ExecType]:
        async def send(broker: IbBroker) -> list[ExecType]:
            return kinds(await broker.submit(an_order(name)))

        return asyncio.run(send(desk.broker(**patience)))

    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(asyncio.to_thread(on_its_own_loop, name) for name in ("a", "b", "c")))

    assert answers == [[ExecType.NEW]] * 3
    assert len(desk.gateway.clients) == 1
