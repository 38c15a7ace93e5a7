"""Desks to measure: a folder, a market in a file, and settings that let every order through."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from adapters.paper.paper_settings import PaperSettings
from adapters.sql.schema import migrate
from benchmarks.markets import SOURCE
from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount
from blocks.desk import Desk, Ledger, Market
from blocks.desk_storage import DeskStorage
from blocks.risk_limits import RiskLimitsBlock
from tasks.decide import StrategyChoice
from trading.ledger import Decision
from trading.orders.orders import NewOrderSingle, OrdType, Side, TimeInForce, make_cl_ord_id
from trading.positions.sizing import SizingRules
from trading.risk.breakers import BreakerRule, BreakerRules
from trading.risk.limits import RiskLimits
from trading.risk.restrictions import RestrictionKind

ACCOUNT = "bench"
BARS_FILE = "provider.parquet"
# Each of hundreds of positions is smaller than the default band, inside of which nothing is ordered.
SIZING = SizingRules(drift_band_pct=Decimal(0))
LIMITS = RiskLimits(
    max_order_notional=Decimal(10**9),
    max_position_notional=Decimal(10**9),
    max_position_pct=Decimal(100),
    max_orders_per_day=10**6,
    max_notional_per_day=Decimal(10**12),
)
# A session is rehearsed with a clock that stands still: thousands of orders go out at one time.
BREAKERS = BreakerRules(order_rate=BreakerRule(threshold=Decimal(10**6), action=RestrictionKind.HALT))
_CASH_PER_SYMBOL = 100_000


def blocks_of(home: Path, symbols: int) -> tuple[DeskStorage, BarSource, BrokerAccount]:
    """Return the settings of the desk in that folder; they are not saved yet."""
    source = BarSource(name=SOURCE, provider=Provider.FILES, path=home / BARS_FILE)
    account = BrokerAccount(
        account=ACCOUNT,
        bar_source=source,
        risk_limits=RiskLimitsBlock(limits=LIMITS, breakers=BREAKERS),
        paper=PaperSettings(starting_cash=Decimal(_CASH_PER_SYMBOL * symbols)),
    )
    return DeskStorage(home=home), source, account


def open_desk(home: Path, symbols: int) -> Desk:
    """Open the desk without asking Prefect for its settings; makes its ledger when there is none."""
    storage, source, account = blocks_of(home, symbols)
    migrate(storage.engine())
    return Desk(account=account, storage=storage, ledger=Ledger.of(storage), market=Market.of(source, storage))


def rotation(symbols: int) -> StrategyChoice:
    """Return a strategy that sells one half of the symbols and doubles the other: an order for each."""
    return StrategyChoice(name="MomentumRotation", parameters={"top": symbols // 2})


def an_order(desk: Desk, session: date, symbol: str) -> NewOrderSingle:
    """Return a market order to buy 10, to be sent before the open of the session."""
    open_at = desk.market.calendar.open_at(session)
    return NewOrderSingle(
        cl_ord_id=make_cl_ord_id(account=desk.name, session=session, book="main", symbol=symbol, purpose="bench"),
        account=desk.name,
        session=session,
        book="main",
        symbol=symbol,
        side=Side.BUY,
        order_qty=Decimal(10),
        ord_type=OrdType.MARKET,
        time_in_force=TimeInForce.DAY,
        expire_time=open_at,
        transact_time=open_at,
    )


def a_decision(orders: Sequence[NewOrderSingle]) -> Decision:
    """Return a decision that made these orders."""
    first = orders[0]
    return Decision(
        decision_id=f"{first.account}:{first.session}:{first.book}",
        account=first.account,
        session=first.session,
        book=first.book,
        strategy="EqualWeight",
        parameters={},
        sizing={},
        code_version="bench",
        source=SOURCE,
        bars_hash="",
        first_session=first.session,
        bars_session=first.session,
        verdict_id="qv-bench",
        equity=Decimal(10**9),
        cash=Decimal(10**9),
        mode="paper",
        decided_at=first.transact_time,
        targets=(),
    )
