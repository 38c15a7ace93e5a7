"""What is written is what is read, to the last digit and microsecond, on both databases."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from sqlite3 import SQLITE_LIMIT_VARIABLE_NUMBER
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from adapters.plain_decimals import plain
from adapters.sql.engine import reading, writing
from adapters.sql.risk_reports import SqlRiskReports
from tests.adapters.sql.sql_desk import a_decision, some_orders
from tests.builders import ACCOUNT, DECIDED, SESSION, a_movement, a_new_order, a_trade
from trading.errors import InvalidValue, TradingError
from trading.orders.orders import OrdType
from trading.risk.inputs import RiskInputs
from trading.risk.limit_uses import LimitUse
from trading.risk.limits import RiskLimits
from trading.risk.report import RiskReport
from trading.risk.risk_page import as_markdown, risk_page

NEW_YORK = ZoneInfo("America/New_York")
WIDE = RiskLimits(max_orders_per_day=5000)
EXACT = [
    "0",
    "-0.01",
    "100.00",
    "1234567890123456.789012345678",  # 28 digits
    "0.0000000000000000000000000001",
    "9999999999999999999999999999",
    "-1234567890123456789012345678901234567890.12",  # 42 digits
    "1E+20",
    "1E-20",
    "172.6200000000000045474735088646411895751953125",  # a float's exact value
]


def test_a_risk_report_comes_back_with_a_measure_beyond_any_number(ledger):
    forever = LimitUse(name="liquidity days", value=math.inf, limit=5.0, unit="sessions", subject="X")
    report = RiskReport(
        account=ACCOUNT,
        session=SESSION,
        reported_at=DECIDED,
        equity=Decimal("100.00"),
        currency="USD",
        uses=(forever,),
        level=0.99,
        tails=(),
        stresses=(),
        contributors=(),
    )

    SqlRiskReports(ledger.engine).record(report)

    assert SqlRiskReports(ledger.engine).last(ACCOUNT) == report
    told = as_markdown(risk_page(report, ()))
    assert "beyond it" in told
    with reading(ledger.engine) as connection:
        assert (
            "Infinity" not in connection.exec_driver_sql("SELECT CAST(content AS TEXT) FROM risk_report").scalar_one()
        )


@pytest.mark.parametrize("digits", EXACT)
def test_a_decimal_comes_back_exactly(ledger, digits):
    ledger.facts.record_cash([a_movement(digits)])

    [movement] = ledger.facts.cash_movements(ACCOUNT)

    assert movement.amount.amount == Decimal(digits)
    assert "E" not in str(movement.amount.amount) or abs(Decimal(digits)) < 1


@pytest.mark.parametrize("digits", [d for d in EXACT if Decimal(d) > 0])
def test_the_price_of_an_execution_told_twice_is_the_same_price(ledger, digits):
    fill = a_trade(1, digits)
    ledger.journal.record([fill])

    assert ledger.journal.record([fill]) == ()


@pytest.mark.parametrize(("given", "wanted"), [("100.00", "100"), ("1E+2", "100"), ("0.50", "0.5"), ("-0.0", "0")])
def test_a_decimal_is_told_without_needless_zeros(given, wanted):
    assert str(abs(plain(Decimal(given)))) == wanted


@pytest.mark.parametrize(
    "time",
    [
        datetime(2024, 3, 15, 13, 30, 0, 123456, tzinfo=UTC),
        datetime(2024, 3, 15, 9, 30, tzinfo=NEW_YORK),
        datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=1),  # the hour that comes twice
        datetime(2024, 1, 1, 4, 59, 59, 999999, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_a_time_comes_back_as_the_same_moment_in_utc(ledger, time):
    ledger.facts.record_cash([a_movement(1, value_time=time)])

    [movement] = ledger.facts.cash_movements(ACCOUNT)

    assert movement.value_time == time.astimezone(UTC)
    assert movement.value_time.tzinfo is UTC


def test_a_time_without_a_zone_is_refused_and_nothing_is_written(ledger):
    naive = datetime(2024, 3, 15, 13, 30)  # noqa: DTZ001 - meant

    with pytest.raises(InvalidValue, match=r"datetime.datetime\(2024, 3, 15, 13, 30\), but must be aware"):
        ledger.facts.record_cash([a_movement(1), a_movement(1, movement_id="m-2", value_time=naive)])
    with pytest.raises(TradingError):
        ledger.halts.halt("desk", "fire", "Ada", naive)

    assert ledger.facts.cash_movements(ACCOUNT) == ()
    assert ledger.halts.status() == {}


def test_an_order_comes_back_equal(ledger):
    order = a_new_order(
        order_qty=Decimal("0.000000000000000001"),
        ord_type=OrdType.STOP_LIMIT,
        price=Decimal("10.0000000000000001"),
        stop_px=Decimal("9.99"),
    )

    ledger.intend(ledger.lease(), order)

    assert ledger.journal.order("t-1").new_order == order


def test_words_of_any_script_come_back(ledger):
    ledger.journal.record([a_trade(1, 1, text="Übertrag → 株 \U0001f4c8 'quoted' \"; -- %s :x")])

    assert ledger.facts.executions(ACCOUNT)[0].text == "Übertrag → 株 \U0001f4c8 'quoted' \"; -- %s :x"


def test_a_reader_sees_one_moment_however_much_is_written_meanwhile(ledger):
    with reading(ledger.engine) as connection:
        count = sa.text("SELECT count(*) FROM decision")
        assert connection.execute(count).scalar_one() == 0
        ledger.intend(ledger.lease(), decision=a_decision())
        assert connection.execute(count).scalar_one() == 0


def test_a_reader_cannot_write_on_postgresql(ledger):
    if ledger.engine.dialect.name == "sqlite":
        pytest.skip("SQLite's readers are told apart by their BEGIN only")
    with pytest.raises(TradingError, match="read-only transaction"), reading(ledger.engine) as connection:
        connection.exec_driver_sql("DELETE FROM decision")
    with writing(ledger.engine) as connection:
        connection.exec_driver_sql("DELETE FROM decision")


def test_a_day_of_three_thousand_symbols_is_intended_sent_answered_and_rebuilt(ledger):
    lease = ledger.lease()
    orders = some_orders(3000)
    marks = {o.symbol: Decimal(10) for o in orders}

    verdicts = ledger.journal.intend(lease, a_decision(), orders, RiskInputs(limits=WIDE, marks=marks))
    ledger.journal.mark_sending(lease, [o.cl_ord_id for o in orders], DECIDED)
    fills = [a_trade(1, 10, f"e-{o.cl_ord_id}", cl_ord_id=o.cl_ord_id, symbol=o.symbol) for o in orders]

    assert all(v.accepted for v in verdicts)
    assert ledger.journal.record(fills) == ()
    assert ledger.journal.record(fills) == ()
    assert ledger.journal.rebuild() == 0
    assert ledger.journal.orders(ACCOUNT, open_only=True) == ()


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_more_reports_than_a_statement_has_room_for_are_recorded(ledger):
    # SQLite as it comes takes 32,766 parameters in a statement, some systems' more; PostgreSQL takes 65,535.
    sa.event.listen(ledger.engine, "connect", lambda c, _: c.setlimit(SQLITE_LIMIT_VARIABLE_NUMBER, 32_766))
    ledger.engine.dispose()
    strangers = [a_trade(1, 10, f"e-{n}", cl_ord_id=f"by hand {n}") for n in range(33_000)]

    assert len(ledger.journal.record(strangers)) == 33_000
    assert ledger.journal.record(strangers) == ()
