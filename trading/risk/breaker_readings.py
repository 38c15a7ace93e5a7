"""Breaker readings: the number that each breaker goes by, from what was observed of an account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from trading.risk.breaker_changes import BreakerChange
from trading.risk.breakers import BreakerKind, BreakerRule, LossRule, SampleRule
from trading.risk.equity_curve import Valuation, drawdown, restated
from trading.risk.observations import FillCost, RiskObservation, Sending

_ZERO, _HUNDRED, _BASIS_POINTS = Decimal(0), Decimal(100), Decimal(10_000)
A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number, or why there is none though there should be: then the breaker trips, to be on the safe side.

    Attributes:
        amount: the same in account currency, of a loss.
    """

    value: Decimal | None
    amount: Decimal | None = None
    problem: str = ""


def read_breaker(
    kind: BreakerKind, rule: BreakerRule, seen: RiskObservation, last: Mapping[str, BreakerChange], now: datetime
) -> dict[str, Reading]:
    """Return what the breaker goes by, for each subject: a symbol, or the account; nothing where nothing was seen.

    Args:
        last: the last change of this breaker by subject; orders and fills from before it tripped count no more.
    """
    if kind is BreakerKind.CONCENTRATION:
        return _concentration(seen, last)
    change = last.get(seen.account)
    since = change.tripped_at if change is not None else None
    reading = _of_account(kind, seen, _worth_at_trip(seen, change, now))
    if reading is None and isinstance(rule, SampleRule):
        reading = _of_sample(kind, seen, since, rule.sample)
    if kind is BreakerKind.ORDER_RATE and seen.sendings is not None:
        reading = _order_rate(seen.sendings, since, now)
    return {} if reading is None else {seen.account: reading}


def _of_account(kind: BreakerKind, seen: RiskObservation, tripped: Valuation | None) -> Reading | None:
    match kind:
        case BreakerKind.DAILY_LOSS:
            return _daily_loss(seen, tripped)
        case BreakerKind.DRAWDOWN:
            return _drawdown(seen, tripped)
        case BreakerKind.RECONCILIATION_BREAK if seen.worst_break is not None:
            return _share("worst break", seen.worst_break, seen)
        case BreakerKind.STALE_DATA if seen.sessions_behind is not None:
            return Reading(value=Decimal(seen.sessions_behind))
        case BreakerKind.BROKER_DISCONNECTED if seen.reachable is not None:
            return Reading(value=Decimal(not seen.reachable))
        case BreakerKind.PROVIDER_DISAGREEMENT if seen.disagreeing is not None:
            return Reading(value=seen.disagreeing * _HUNDRED)
        case _:
            return None


def _of_sample(kind: BreakerKind, seen: RiskObservation, since: datetime | None, sample: int) -> Reading | None:
    match kind:
        case BreakerKind.REJECTION_RATE if seen.sendings is not None:
            return _rejections(seen.sendings, since, sample)
        case BreakerKind.SLIPPAGE:
            return _slippage(seen.fills, since, sample)
        case BreakerKind.VOLATILITY:
            return _volatility(seen.market_returns, sample)
        case _:
            return None


def is_over(rule: BreakerRule, reading: Reading) -> bool:
    """Tell whether the reading trips a breaker."""
    if reading.problem or reading.value is None or reading.value >= rule.threshold:
        return True
    amount = rule.amount if isinstance(rule, LossRule) else None
    return amount is not None and reading.amount is not None and reading.amount >= amount


# -- money


def _daily_loss(seen: RiskObservation, tripped: Valuation | None) -> Reading | None:
    """Return the loss since the close before, or since a trip after it that has ended."""
    before = [v for v in seen.valuations if v.session < seen.session]
    base = max([*before[-1:], *([tripped] if tripped else [])], key=lambda v: v.at, default=None)
    if seen.equity is None or base is None:
        return None
    worth = restated(base, seen.flows)
    if problem := _equity_problem(seen) or _nothing_before(worth):
        return Reading(value=None, problem=problem)
    loss = worth - seen.equity
    return Reading(value=max(loss, _ZERO) / worth * _HUNDRED, amount=loss)


