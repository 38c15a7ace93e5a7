"""After the close: what differs from the broker is told, whatever becomes of the telling."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa
from pytest_httpserver import HTTPServer

from adapters.sql.engine import writing
from tests.flows.desks import SYMBOLS, TUESDAY, WEDNESDAY, Copy, DeskFolder
from trading.risk.limits import RiskLimits


def change(desk: DeskFolder, statement: str) -> None:
    """Change what the paper broker's books say."""
    with writing(desk.ledger.engine) as connection:
        connection.execute(sa.text(statement))


def address(server: HTTPServer) -> str:
    return f"json://{server.host}:{server.port}/desk"


def messages(server: HTTPServer) -> list[str]:
    """Return the title of every message that came to the channel."""
    return [request.get_json()["title"] for request, _ in server.log]


# -- breaks


async def test_a_day_without_a_difference_is_worth_its_cash_and_closes(traded_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(traded_desk)

    state = await desk.reconcile(WEDNESDAY)

    assert state.name == "Completed"
    assert state.message.startswith("2022-12-28: 0 breaks, equity 999,")
    assert desk.alerts() == ()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE paper_position SET qty = '7' WHERE symbol = 'KO'", "here, 7 at the broker; look for an execution"),
        ("UPDATE paper_account SET cash = '12.34'", "USD here, 12.34 at the broker; look for a fee, dividend"),
        (
            "UPDATE paper_report SET last_px = '1' WHERE symbol = 'KO' AND exec_type = 'trade'",
            "differs; the broker's holds, have it corrected under a new id",
        ),
    ],
    ids=["position", "cash", "execution"],
)
async def test_a_difference_is_a_break_and_a_person_is_told(
    statement: str, told: str, traded_desk: DeskFolder, copy_of: Copy
):
    desk = await copy_of(traded_desk)
    change(desk, statement)

    state = await desk.reconcile(WEDNESDAY)

    assert state.name == "Breaks"
    assert state.message.startswith("2022-12-28: 1 breaks, equity ")
    alert, *others = desk.alerts()
    assert alert.title == "1 breaks in account paper at 2022-12-28"
    assert told in alert.text
    assert {other.title for other in others} <= {"Breaker reconciliation_break of account paper tripped: close_only"}


async def test_an_order_that_nobody_here_made_is_a_break(traded_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(traded_desk)
    change(
        desk,
        "INSERT INTO paper_report (account, cl_ord_id, number, order_id, exec_id, exec_type, ord_status, symbol, side, "
        "last_qty, last_px, cum_qty, commission, transact_time, text, session) "
        "SELECT account, 'by-hand-1', number, order_id, 'x-1', 'new', 'new', symbol, side, "
        "'0', NULL, '0', '0', transact_time, text, session FROM paper_report WHERE symbol = 'KO' AND number = 1",
    )

    state = await desk.reconcile(WEDNESDAY)

    assert state.name == "Breaks"
    assert "by-hand-1" in desk.alerts()[0].text


async def test_reconciling_again_compares_again_and_sends_nothing(traded_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(traded_desk)
    change(desk, "UPDATE paper_account SET cash = '12.34'")
    broken = await desk.reconcile(WEDNESDAY)
    change(desk, f"UPDATE paper_account SET cash = '{_booked_cash(desk)}'")

    mended = await desk.reconcile(WEDNESDAY)

    assert (broken.name, mended.name) == ("Breaks", "Completed")
    assert desk.at_broker() == list(SYMBOLS)


def _booked_cash(desk: DeskFolder) -> Decimal:
    return desk.ledger.facts.books(desk.account, datetime.now(UTC)).cash


# -- telling a person


async def test_a_failed_run_a_held_day_a_refused_order_and_a_break_reach_the_channel(
    fresh_desk: DeskFolder, copy_of: Copy, httpserver: HTTPServer
):
    httpserver.expect_request("/desk").respond_with_data("ok")
    limits = RiskLimits(blocked_symbols=("GE",))
    desk = await copy_of(fresh_desk, alerts=address(httpserver), limits=limits)
    held = await copy_of(
        fresh_desk, alerts=address(httpserver), source={"symbols": ["KO", "TSLA"], "quality": {"min_passed_pct": 100}}
    )

    await desk.trade(WEDNESDAY, strategy={"name": "tests.flows.bad_strategies:Raises"})
    await desk.trade(WEDNESDAY)
    change(desk, "UPDATE paper_account SET cash = '12.34'")
    await desk.reconcile(WEDNESDAY)
    await held.ingest(TUESDAY)

    assert messages(httpserver) == [
        "Openbell: trade-session Failed",
        "Openbell: 1 of 20 orders of paper refused for 2022-12-28",
        "Openbell: 2 alerts, the first: 1 breaks in account paper at 2022-12-28",  # its breaker is the second
        "Openbell: Bars of sample for 2022-12-27: hold, 1 symbols quarantined",
    ]
    assert desk.alerts() == held.alerts() == ()


async def test_an_alert_that_no_channel_takes_stays_due_and_is_delivered_by_the_next_run(
    fresh_desk: DeskFolder, copy_of: Copy, httpserver: HTTPServer
):
    desk = await copy_of(fresh_desk, alerts=address(httpserver), limits=RiskLimits(blocked_symbols=("GE",)))
    httpserver.expect_oneshot_request("/desk").respond_with_data("down", status=503)

    traded = await desk.trade(WEDNESDAY)
    due = desk.alerts()
    httpserver.expect_request("/desk").respond_with_data("ok")
    for table, column in (("alert_queue", "next_try_at"), ("alert_receipt", "received_at")):  # its pause is over
        change(desk, f"UPDATE {table} SET {column} = '{WEDNESDAY} 00:00:00.000000'")
    await desk.trade(WEDNESDAY)

    assert traded.message == "2022-12-28: 19 orders sent, 19 of 19 filled, 0 working"
    assert [alert.title for alert in due] == ["1 of 20 orders of paper refused for 2022-12-28"]
    assert desk.alerts() == ()
    tries = [(bool(row.delivered), "channel 1 (json) refused" in row.text) for row in desk.rows("alert_receipt")]
    assert tries == [(False, True), (True, False)]


@pytest.mark.parametrize("url", ["json://127.0.0.1:1/nobody-listens", "nonsense://nowhere"])
async def test_a_broken_channel_does_not_stop_trading(url: str, fresh_desk: DeskFolder, copy_of: Copy):
    desk = await copy_of(fresh_desk, alerts=url, limits=RiskLimits(blocked_symbols=("GE",)))

    state = await desk.trade(WEDNESDAY)

    assert state.message == "2022-12-28: 19 orders sent, 19 of 19 filled, 0 working"
    assert [alert.title for alert in desk.alerts()] == ["1 of 20 orders of paper refused for 2022-12-28"]
