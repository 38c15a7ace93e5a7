"""Model what is known of an account's market: what its symbols have done, and so what its positions may lose."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from blocks.desk import Desk
from tasks.price import options_among, priced_options
from tasks.value import EVER
from trading.market.adjustments import adjusted_closes
from trading.market.instruments import Instrument, SecurityType
from trading.risk.equity_curve import cash_flows, drawdown
from trading.risk.exposure import AccountExposure
from trading.risk.measure_limits import MeasureLimits
from trading.risk.portfolio_risk import PortfolioRisk
from trading.risk.return_history import ReturnHistory
from trading.risk.risk_model import RiskModel, SymbolFacts, exposure_value
from trading.risk.risk_state import RiskState
from trading.risk.stress import built_in_scenarios
from trading.risk.tally import exposure_of

LEAST_SESSIONS = 100  # of history, for a page; a limit needs all that it asks for
VOLUME_SESSIONS = 20  # that the usual value traded in a day is the mean of


def risk_model(desk: Desk, symbols: Collection[str], known: date) -> RiskModel:
    """Return what the stored bars up to a session say of these symbols, with all the history that the limits want."""
    limits = desk.account.risk_limits.measures
    closes, facts = _past(desk, symbols, known)
    return _model(desk, ReturnHistory.of_closes(closes, limits.history_sessions), limits.benchmark, facts)


def page_model(desk: Desk, symbols: Collection[str], known: date) -> tuple[RiskModel, str, MeasureLimits]:
    """Return a model to look at, its benchmark, and the limits by which it may be asked.

    Where a limit is set it is the one that the gate uses. Else it makes do with the history there is, and the mean of
    the symbols stands in for a benchmark without bars.
    """
    limits = desk.account.risk_limits.measures
    if limits.any_set:
        return risk_model(desk, symbols, known), limits.benchmark, limits
    closes, facts = _past(desk, symbols, known)
    least = max(LEAST_SESSIONS, round(1 / (1 - limits.level)))
    limits = replace(limits, history_sessions=max(min(limits.history_sessions, len(closes) - 1), least))
    history, benchmark = ReturnHistory.of_closes(closes, limits.history_sessions), limits.benchmark
    if history.column(benchmark) is None and history.symbols:
        benchmark = f"the mean of {len(history.symbols)} symbols"
        history = replace(
            history,
            symbols=(*history.symbols, benchmark),
            returns=np.column_stack([history.returns, history.returns.mean(axis=1)]),
        )
    return _model(desk, history, benchmark, facts), benchmark, limits


def portfolio_risk(state: RiskState, model: RiskModel, limits: MeasureLimits, drawdown: float) -> PortfolioRisk:
    """Return the measures of an account; what has no price is left out: the gate adds nothing while there is such."""
    exposure = exposure_of(state)
    return PortfolioRisk(
        held=held_values(state, exposure),
        working=[(s, float(side.sign * on.working * on.mark_value)) for (s, side), on in exposure.sides()],
        model=model,
        limits=limits,
        equity=float(state.equity),
        drawdown=drawdown,
        currency=state.currency,
    )


def held_values(state: RiskState, exposure: AccountExposure) -> dict[str, float]:
    """Return the signed value of each position that has a price."""
    return {
        symbol: exposure_value(symbol, qty, px, exposure.multiplier(symbol))
        for symbol, qty in state.held.items()
        if (px := exposure.mark(symbol)) is not None
    }


def equity_drawdown(desk: Desk, worth: Decimal, now: datetime) -> float:
    """Return how far equity lies below its peak, as a fraction, deposits and withdrawals left out."""
    past = [v for v in desk.ledger.breakers.valuations(desk.name) if v.at < now]
    found = drawdown(past, worth, cash_flows(desk.ledger.facts.cash_movements(desk.name)))
    return float(found.fall) if found else 0.0


def _model(desk: Desk, history: ReturnHistory, benchmark: str, facts: Mapping[str, SymbolFacts]) -> RiskModel:
    scenarios = (*built_in_scenarios(), *desk.account.risk_limits.scenarios)
    return RiskModel.of(history, benchmark=benchmark, facts=facts, scenarios=scenarios)


def _past(desk: Desk, symbols: Collection[str], known: date) -> tuple[pd.DataFrame, dict[str, SymbolFacts]]:
    """Return adjusted closes of the symbols, of what options are on and of the benchmark, wide, and what else is known.

    An option has no history of its own: it is priced anew by that of its underlying.
    """
    limits, source, store = desk.account.risk_limits.measures, desk.market.settings.name, desk.market.store
    calendar, instruments = desk.market.calendar, desk.market.instruments()
    options = options_among(desk, symbols)
    underlyings = {option.underlying for option in options.values()}
    wanted = sorted({*symbols, *underlyings, limits.benchmark} - options.keys())
    frame = store.read(source, wanted, calendar.sessions_before(known, limits.history_sessions), known).frame
    closes = adjusted_closes(frame, store.actions(source, EVER, known), as_of=known)
    lately = frame[frame["session"] >= pd.Timestamp(calendar.sessions_before(known, VOLUME_SESSIONS - 1))]
    traded = (lately["close"] * lately["volume"]).groupby(lately["symbol"]).mean()
    facts = {symbol: _facts(instruments.get(symbol), traded.get(symbol)) for symbol in wanted}
    return closes, facts | {
        symbol: SymbolFacts(security_type=SecurityType.OPTION, option=priced.position, not_priced=priced.why_not)
        for symbol, priced in priced_options(desk, options, known).items()
    }


def _facts(instrument: Instrument | None, traded: float | None) -> SymbolFacts:
    """Return what is known of a symbol of which, at prices of one unit, so much was traded in a usual day."""
    daily = 0.0 if traded is None else float(traded)
    if instrument is None:
        return SymbolFacts(daily_value=daily if daily > 0 else None)
    worth = daily * float(instrument.multiplier)
    return SymbolFacts(security_type=instrument.security_type, daily_value=worth if worth > 0 else None)
