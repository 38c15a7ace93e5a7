"""What a watch tells of itself: for a screen, and for whoever looks whether it lives."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from trading.monitoring.conditions import MarketCondition
from trading.monitoring.metrics import Metric, Metrics
from trading.monitoring.oddities import Oddity, OddityCounts
from trading.monitoring.rule_book import Standing
from trading.monitoring.watch_rules import WatchRule
from trading.monitoring.watched_market import Second

MOST_SYMBOLS = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = (
    Metric.LAST,
    Metric.BID,
    Metric.ASK,
    Metric.SPREAD_PCT,
    Metric.CHANGE_PCT,
    Metric.VOLATILITY_5M_PCT,
    Metric.LIQUIDITY,
    Metric.VOLUME,
    Metric.VOLUME_RATIO,
    Metric.QUOTE_AGE_SECONDS,
    Metric.DEPTH_BID,
    Metric.DEPTH_ASK,
    Metric.BOOK_IMBALANCE,
    Metric.IMPACT_PCT,
)


def symbol_rows(
    second: Second, symbols: Sequence[str], held: Mapping[str, float], profits: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return a row for each symbol, those held first, then by how far they have moved; at most 50.

    Args:
        held: units by symbol; profits: of the day by symbol.
    """
    moved = np.nan_to_num(np.abs(second.metrics.of(Metric.CHANGE_PCT)), nan=-1.0)
    order = sorted(range(len(symbols)), key=lambda n: (symbols[n] not in held, -moved[n], symbols[n]))
    return [
        {"symbol": symbols[n], "qty": held.get(symbols[n], 0.0), "pnl": profits.get(symbols[n])}
        | {metric.value: float(second.metrics.of(metric)[n]) for metric in _SHOWN}
        | {"conditions": condition_names(MarketCondition(int(second.conditions[n])))}
        for n in order[:MOST_SYMBOLS]
    ]


def condition_names(conditions: MarketCondition) -> list[str]:
    """Return the conditions by name, as they are declared."""
    return [str(c.name).lower() for c in MarketCondition if c in conditions]


def broken_rows(rules: Sequence[WatchRule], standing: Mapping[tuple[str, str], Standing]) -> list[dict[str, Any]]:
    """Return a row for each rule that is broken, the gravest first, then the oldest."""
    by_id = {rule.rule_id: rule for rule in rules}
    broken = [(by_id[i], subject, s) for (i, subject), s in standing.items() if s.broken_at and i in by_id]
    return [
        {
            "rule_id": rule.rule_id,
            "subject": subject,
            "severity": rule.severity.value,
            "text": f"{rule.metric} {rule.comparison} {rule.threshold:g}"
            + (f", asks for {rule.action}" if rule.action else ""),
            "since": time_of(stood.broken_at).isoformat(),
        }
        for rule, subject, stood in sorted(broken, key=lambda b: (-b[0].severity.gravity, b[2].broken_at, b[1]))
    ]


def oddity_counts(oddities: OddityCounts) -> dict[str, int]:
    """Return how many odd ticks of each kind there were, where there were any."""
    counts = {oddity.value: int(oddities.of(oddity).sum()) for oddity in Oddity}
    return {name: count for name, count in counts.items() if count}


def time_of(at_us: int) -> datetime:
    """Return the time, UTC, of microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=at_us)


def microseconds_of(at: datetime) -> int:
    """Return the microseconds since the epoch of an aware time."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def marks_of(metrics: Metrics, symbols: Sequence[str]) -> dict[str, float]:
    """Return what each symbol is worth: its mid, or its last price; nothing of one that has neither."""
    worth = np.where(np.isnan(metrics.of(Metric.MID)), metrics.of(Metric.LAST), metrics.of(Metric.MID))
    return {symbol: float(px) for symbol, px in zip(symbols, worth, strict=True) if px > 0}
