"""Describe: what the gate must know of symbols and of the market besides prices, from what is in store."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from blocks.desk import Desk
from tasks.price import options_among
from trading.market.corporate_actions import with_old_names
from trading.market.instruments import Instrument
from trading.risk.limits import RiskLimits
from trading.risk.measured_facts import annual_volatility_pct, measured_facts
from trading.risk.trading_facts import TradingFacts


class Described(NamedTuple):
    """Facts by symbol, and the annualised volatility of the benchmark where a limit asks for it."""

    facts: Mapping[str, TradingFacts]
    market_volatility_pct: Decimal | None


def describe(desk: Desk, session: date, symbols: Collection[str]) -> Described:
    """Return the facts of the symbols on the morning of the session; bars are read only where a limit needs them."""
    limits = desk.account.risk_limits.limits
    offered = {s: i for s, i in desk.market.instruments().items() if s in symbols}
    instruments = {**offered, **options_among(desk, symbols)}
    if not limits.need_history:
        return Described({s: TradingFacts(instrument=i) for s, i in instruments.items()}, None)
    return _measured(desk, session, symbols, limits, instruments)


def _measured(
    desk: Desk, session: date, symbols: Collection[str], limits: RiskLimits, instruments: Mapping[str, Instrument]
) -> Described:
    market, last = desk.market, desk.market.calendar.previous_session(session)
    first = market.calendar.sessions_before(last, limits.history_sessions)
    actions = market.store.actions(market.settings.name, first, session)
    wanted = with_old_names(sorted({*symbols, limits.market_benchmark}), actions)
    bars = market.store.read(market.settings.name, sorted(wanted), first, last).frame
    correlation = limits.cluster_correlation
    facts = measured_facts(bars, actions, session, instruments=instruments, correlation=correlation)
    moves = annual_volatility_pct(bars, actions, session, limits.market_benchmark)
    return Described(facts, moves if limits.max_market_volatility_pct is not None else None)
