"""Builders of what breakers look at: each shows only what a test is about."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.builders import ACCOUNT, CLOSE, SESSION
from trading.risk.breaker_changes import BreakerChange
from trading.risk.breaker_rulings import rule_breakers
from trading.risk.breakers import BreakerRules
from trading.risk.equity_curve import Valuation
from trading.risk.observations import RiskObservation, Sending

NEXT = datetime(2024, 3, 19, 13, 0, tzinfo=CLOSE.tzinfo)  # half an hour before the open of the second session after
BEFORE = date(2024, 3, 14)


def seen(equity: int | str | None = None, before: int | str | None = None, **fields: Any) -> RiskObservation:
    """Return an account that is worth so much now, and was worth so much at the close before."""
    worth = [] if before is None else [a_valuation(before, BEFORE)]
    given = {
        "account": ACCOUNT,
        "session": SESSION,
        "equity": None if equity is None else Decimal(equity),
        "valuations": worth,
    }
    return RiskObservation(**(given | fields))


def a_valuation(equity: int | str, session: date) -> Valuation:
    at = datetime(session.year, session.month, session.day, 20, 15, tzinfo=CLOSE.tzinfo)
    return Valuation(session=session, at=at, equity=Decimal(equity))


def sendings(accepted: int, rejected: int, at: datetime = CLOSE) -> tuple[Sending, ...]:
    """Return so many orders that were sent a second apart, the rejected ones last, the very last one at that time."""
    count = accepted + rejected
    return tuple(Sending(at=at - timedelta(seconds=count - 1 - n), rejected=n >= accepted) for n in range(count))


def ruled(
    observation: RiskObservation,
    *last: BreakerChange,
    rules: BreakerRules | None = None,
    now: datetime = CLOSE,
) -> tuple[BreakerChange, ...]:
    """Return what changes."""
    return rule_breakers(rules or BreakerRules(), observation, last, now, NEXT)
