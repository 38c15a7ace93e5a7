"""The desk that is killed: real stages, real ledger, real adapter; only what decides is drawn from the seed.

`decide` and `verify` read years of bars, and are no part of the order path: what a strategy wants comes from the plan.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from adapters.ib.broker import IbBroker
from adapters.ib.ib_settings import IbSettings
from adapters.ib.owner import OwnerLoop
from adapters.ib.sessions import Sessions
from adapters.request_budget import RequestBudget
from adapters.sql.schema import migrate
from benchmarks.desk_child import take_prefect_out
from benchmarks.kills.plans import ACCOUNT, CLOSES, SYMBOLS, Plan, Wish
from blocks.bar_source import BarSource, Provider
from blocks.broker_account import BrokerAccount, BrokerKind
from blocks.desk import Clock, Desk, Ledger, Market
from blocks.desk_storage import DeskStorage
from blocks.risk_limits import RiskLimitsBlock
from blocks.session_trail import SessionTrail
from trading.broker import Broker
from trading.ledger import Decision, Target
from trading.market.bars import BAR_COLUMNS, SESSION_DTYPE, DailyBars, PriceBasis
from trading.market.quality import DayVerdict, QualityReport, SymbolVerdict
from trading.market.timetable import SessionTimes
from trading.orders.orders import NewOrderSingle, OrdType
from trading.positions.sizing import SizingRules

T = TypeVar("T")
SESSION, BEFORE = date(2022, 12, 28), date(2022, 12, 27)
QUARTER_TO_TEN = datetime(2022, 12, 28, 14, 45, tzinfo=UTC)
SOURCE = "kills"
_CENT = Decimal("0.01")
_STOPS, _LIMITS = (OrdType.STOP, OrdType.STOP_LIMIT), (OrdType.LIMIT, OrdType.STOP_LIMIT)


class SameLoop(OwnerLoop):
    """An owner without a thread: the loop that all of a run lives on."""

    def __init__(self) -> None:
        """Start nothing."""

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it as a task of its own, which the caller's end does not end unasked."""
        return await asyncio.ensure_future(work)

    def stop(self) -> None:
        """Do nothing."""


class ProcessSessions(Sessions):
    """The sessions of one made-up process."""

    def __init__(self) -> None:
        self.owner = SameLoop()
        self._open = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KilledDesk(Desk):
    """A desk whose broker lives in the made-up process."""

    sessions: Sessions
    virtual_time: Callable[[], float]

    def broker(self, now: Clock) -> Broker:
        """Return the account's broker, its request budget in virtual time too."""
        requests = self.storage.home / "requests"
        per_second = self.account.ib.messages_per_second
        return IbBroker(
            self.ledger.engine,
            account=self.name,
            settings=self.account.ib,
            now=now,
            role=self.role,
            budget=RequestBudget(requests, limit=per_second, seconds=1.0, monotonic=self.virtual_time),
            on_transition=SessionTrail(self.ledger, self.name, self.role.name.lower()),
            sessions=self.sessions,
        )


@dataclass(slots=True, kw_only=True)
class Trial:
    """What the stages of a run find round them.

    Attributes:
        sessions: of the process that lives now.
        intended: called after each intent.
        equities: that orders were sized by.
    """

    plan: Plan
    home: Path
    ledger: Ledger
    market: Market
    port: int
    virtual_time: Callable[[], float]
    intended: Callable[[], None] = lambda: None
    sessions: Sessions = field(default_factory=ProcessSessions)
    equities: list[Decimal] = field(default_factory=list)

    def now(self) -> datetime:
        """Return the one clock of desk and gateway."""
        return QUARTER_TO_TEN + timedelta(seconds=self.virtual_time() - self.plan.starts)

    def desk(self) -> KilledDesk:
        """Return the desk of the process that lives now."""
        settings = self.market.settings
        account = BrokerAccount(
            account=ACCOUNT,
            broker_kind=BrokerKind.INTERACTIVE_BROKERS,
            bar_source=settings,
            risk_limits=RiskLimitsBlock(limits=self.plan.limits),
            ib=IbSettings(port=self.port),
        )
        return KilledDesk(
            account=account,
            storage=DeskStorage(home=self.home),
            ledger=self.ledger,
            market=self.market,
            sessions=self.sessions,
            virtual_time=self.virtual_time,
        )


TRIAL: ContextVar[Trial] = ContextVar("trial")


def book_name(number: int) -> str:
    """Return the name of a decision's book."""
    return f"book-{number}"


