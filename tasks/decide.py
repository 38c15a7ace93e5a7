"""Decide: from the bars as they were known to sized targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from typing import Annotated, Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import Field
from pydantic.dataclasses import dataclass as settings

from adapters.sql.rows import json_value
from blocks.desk import Clock, Desk
from tasks.collect import record_actions
from tasks.publish import publish_table
from tasks.value import EVER, last_prices, marks, prices_at_open, sold_elsewhere
from trading.errors import BarsNotPassed
from trading.ledger import Decision, Target
from trading.market.adjustments import adjusted_closes
from trading.market.bars import DailyBars
from trading.market.corporate_actions import no_longer_traded, with_new_names, with_old_names
from trading.market.quality import QualityReport
from trading.market.timetable import SessionTimes
from trading.positions.books import equity
from trading.positions.sizing import SizingRules, size_targets
from trading.strategies.catalogue import make_strategy, run_strategy, source_hash
from trading.strategies.strategy import PointInTimeBars, Strategy


@settings(frozen=True, slots=True, kw_only=True)
class StrategyChoice:
    """Which strategy, with which parameters."""

    name: Annotated[
        str,
        Field(
            description="EqualWeight, MovingAverageCrossover, MomentumRotation, or your own as package.module:Class."
        ),
    ] = "EqualWeight"
    parameters: Annotated[
        dict[str, Any], Field(description='The strategy\'s parameters, such as {"top": 5}. Empty: its defaults.')
    ] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What the account is worth before the session, in quantities and prices of its open: after its splits.

    Attributes:
        prices: last close on the tick grid, of what may be ordered and of what is held.
    """

    cash: Decimal
    equity: Decimal
    held: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]


@task(name="decide_targets", timeout_seconds=900, cache_policy=NO_CACHE)
async def decide(
    desk: Desk,
    report: QualityReport,
    times: SessionTimes,
    choice: StrategyChoice,
    book: str,
    sizing: SizingRules,
    clock: Clock,
) -> Decision:
    """Run the strategy over the bars known before the session and size what it wants.

    No decision is written yet: the same bars, positions and parameters give the same one again.

    Raises:
        StrategyFailed: it raised, or its weights cannot be traded.
        BarsNotPassed: the store lacks sessions that the strategy looks back on.
    """
    record_actions(desk, times.open_at)
    strategy = make_strategy(choice.name, choice.parameters)
    bars = _bars(desk, strategy, desk.market.symbols(times.session), report.session)
    worth = _worth(desk, bars, times)
    weights = run_strategy(
        strategy,
        point_in_time(desk, bars, times.session, report),
        max_gross=float(desk.account.risk_limits.limits.max_gross_leverage),
    )
    targets = size_targets(
        weights=weights,
        prices=worth.prices,
        held=desk.ledger.facts.held(desk.name, times.open_at, book),
        instruments=desk.market.instruments(),
        equity=worth.equity,
        currency=desk.account.currency,
        rules=sizing,
        frozen=_frozen(desk, report, worth, book, times),
    )
    decision = Decision(
        decision_id=f"{desk.name}:{times.session}:{book}",
        account=desk.name,
        session=times.session,
        book=book,
        strategy=choice.name,
        parameters=choice.parameters,
        sizing=json_value(sizing),
        code_version=f"openbell {version('openbell')}, strategy sha256 {source_hash(strategy)[:20]}",
        source=bars.source,
        bars_hash=bars.content_hash(),
        first_session=bars.frame["session"].min().date(),
        bars_session=report.session,
        verdict_id=report.verdict_id,
        equity=worth.equity,
        cash=worth.cash,
        mode=desk.account.mode.value,
        decided_at=clock(),
        targets=targets,
    )
    await publish_table("targets", [_row(t) for t in targets], f"Targets of {choice.name} for {times.session}")
    return decision


def point_in_time(desk: Desk, bars: DailyBars, session: date, report: QualityReport) -> PointInTimeBars:
    """Return the closes of the symbols that passed, adjusted for every action known before the session."""
    actions = desk.market.store.actions(desk.market.settings.name, bars.frame["session"].min().date(), session)
    quarantined = report.quarantined()
    closes = adjusted_closes(bars.frame, actions, as_of=session)
    closes = closes.drop(columns=[s for s in quarantined if s in closes.columns])
    return PointInTimeBars(closes=closes, session=session, last_session=report.session)


def _bars(desk: Desk, strategy: Strategy, symbols: list[str], bars_session: date) -> DailyBars:
    """Return the sessions that the strategy looks back on; all of them, or nothing may be decided by them.

    A strategy that sees too little says nothing of a symbol, and nothing means to sell it.
    """
    calendar, source = desk.market.calendar, desk.market.settings.name
    first = calendar.sessions_before(bars_session, strategy.lookback_sessions - 1)
    # What a company was called before: without those bars it would look as if it had none.
    actions = desk.market.store.actions(source, first, bars_session)
    before = with_old_names(symbols, actions) - set(symbols)
    bars = desk.market.store.read(source, [*symbols, *sorted(before)], first, bars_session)
    missing = calendar.session_index(first, bars_session).difference(bars.frame["session"].unique())
    if len(missing):
        why = f"the strategy looks back to {first}, and {len(missing)} sessions since are not stored, the first "
        why += f"{missing[0]:%Y-%m-%d}; run ingest_bars with history_sessions={strategy.lookback_sessions}"
        raise BarsNotPassed(bars_session, source, why)
    return bars


def _worth(desk: Desk, bars: DailyBars, times: SessionTimes) -> Worth:
    facts, session = desk.ledger.facts, times.session
    before = desk.market.calendar.previous_session(session)
    books = facts.books(desk.name, times.open_at)
    held = books.held()
    paid = marks(desk, before, held, facts.executions(desk.name))
    at_open = paid | last_prices(desk, before, held, shares_of=session)
    fresh = [str(symbol) for symbol in bars.on(before)["close"].dropna().index]
    prices = prices_at_open(desk, session, {*held, *fresh})
    return Worth(cash=books.cash, equity=equity(books, at_open), held=held, prices=prices)


def _frozen(desk: Desk, report: QualityReport, worth: Worth, book: str, times: SessionTimes) -> dict[str, str]:
    passed = {symbol for symbol, _ in report.symbols}
    unchecked = {s: "its bars were not checked" for s in worth.held if s not in passed}
    quarantined = {symbol: f"quarantined: {why}" for symbol, why in report.quarantined().items()}
    of_books = desk.ledger.facts.held(desk.name, times.open_at)
    gone = sold_elsewhere(worth.held, of_books)
    broken = desk.ledger.clearances.locked(desk.name)
    actions = desk.market.store.actions(desk.market.settings.name, EVER, times.session)
    ended = no_longer_traded(actions)
    held_back = {
        symbol: f"quarantined: {hold.finding().text}"
        for hold in desk.ledger.repairs.holds(desk.market.settings.name)
        for symbol in with_new_names([hold.symbol], actions)
    }
    return unchecked | quarantined | held_back | gone | broken | ended | desk.ledger.journal.locked(desk.name, book)


def _row(target: Target) -> dict[str, Any]:
    return {
        "symbol": target.symbol,
        "weight": f"{target.weight:.4f}",
        "reference price": str(target.reference_px or ""),
        "held": str(target.held_qty),
        "target": str(target.target_qty),
        "order": str(target.order_qty),
        "reason": target.reason,
    }
