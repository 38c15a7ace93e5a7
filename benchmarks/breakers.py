"""What a start has to read of circuit breakers, after thousands of trips and resets."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import sqlalchemy as sa

from adapters.sql.breaker_tables import BreakerChangeRow, TrippedBreakerRow
from adapters.sql.breakers import SqlBreakers
from adapters.sql.engine import make_engine, writing
from adapters.sql.rows import flat, table_of
from adapters.sql.schema import migrate
from benchmarks.measurement import Measurement, Run, at_most, seconds
from trading.risk.breaker_changes import BreakerChange, BreakerEvent
from trading.risk.breaker_rulings import rule_breakers
from trading.risk.breakers import BreakerRules
from trading.risk.observations import RiskObservation

_AT, _ACCOUNT, _SYMBOLS = datetime(2024, 3, 15, 13, 0, tzinfo=UTC), "bench", 100


def breaker_state(run: Run) -> Iterator[Measurement]:
    """Read what is forbidden, as every order does, and every breaker's last change, as every look does."""
    rows = 200 if run.quick else 10_000
    few, many = _breakers(run, "few", 2 * _SYMBOLS), _breakers(run, "many", rows)
    forbidden = "what is forbidden now, as every intent asks"
    yield _measured(run, "restrictions", forbidden, _restrictions, (few, many), rows, 2)
    yield _measured(run, "look", "every breaker's last change, ruled anew", _look, (few, many), rows, 50)


def _measured(
    run: Run,
    name: str,
    what: str,
    look: Callable[[SqlBreakers], object],
    breakers: tuple[SqlBreakers, SqlBreakers],
    rows: int,
    limit_ms: float,
) -> Measurement:
    baseline, took = (
        1000 * statistics.median(seconds(partial(look, of)) for _ in range(run.repeats(201))) for of in breakers
    )
    return Measurement(
        name=f"breaker_state.{name}",
        value=took,
        unit="ms",
        baseline=baseline,
        aim=at_most(took, limit_ms),
        note=f"{what}; {rows:,} rows on {_SYMBOLS} symbols, 3 of them tripped; baseline: {2 * _SYMBOLS} rows",
    )


def _restrictions(breakers: SqlBreakers) -> object:
    return breakers.restrictions(_ACCOUNT, _AT)


def _look(breakers: SqlBreakers) -> object:
    return breakers.rule(BreakerRules(), RiskObservation(account=_ACCOUNT, session=_AT.date()), _AT, _AT)


def _breakers(run: Run, name: str, rows: int) -> SqlBreakers:
    """Return the breakers of a ledger in which each symbol tripped and was reset in turn; three are tripped still."""
    engine = make_engine(f"sqlite:///{run.folder / name}.db")
    migrate(engine)
    changes = [_change(f"S{n // 2 % _SYMBOLS}", n, tripped=n % 2 == 0 or n >= rows - 6) for n in range(rows)]
    last = {change.subject: number for number, change in enumerate(changes, start=1)}
    key = ("account", "kind", "scope", "subject")
    held = [
        {name: flat(changes[number - 1])[name] for name in key} | {"change_id": number}
        for number in last.values()
        if changes[number - 1].event is BreakerEvent.TRIPPED
    ]
    with writing(engine) as connection:
        connection.execute(sa.insert(table_of(BreakerChangeRow)), [flat(change) for change in changes])
        connection.execute(sa.insert(table_of(TrippedBreakerRow)), held)
    return SqlBreakers(engine)


def _change(symbol: str, number: int, *, tripped: bool) -> BreakerChange:
    seen = RiskObservation(account=_ACCOUNT, session=_AT.date(), equity=Decimal(100), values={symbol: Decimal(40)})
    (change,) = rule_breakers(BreakerRules(), seen, (), _AT - timedelta(days=400) + timedelta(minutes=number), _AT)
    return change if tripped else replace(change, event=BreakerEvent.RESET, reason="24.00 is below 25")
