"""An option held is what its name says, and worth and measured by what the newest stored chain says."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adapters.sql.schema import migrate
from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount
from blocks.desk import Desk, Ledger, Market
from blocks.desk_storage import DeskStorage
from blocks.risk_limits import RiskLimitsBlock
from tasks.describe import describe
from tasks.measure import risk_report
from tasks.model import portfolio_risk, risk_model
from tasks.observe import observe
from tasks.value import marks, prices_at_open
from tests.breaker_builders import a_valuation, ruled
from tests.builders import ACCOUNT, a_movement, a_new_order, a_trade
from tests.chain_builders import AT, TERMS, a_chain
from trading.breaks import Break, BreakType
from trading.market.bars import DailyBars, PriceBasis, bars_frame
from trading.market.calendars import TradingCalendar
from trading.orders.orders import Side
from trading.reconciliation import Reconciliation
from trading.risk.breakers import BreakerKind
from trading.risk.gate import check_orders
from trading.risk.limits import RiskDecision, RiskLimits
from trading.risk.measure_limits import MeasureLimits
from trading.risk.risk_page import as_markdown, risk_page
from trading.risk.risk_state import RiskState

D = Decimal
MONDAY, TUESDAY = date(2024, 6, 3), date(2024, 6, 4)  # the chain is of Monday, 14:00 in New York
EVENING = datetime(2024, 6, 3, 21, tzinfo=UTC)
CALL = "ACME  240719C00105000"
# At 25 %, 5 %, 46 days and 2 hours, spot 100, by QuantLib (BlackCalculator): price 1.8557, delta 0.3322.
MIDDLE, DELTA = D("1.8557"), 0.3322
WIDE = RiskLimits(max_position_pct=D(100), max_position_notional=D(10**6), uncovered_shorts_allowed=False)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk that may hold a net delta of 10,000, with 130 sessions of ACME and SPY and no chain."""
    storage = DeskStorage(home=tmp_path)
    market = Market.of(BarSource(name="files", provider=Provider.FILES, path=tmp_path, symbols=["ACME"]), storage)
    days = TradingCalendar("XNYS").sessions(date(2023, 11, 1), MONDAY)[-130:]
    moves = np.random.default_rng(7).normal(0, 0.01, (2, len(days)))
    closes = dict(zip(("ACME", "SPY"), 100 * np.cumprod(1 + moves, axis=1), strict=True))
    rows = [(s, day, px, 1e6) for s, of in closes.items() for day, px in zip(days, of, strict=True)]
    frame = bars_frame(pd.DataFrame(rows, columns=["symbol", "session", "close", "volume"]))
    market.store.upsert(DailyBars(frame=frame, source="files", price_basis=PriceBasis.RAW), EVENING)
    migrate(storage.engine())
    limits = RiskLimitsBlock(limits=WIDE, measures=MeasureLimits(max_delta=D(10_000), history_sessions=100))
    account = BrokerAccount(account=ACCOUNT, bar_source=market.settings, risk_limits=limits)
    return Desk(account=account, storage=storage, ledger=Ledger.of(storage), market=market)


def a_decision(desk: Desk, qty: int, symbol: str, held: dict[str, int], px: str | None = None) -> RiskDecision:
    """Ask the gate on Tuesday morning, as a run that trades does."""
    wanted = {*held, symbol}
    given = {
        "equity": D(100_000),
        "cash": D(100_000),
        "held": {s: D(q) for s, q in held.items()},
        "marks": prices_at_open(desk, TUESDAY, wanted) | ({CALL: D(px)} if px else {}),
        "facts": describe(desk, TUESDAY, wanted).facts,
    }
    measures = desk.account.risk_limits.measures
    portfolio = portfolio_risk(RiskState(**given), risk_model(desk, wanted, MONDAY), measures, 0.0)
    order = a_new_order(symbol=symbol, side=Side.BUY if qty > 0 else Side.SELL, order_qty=D(abs(qty)), price=None)
    return check_orders([order], RiskState(**given, portfolio=portfolio), desk.account.risk_limits.limits)[0]


def test_a_run_that_trades_measures_an_option_it_holds_by_the_chain_of_the_session_before(desk: Desk):
    desk.storage.chain_store().save(a_chain(), EVENING, TERMS)

    decisions = [a_decision(desk, qty, CALL, {CALL: 1}) for qty in (2, 3)]

    # One contract has a delta of 100 x 0.3322 x 100 = 3,322: three pass a limit of 10,000, four do not.
    assert [d.code for d in decisions] == [None, "MAX_DELTA"]
    told = float(decisions[1].before.split()[0].replace(",", ""))
    assert told == pytest.approx(DELTA * 10_000, rel=1e-3)


def test_an_option_is_worth_the_middle_of_its_chain_whatever_was_paid(desk: Desk):
    desk.storage.chain_store().save(a_chain(), EVENING, TERMS)

    worth = marks(desk, MONDAY, [CALL], [a_trade(1, "9.99", symbol=CALL)])

    assert float(worth[CALL]) == pytest.approx(float(MIDDLE), abs=1e-4)
    assert prices_at_open(desk, TUESDAY, [CALL]) == worth