def prepare_home(home: Path) -> tuple[Ledger, Market]:
    """Make a desk's folder: bars of the session before, an empty ledger and a copy of it for each run."""
    rows = [(s, pd.Timestamp(BEFORE), *(float(CLOSES[s]),) * 4, 1e6) for s in SYMBOLS]
    frame = pd.DataFrame(rows, columns=list(BAR_COLUMNS)).astype({"symbol": "str", "session": SESSION_DTYPE})
    home.mkdir(parents=True)
    frame.to_parquet(home / "provider.parquet", index=False)
    storage = DeskStorage(home=home)
    known_at = datetime.combine(BEFORE, datetime.max.time(), UTC)
    storage.store().upsert(DailyBars(frame=frame, source=SOURCE, price_basis=PriceBasis.RAW), known_at)
    engine = storage.engine()
    migrate(engine)
    engine.dispose()
    (home / "ledger.db").rename(home / "empty.db")
    market = Market.of(BarSource(name=SOURCE, provider=Provider.FILES, path=home / "provider.parquet"), storage)
    return Ledger.on(storage.engine(), storage.stop_file), market


def put_trial_in_place() -> None:
    """Have the routine of this Python process trade what the trial of its context says; once, for all runs."""
    for name in ("flows.trade_session", "tasks.limit"):
        import_module(name)
    take_prefect_out()
    logging.disable(logging.CRITICAL)
    trade, limit = import_module("flows.trade_session"), import_module("tasks.limit")
    real_limit, real_orders = trade.limit, limit.orders_from_targets

    async def open_trial(_account: str, _storage: str) -> Desk:
        return TRIAL.get().desk()

    async def limit_and_look(*arguments: Any, **named: Any) -> Any:
        verdicts = await real_limit(*arguments, **named)
        TRIAL.get().intended()
        return verdicts

    def orders_as_wished(targets: Sequence[Target], *, book: str, **terms: Any) -> tuple[NewOrderSingle, ...]:
        wishes = {wish.symbol: wish for wish in TRIAL.get().plan.books[int(book.rpartition("-")[2])]}
        return tuple(_as_wished(order, wishes[order.symbol]) for order in real_orders(targets, book=book, **terms))

    trade.open_desk, trade.verify, trade.decide, trade.limit = open_trial, _verify, _decide, limit_and_look
    limit.orders_from_targets = orders_as_wished
    for module in ("flows.trade_session", "flows.guard", "flows.leasing"):
        vars(import_module(module))["wall_clock"] = lambda: TRIAL.get().now()


def _as_wished(order: NewOrderSingle, wish: Wish) -> NewOrderSingle:
    near = (CLOSES[wish.symbol] * (1 + wish.away)).quantize(_CENT)
    stop_px = near if wish.ord_type in _STOPS else None
    price = (near * (1 + wish.away / 2)).quantize(_CENT) if wish.ord_type in _LIMITS else None
    return replace(order, ord_type=wish.ord_type, price=price, stop_px=stop_px)


async def _verify(_desk: Desk, session: date) -> QualityReport:
    return QualityReport(
        source=SOURCE,
        session=session,
        bars_hash="",
        rows=len(SYMBOLS),
        day_verdict=DayVerdict.TRADE,
        symbols=tuple((s, SymbolVerdict.PASS) for s in SYMBOLS),
        findings=(),
        checked_at=QUARTER_TO_TEN,
    )


async def _decide(
    desk: Desk,
    report: QualityReport,
    times: SessionTimes,
    _strategy: object,
    book: str,
    _sizing: SizingRules,
    clock: Clock,
) -> Decision:
    trial, books = TRIAL.get(), desk.ledger.facts.books(desk.name, times.open_at)
    equity = books.cash + sum((qty * CLOSES[s] for s, qty in books.held().items()), Decimal(0))
    trial.equities.append(equity)
    return Decision(
        decision_id=f"{desk.name}:{times.session}:{book}",
        account=desk.name,
        session=times.session,
        book=book,
        strategy="drawn",
        parameters={},
        sizing={},
        code_version="kills",
        source=SOURCE,
        bars_hash="",
        first_session=report.session,
        bars_session=report.session,
        verdict_id=report.verdict_id,
        equity=equity,
        cash=books.cash,
        mode="paper",
        decided_at=clock(),
        targets=_targets(trial.plan.books[int(book.rpartition("-")[2])], books.held()),
    )


def _targets(wishes: Sequence[Wish], held: Mapping[str, Decimal]) -> tuple[Target, ...]:
    return tuple(
        Target(
            symbol=wish.symbol,
            weight=0.0,
            reference_px=CLOSES[wish.symbol],
            held_qty=held.get(wish.symbol, Decimal(0)),
            target_qty=held.get(wish.symbol, Decimal(0)) + wish.qty,
            order_qty=Decimal(wish.qty),
            reason="drawn",
        )
        for wish in wishes
    )
