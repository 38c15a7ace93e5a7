"""One run: a desk trades over the wire, is killed and disturbed, comes back, and is held against the gateway."""

import asyncio
import gc
import hashlib
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.kills.checks import LimitWatch, Verdict, check_books, check_unknown
from benchmarks.kills.desk import BEFORE, SESSION, TRIAL, ProcessSessions, Trial, book_name, put_trial_in_place
from benchmarks.kills.lives import Kill, Killed, Life, adopt_loop, bury_lease, listen_to_commits, live
from benchmarks.kills.plans import ACCOUNT, CLOSES, Plan, draw_plan
from benchmarks.kills.virtual_loop import VirtualLoop
from blocks.desk import Ledger, Market
from ib_gateway.faults import Faults
from ib_gateway.gateway import Gateway
from ib_gateway.market import Market as GatewayMarket
from ib_gateway.market_catalogue import Catalogue, full_catalogue
from ib_gateway.scenarios import Scenario
from trading.breaks import Break
from trading.errors import BrokerUnavailable
from trading.market.timetable import MissedRun
from trading.reconciliation import Reconciliation

_STORM_PASSES = 45.0  # seconds; longer than any delay
_LAST_FILLS = 300.0  # seconds; longer than it takes to fill the largest order slice by slice


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one run.

    Attributes:
        unknown_locked: orders left UNKNOWN by processes as they ended; each was locked, and told unless by one killed.
        sent_again: orders that were marked as sending more than once: taken back, or proven absent, in between.
        kills: how many at each step.
        faults: how many of each kind.
        statuses: of the orders in the end.
        seconds: of processor time.
        digest: of every message and every row; equal when the seed is run again.
        endings: how each process ended.
    """

    seed: int
    violations: tuple[str, ...] = ()
    duplicates: int = 0
    lost: int = 0
    breaches: int = 0
    unknown_locked: int = 0
    intents: int = 0
    accepted: int = 0
    sent_again: int = 0
    kills: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    digest: str = ""
    endings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Lives:
    """The processes of a run, one after another."""

    trial: Trial
    loop: VirtualLoop
    verdict: Verdict
    life: Life | None = None
    kills: Counter[str] = field(default_factory=Counter)
    endings: list[str] = field(default_factory=list)

    async def next(self, work: Any, kill: Kill | None, *, rest: float, calm: bool) -> Any:
        """Start a process on the files of the one before; return what it returned, or None if it did not."""
        kept: list[Any] = []

        async def main() -> None:
            kept.append(await work())

        self.trial.sessions = ProcessSessions()
        self.life = Life(self.loop, kill)
        raised = await live(self.life, main())
        self.trial.ledger.engine.dispose()
        bury_lease(self.trial.ledger.engine)
        if self.life.killed_at is not None:
            self.kills[" ".join(self.life.killed_at)] += 1
        check_unknown(self.trial, self.verdict, was_killed=isinstance(raised, Killed))
        self.endings.append(f"{kill} {type(raised).__name__}: {raised}" if raised else "completed")
        if (
            raised is not None
            and not isinstance(raised, Killed)
            and (calm or not isinstance(raised, BrokerUnavailable))
        ):
            self.verdict.violations.append(f"ended with {type(raised).__name__}: {raised}")
        await asyncio.sleep(rest)
        return kept[0] if kept else None

    def message(self, name: str) -> None:
        """Count a message of the process that lives."""
        if self.life is not None:
            self.life.message(name)


@cache
def _catalogue() -> Catalogue:
    """Return the listings of what is traded; finding one among thousands takes longer than the trade."""
    listed = (each for each in full_catalogue().all() if each.contract.symbol in CLOSES)
    return Catalogue(each for each in listed if each.contract.sec_type == "STK")


@cache
def prepare_process() -> None:
    """Make this Python process one that runs trials."""
    put_trial_in_place()
    listen_to_commits()
    _catalogue()
    gc.freeze()  # what is there now stays, and need not be looked through again and again


def run_seed(seed: int, home: Path, ledger: Ledger, market: Market) -> Outcome:
    """Run one seed to its end and judge it."""
    prepare_process()
    started, plan = time.process_time(), draw_plan(seed)
    for left in home.glob("ledger.db*"):
        left.unlink()
    (home / "requests").unlink(missing_ok=True)
    shutil.copyfile(home / "empty.db", home / "ledger.db")
    random.seed(seed)  # what jitters by itself
    loop = VirtualLoop(seed)
    try:
        adopt_loop(loop)
        return loop.run_until_complete(_run(plan, loop, home, ledger, market, started))
    except Exception as exc:  # noqa: BLE001 - a run that cannot be ended is a finding, and the next one goes on
        return Outcome(seed=seed, violations=(f"the run broke off: {type(exc).__name__} {exc}",))
    finally:
        ledger.engine.dispose()
        loop.close()


async def _run(plan: Plan, loop: VirtualLoop, home: Path, ledger: Ledger, market: Market, started: float) -> Outcome:
    trial = Trial(plan=plan, home=home, ledger=ledger, market=market, port=0, virtual_time=loop.time)
    TRIAL.set(trial)
    verdict = Verdict()
    lives = _Lives(trial, loop, verdict)
    gateway = _gateway(trial, lives)
    watch = LimitWatch(trial, gateway, verdict)
    trial.intended, accept = watch.intended, gateway.exchange.accept

    def accept_and_look(order: Any) -> None:
        accept(order)
        watch.accepted()

    gateway.exchange.accept = accept_and_look  # type: ignore[method-assign]  # looks at every acceptance
    async with gateway:
        trial.port = gateway.port
        for move in plan.moves:
            loop.call_later(move.at, gateway.set_price, move.symbol, CLOSES[move.symbol] * move.times)
        await _storm(plan, lives)
        struck = await _calm_down(gateway)
        breaks = await _calm(plan, lives)
        check_books(trial, gateway, breaks, verdict)
    verdict.violations += loop.complaints
    orders = ledger.journal.orders(ACCOUNT)
    return Outcome(
        seed=plan.seed,
        violations=tuple(verdict.violations),
        duplicates=verdict.duplicates,
        lost=verdict.lost,
        breaches=verdict.breaches,
        unknown_locked=verdict.unknown_locked,
        intents=len(orders),
        accepted=sum(bool(o.order_ref) for o in gateway.accepted),
        sent_again=_sent_again(ledger),
        kills=lives.kills,
        faults=struck,
        statuses=Counter(o.ord_status.value for o in orders),
        seconds=time.process_time() - started,
        digest=_digest(gateway, ledger),
        endings=tuple(lives.endings),
    )


def _sent_again(ledger: Ledger) -> int:
    marks = (
        "SELECT count(*) FROM (SELECT 1 FROM send_mark WHERE mark = 'sending' GROUP BY cl_ord_id HAVING count(*) > 1)"
    )
    with ledger.engine.connect() as connection:
        return int(connection.execute(sa.text(marks)).scalar_one())


def _gateway(trial: Trial, lives: _Lives) -> Gateway:
    plan = trial.plan
    priced = GatewayMarket(seed=plan.seed, catalogue=_catalogue())
    for symbol, close in CLOSES.items():
        priced.set_price(symbol, close)
    gateway = Gateway(plan.settings, plan.scenario, market=priced, now=trial.now, tick=trial.virtual_time)
    log = gateway.log_message

    def log_and_count(way: str, client_id: int, name: str, fields: tuple[str, ...]) -> None:
        log(way, client_id, name, fields)
        lives.message(name)

    gateway.log_message = log_and_count  # type: ignore[method-assign]  # counts every message
    return gateway


async def _storm(plan: Plan, lives: _Lives) -> None:
    """Trade book after book while everything goes wrong; one that cannot be finished is left for the calm."""
    left = list(range(len(plan.books)))
    for kill, rest in zip(plan.kills, plan.rests, strict=True):
        if not left:
            break
        if await lives.next(lambda: _trade(left[0]), kill, rest=rest, calm=False) is not None:
            left.pop(0)


async def _calm_down(gateway: Gateway) -> Counter[str]:
    """Let pass what is under way, and nothing new go wrong; return what faults there were."""
    await asyncio.sleep(_STORM_PASSES)
    struck = gateway.faults.tally()
    gateway.faults.stop()
    gateway.faults = Faults(gateway, Scenario())
    gateway.restore_link()
    await asyncio.sleep(1)
    return struck


async def _calm(plan: Plan, lives: _Lives) -> tuple[Break, ...]:
    for book in range(len(plan.books)):
        await lives.next(lambda book=book: _trade(book), None, rest=1.0, calm=True)  # type: ignore[misc]  # bound now
    await asyncio.sleep(_LAST_FILLS)  # what is filled between the last look and the check would differ rightly
    found: Reconciliation | None = await lives.next(_reconcile, None, rest=0.0, calm=True)
    return found.breaks if found else ()


async def _trade(book: int) -> Any:
    trade_session = import_module("flows.trade_session").trade_session
    return await trade_session.fn(SESSION, book=book_name(book), missed_run=MissedRun.CATCH_UP)


async def _reconcile() -> Any:
    trial = TRIAL.get()
    return await import_module("flows.trade_session").reconcile_books(trial.desk(), BEFORE, trial.now)


def _digest(gateway: Gateway, ledger: Ledger) -> str:
    made = hashlib.sha256()
    for message in gateway.wire_log:
        made.update(repr((message.way, message.client_id, message.name, message.fields)).encode())
    with ledger.engine.connect() as connection:
        for row in _rows(connection):
            made.update(repr(row).encode())
    return made.hexdigest()[:16]


def _rows(connection: sa.Connection) -> Iterator[Any]:
    for table in ("new_order", "send_mark", "execution_report", "ib_report", "risk_decision", "alert"):
        yield from (tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY rowid")))  # noqa: S608
