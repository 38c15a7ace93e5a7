"""The risk report: limits in use, and the page a person reads."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from tests.trading.risk.test_gate import a_state, an_order, limits
from trading.errors import InvalidValue
from trading.orders.orders import Order, OrdStatus, Side
from trading.risk.contributions import Contribution
from trading.risk.limit_uses import LimitUse, limit_uses
from trading.risk.report import RiskReport, StressLoss, tails_of
from trading.risk.risk_page import as_markdown, risk_page, use_bar
from trading.risk.scoped_limits import LimitScope, ScopedLimits, Sector
from trading.risk.tail_measures import TailMethod
from trading.risk.trading_facts import TradingFacts

D = Decimal


def a_report() -> RiskReport:
    return RiskReport(
        account="paper",
        session=date(2024, 4, 1),
        reported_at=datetime(2024, 4, 1, 21, tzinfo=UTC),
        equity=D(10_000),
        currency="USD",
        uses=(LimitUse(name="largest position", value=12.5, limit=25.0, unit="% of equity", subject="A"),),
        level=0.95,
        tails=tails_of(-np.arange(1.0, 101.0), 0.95),
        stresses=(StressLoss(scenario="2008 crisis", loss=5680.0),),
        contributors=(Contribution(symbol="A", value=1250.0, amount=98.0, marginal=0.0784),),
        drawdown=0.125,
        unmeasured={"NEW": "20 of 500 sessions of history"},
    )


def test_limits_in_use_count_what_works_as_filled():
    working = Order(new_order=an_order(60, name="w"), ord_status=OrdStatus.NEW)
    state = a_state({"A": 40, "B": -50}, working=(working,), orders_today=3, notional_today=D(600))

    uses = {(u.name, u.unit): u for u in limit_uses(state, limits(max_position_pct="25", max_gross_leverage="2"))}

    largest = uses["largest position", "% of equity"]
    assert (largest.subject, largest.value, largest.limit, largest.share) == ("A", 10.0, 25.0, 0.4)
    assert uses["gross leverage", "x equity"].value == 0.15  # 1,000 of A and 500 of B
    assert uses["orders of the session", "orders"].value == 3
    assert uses["value of the session's orders", "USD"].value == 600


def test_every_limit_that_is_set_and_a_number_has_its_use():
    # Of 10,000: 100 A at 10.00 and 60 more to come, 50 of B short; 1,600 and 500. A and B move together.
    working = Order(new_order=an_order(60, name="w"), ord_status=OrdStatus.NEW)
    facts = {
        "A": TradingFacts(average_volume=D(3000), correlated=frozenset({"B"})),
        "B": TradingFacts(correlated=frozenset({"A"})),
    }
    scopes = (
        ScopedLimits(scope=LimitScope.STRATEGY, subject="main", max_pct=D(20)),
        ScopedLimits(scope=LimitScope.INSTRUMENT, subject="B", max_notional=D(1000)),
        ScopedLimits(scope=LimitScope.SECTOR, subject="Energy", max_pct=D(42), max_orders_per_day=4),
    )
    state = a_state(
        {"A": 100, "B": -50},
        working=(working,),
        today=(working.new_order,),
        orders_today=1,
        notional_today=D(600),
        books={"main": {"A": D(40)}},
        facts=facts,
        day_trades_before=2,
        traded_today=frozenset({("b", "A", Side.BUY), ("s", "A", Side.SELL)}),
        market_volatility_pct=D(15),
        currency="EUR",
    )
    most = limits(
        max_position_qty="200",
        max_cluster_pct="84",
        max_net_leverage="1.1",
        max_margin_pct="80",
        max_turnover_per_day_pct="50",
        max_participation_pct="4",
        max_day_trades=3,
        max_market_volatility_pct="60",
        sectors=(Sector(name="Energy", symbols=("A", "B")),),
        scopes=scopes,
    )

    uses = {(u.name, u.unit, u.subject): (u.value, u.limit) for u in limit_uses(state, most)}

    always = {
        ("largest position", "EUR", "A"): (1600, 10**9),
        ("largest position", "% of equity", "A"): (16, 10**9),
        ("gross leverage", "x equity", ""): (0.21, 10**9),
        ("buying power", "EUR", ""): (2100, 10**13),
        ("orders of the session", "orders", ""): (1, 10**6),
        ("value of the session's orders", "EUR", ""): (600, 10**9),
    }
    assert uses == always | {
        ("largest position", "units", "A"): (160, 200),
        ("what moves together", "% of equity", "A"): (21, 84),
        ("net leverage", "x equity", ""): (0.11, 1.1),  # 1,600 long and 500 short
        ("initial margin", "% of equity", ""): (10.5, 80),  # half of 2,100 (Regulation T)
        ("volatility of the market", "% a year", "SPY"): (15, 60),
        ("value of the session's orders", "% of equity", ""): (6, 50),
        ("largest share of volume", "% of average volume", "A"): (2, 4),  # 60 of 3,000
        ("day trades of five sessions", "day trades", ""): (3, 3),
        ("positions of the", "% of equity", "strategy main"): (10, 20),  # 40 held and 60 to come
        ("positions of the", "EUR", "instrument B"): (500, 1000),
        ("positions of the", "% of equity", "sector Energy"): (21, 42),
        ("orders of the session of the", "orders", "sector Energy"): (1, 4),
    }


def test_a_limit_of_nothing_is_not_in_use_until_it_is_exceeded():
    none, one = (LimitUse(name="day trades", value=value, limit=0.0, unit="") for value in (0.0, 1.0))

    assert (use_bar(none), use_bar(one)) == ("░" * 20 + " 0%", "█" * 20 + " beyond it")


@pytest.mark.parametrize("equity", [D(0), D(-1)])
def test_no_share_of_equity_can_be_told_without_equity(equity: Decimal):
    with pytest.raises(InvalidValue, match=r"equity is .* but must be greater than 0"):
        limit_uses(a_state(equity=equity), limits())


def test_a_tail_is_told_by_each_method_the_historical_as_its_worked_example():
    historical, *others = tails_of(-np.arange(1.0, 101.0), 0.95)

    assert (historical.method, historical.value_at_risk, historical.expected_shortfall) == ("HISTORICAL", 95.0, 98.0)
    assert [t.method for t in others] == [TailMethod.NORMAL, TailMethod.CORNISH_FISHER]
    assert tails_of(np.array([]), 0.95) == ()


@pytest.mark.parametrize(("value", "bar"), [(0.0, "░" * 20 + " 0%"), (10.0, "█" * 8 + "░" * 12 + " 40%")])
def test_a_bar_is_as_full_as_the_limit_is_used(value: float, bar: str):
    assert use_bar(LimitUse(name="x", value=value, limit=25.0, unit="")) == bar


def test_a_bar_of_an_exceeded_limit_is_full_and_says_by_how_much():
    assert use_bar(LimitUse(name="x", value=30.0, limit=20.0, unit="")) == "█" * 20 + " 150%"


def test_the_page_says_limits_measures_stress_contributors_and_what_is_not_measured():
    page = as_markdown(risk_page(a_report(), ()))

    assert "| paper | 2024-04-01 | 2024-04-01 21:00 UTC | 10,000.00 USD | 12.5% |  |" in page
    assert "| largest position A | ██████████░░░░░░░░░░ 50% | 12.50 % of equity | 25.00 |" in page
    assert "| historical | 95.00 USD | 98.00 USD |  |" in page
    assert "| 2008 crisis | 5,680.00 USD | 56.8% |" in page
    assert "| A | 1,250.00 USD | 98.00 USD |" in page
    assert "| NEW | 20 of 500 sessions of history |" in page