@pytest.mark.parametrize("taken", [None, AT - timedelta(days=3), AT + timedelta(days=1)])
def test_without_a_chain_of_that_session_nothing_is_added_and_all_may_be_closed(desk: Desk, taken: datetime | None):
    if taken is not None:
        desk.storage.chain_store().save(replace(a_chain(), at=taken), taken, TERMS)

    refused = a_decision(desk, 10, "ACME", {CALL: 1}, px="2.00")

    assert refused.code == "NOT_MEASURED"
    assert (
        f"what {CALL} may lose cannot be measured: no chain of its underlying since 2024-06-03 13:30 UTC"
        in refused.text
    )
    assert "run ingest-chains for ACME" in refused.text
    assert a_decision(desk, -1, CALL, {CALL: 1}, px="2.00").accepted
    assert a_decision(desk, 10, "ACME", {CALL: 1}).code == "NO_PRICE"  # nor is it worth anything that is known


def test_a_call_sold_short_needs_the_shares_that_its_name_tells(desk: Desk):
    desk.storage.chain_store().save(a_chain(), EVENING, TERMS)

    assert a_decision(desk, -1, CALL, {"ACME": 99}).code == "UNCOVERED_SHORT"
    assert a_decision(desk, -1, CALL, {"ACME": 100}).accepted


def test_the_risk_page_says_which_option_is_not_measured_and_what_to_run(desk: Desk):
    desk.ledger.journal.record([a_trade(1, "2.10", symbol=CALL, transact_time=AT)])
    desk.ledger.facts.record_cash([a_movement(100_000, value_time=AT)])

    without = risk_report(desk, MONDAY, MONDAY, EVENING)
    desk.storage.chain_store().save(a_chain(), EVENING, TERMS)
    measured = risk_report(desk, MONDAY, MONDAY, EVENING)

    page = as_markdown(risk_page(without, ()))
    assert (
        f"| {CALL} | no chain of its underlying since 2024-06-03 13:30 UTC is in store; run ingest-chains for ACME |"
        in page
    )
    assert measured.unmeasured == {}
    (used,) = [use.value for use in measured.uses if use.name == "delta"]
    assert used == pytest.approx(DELTA * 10_000, rel=1e-3)


@pytest.mark.parametrize(("bought", "trips"), [(2, []), (5, [BreakerKind.DAILY_LOSS])])
def test_breakers_see_contracts_at_their_whole_worth(desk: Desk, bought: int, trips: list[BreakerKind]):
    """Of 10,000, a contract bought at 3.10 is worth 1.8557: 1.24 x 100 less, and 5 lose more than 5 %."""
    desk.storage.chain_store().save(a_chain(), EVENING, TERMS)
    desk.ledger.facts.record_cash([a_movement(10_000, value_time=AT - timedelta(days=5))])
    trade = a_trade(bought, "3.10", symbol=CALL, transact_time=AT, commission=D("1.30"))
    desk.ledger.journal.record([trade])

    seen = observe(desk, MONDAY, EVENING, reachable=None, quotes={})
    changes = ruled(replace(seen, valuations=[a_valuation(10_000, date(2024, 5, 31))]), now=EVENING)

    worth = bought * MIDDLE * 100
    assert float(seen.values[CALL]) == pytest.approx(float(worth), abs=0.1)
    assert float(seen.equity) == pytest.approx(float(10_000 - bought * 310 - D("1.30") + worth), abs=0.1)
    assert [c.kind for c in changes] == trips


def test_equity_on_the_risk_page_counts_contracts_by_their_multiplier(desk: Desk):
    desk.storage.chain_store().save(a_chain(), EVENING, TERMS)
    desk.ledger.facts.record_cash([a_movement(10_000, value_time=AT)])
    desk.ledger.journal.record([a_trade(2, "3.10", symbol=CALL, transact_time=AT, commission=D("1.30"))])

    report = risk_report(desk, MONDAY, MONDAY, EVENING)

    assert float(report.equity) == pytest.approx(10_000 - 621.30 + 371.14, abs=0.1)


def test_an_option_among_the_symbols_of_a_source_of_bars_is_no_share_to_be_sized(desk: Desk):
    settings = desk.market.settings.model_copy(update={"symbols": ["ACME", CALL]})

    offers = Market.stored(settings, desk.storage, "USD")

    assert CALL in offers.source.instruments()
    assert list(offers.instruments()) == ["ACME"]


def test_a_difference_in_contracts_that_only_the_broker_holds_is_worth_what_their_chain_says(desk: Desk):
    desk.storage.chain_store().save(a_chain(), EVENING, TERMS)
    found = Break(break_type=BreakType.POSITION, subject=CALL, symbol=CALL, ours="0", theirs="2", text="2 there")
    compared = Reconciliation(
        session=MONDAY, reconciled_at=EVENING, equity=D(10_000), cash=D(10_000), marks={}, breaks=(found,)
    )
    desk.ledger.facts.record_reconciliation(desk.name, compared)

    seen = observe(desk, MONDAY, EVENING, reachable=None, quotes={})

    assert float(seen.worst_break) == pytest.approx(float(2 * MIDDLE * 100), abs=0.1)