def _drawdown(seen: RiskObservation, tripped: Valuation | None) -> Reading | None:
    """Return the loss since the peak; after a trip that has ended, since the peak from then on."""
    past = [*([tripped] if tripped else []), *(v for v in seen.valuations if tripped is None or v.at > tripped.at)]
    if seen.equity is None or not past:
        return None
    strange = next((_nothing_before(v.equity) for v in past if not v.equity.is_finite()), "")
    if problem := _equity_problem(seen) or strange:
        return Reading(value=None, problem=problem)
    found = drawdown(past, seen.equity, seen.flows)
    if found is None:
        worth = restated(past[-1], seen.flows)  # of an account that has just been opened all that is there was paid in
        return Reading(value=None, problem=_nothing_before(worth)) if worth <= 0 else Reading(value=_ZERO)
    return Reading(value=found.fall * _HUNDRED, amount=restated(found.peak, seen.flows) - seen.equity)


def _worth_at_trip(seen: RiskObservation, last: BreakerChange | None, now: datetime) -> Valuation | None:
    """Return what the account was worth when a breaker tripped that a person or its time has ended."""
    if last is None or last.equity is None or not last.is_ended(now):
        return None
    return Valuation(session=seen.session, at=last.tripped_at, equity=last.equity)


def _nothing_before(worth: Decimal) -> str:
    if worth.is_finite() and worth > 0:
        return ""
    return f"equity was {worth} before, so a loss is a share of nothing"


def _equity_problem(seen: RiskObservation) -> str:
    unpriced = sorted(symbol for symbol, value in seen.values.items() if value is None or not value.is_finite())
    if unpriced:
        return f"{', '.join(unpriced)} is held and has no price, so equity is not known"
    return "" if seen.equity is not None and seen.equity.is_finite() else f"equity is {seen.equity}"


def _share(what: str, amount: Decimal, seen: RiskObservation) -> Reading:
    """Return an amount in per cent of equity."""
    if amount == 0:
        return Reading(value=_ZERO)
    if not amount.is_finite():
        return Reading(value=None, problem=f"the {what} has no price, so its size is not known")
    if seen.equity is None or not seen.equity.is_finite() or seen.equity <= 0:
        return Reading(value=None, problem=f"equity is {seen.equity}, so no {what} is a share of it")
    return Reading(value=abs(amount) / seen.equity * _HUNDRED)


def _concentration(seen: RiskObservation, last: Mapping[str, BreakerChange]) -> dict[str, Reading]:
    if seen.equity is None:
        return {}
    sold = {symbol: _ZERO for symbol in last if symbol not in seen.values}
    nan = Decimal("NaN")
    return {
        symbol: _share(f"position in {symbol}", nan if value is None else value, seen)
        for symbol, value in (sold | dict(seen.values)).items()
    }


# -- orders, fills and the market


def _rejections(sendings: Sequence[Sending], since: datetime | None, sample: int) -> Reading:
    """Return the share of the last `sample` orders that were rejected; orders that are still to come count as taken.

    So one rejection of one order is no 100 %: 4 of 20 trip at 20 %, and so do the first 4.
    """
    lately = [s for s in sendings if since is None or s.at > since][-sample:]
    return Reading(value=Decimal(sum(s.rejected for s in lately)) / sample * _HUNDRED)


def _order_rate(sendings: Sequence[Sending], since: datetime | None, now: datetime) -> Reading:
    lately = [s for s in sendings if s.at > now - A_MINUTE and (since is None or s.at > since)]
    return Reading(value=Decimal(len(lately)))


def _slippage(fills: Sequence[FillCost], since: datetime | None, sample: int) -> Reading | None:
    lately = [f for f in fills if since is None or f.at > since][-sample:]
    value = sum((f.value for f in lately), _ZERO)
    if not lately or value <= 0:
        return None
    return Reading(value=sum((f.cost for f in lately), _ZERO) / value * _BASIS_POINTS)


def _volatility(returns: Sequence[float], sample: int) -> Reading | None:
    """Return the standard deviation of the last returns in per cent a year of 252 sessions."""
    if len(returns) < sample:
        return None
    wanted = [Decimal(repr(r)) for r in returns[-sample:]]
    if not all(r.is_finite() for r in wanted):
        return Reading(value=None, problem="a return of the market is no number")
    mean = sum(wanted, _ZERO) / sample
    variance = sum(((r - mean) ** 2 for r in wanted), _ZERO) / (sample - 1)
    return Reading(value=(variance * 252).sqrt() * _HUNDRED)
