"""Rules of the watch: what number must not be where, of whom, for how long, and what is done about it."""

from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from trading.alerts import Severity
from trading.monitoring.metrics import Metric
from trading.risk.restrictions import RestrictionKind
from trading.validation import STRICT, Contradiction


class OwnMetric(StrEnum):
    """One number of our own side."""

    ORDER_UNACKNOWLEDGED_SECONDS = "order_unacknowledged_seconds"
    FILL_SLIPPAGE_PCT = "fill_slippage_pct"
    ORDER_DISTANCE_PCT = "order_distance_pct"
    POSITION_WITHOUT_STOP = "position_without_stop"
    DAY_LOSS_PCT = "day_loss_pct"
    DRAWDOWN_PCT = "drawdown_pct"
    GROSS_EXPOSURE_PCT = "gross_exposure_pct"
    FEED_SILENCE = "feed_silence"


class Subjects(StrEnum):
    """Of what a number is."""

    SYMBOLS = "symbols"
    ORDERS = "orders"
    POSITIONS = "positions"
    ACCOUNT = "account"
    FEED = "feed"


class Comparison(StrEnum):
    """Where the number must not be."""

    ABOVE = "above"
    BELOW = "below"
    BEYOND = "beyond"  # further from 0 than the threshold, up or down


class Cadence(IntEnum):
    """Every how many seconds a rule is looked at, by the clock: those of 30 at the half and the full minute."""

    SECOND = 1
    FIVE_SECONDS = 5
    HALF_MINUTE = 30
    FIVE_MINUTES = 300


RuleMetric = Metric | OwnMetric
_ORDERS = (OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS, OwnMetric.FILL_SLIPPAGE_PCT, OwnMetric.ORDER_DISTANCE_PCT)
_SUBJECTS: dict[RuleMetric, Subjects] = {
    **dict.fromkeys(Metric, Subjects.SYMBOLS),
    **dict.fromkeys(_ORDERS, Subjects.ORDERS),
    OwnMetric.POSITION_WITHOUT_STOP: Subjects.POSITIONS,
    OwnMetric.FEED_SILENCE: Subjects.FEED,
}


def subjects_of(metric: RuleMetric) -> Subjects:
    """Return of what the metric is."""
    return _SUBJECTS.get(metric, Subjects.ACCOUNT)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class WatchRule:
    """One rule: it is broken once its number has been beyond the threshold for so long, and kept once it is back."""

    rule_id: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$", description="Its name: small letters, digits, _ . -")
    ]
    metric: Annotated[RuleMetric, Field(description="The number that is looked at.")]
    comparison: Annotated[
        Comparison, Field(description="It must not be above, or below; beyond: nor far from 0 up or down.")
    ]
    threshold: Annotated[float, Field(allow_inf_nan=False, description="In the unit of the metric: 2 means 2 %.")]
    clear_at: Annotated[
        float | None,
        Field(allow_inf_nan=False, description="Kept again only here or better; empty: at the threshold."),
    ] = None
    hold_seconds: Annotated[
        int, Field(ge=0, le=86_400, description="For how long it must be beyond the threshold without a break.")
    ] = 0
    cadence: Annotated[Cadence, Field(description="Every how many seconds it is looked at: 1, 5, 30 or 300.")] = (
        Cadence.SECOND
    )
    severity: Annotated[Severity, Field(description="How soon a person should look.")] = Severity.WARNING
    symbols: Annotated[
        frozenset[str] | None, Field(min_length=1, description="Only of these symbols; empty: of all.")
    ] = None
    action: Annotated[
        RestrictionKind | None,
        Field(
            description="What is forbidden in the symbol, or in the account, until it is kept again; empty: nothing."
        ),
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        below, clear_at = self.comparison is Comparison.BELOW, self.clear_at
        if self.comparison is Comparison.BEYOND and min(self.threshold, self.clears_at) < 0:
            raise Contradiction("threshold", self.threshold, "0 or more with beyond, and clear_at likewise")
        if clear_at is not None and (clear_at < self.threshold if below else clear_at > self.threshold):
            side = "at least" if below else "at most"
            raise Contradiction("clear_at", clear_at, f"{side} the threshold of {self.threshold:g}, or left out")
        subjects = subjects_of(self.metric)
        if self.symbols is not None and subjects in (Subjects.ACCOUNT, Subjects.FEED):
            raise Contradiction(
                "symbols", sorted(self.symbols), f"left out: {self.metric} is one number of the account"
            )
        if self.action is RestrictionKind.HALT and subjects is not Subjects.ACCOUNT:
            raise Contradiction("action", self.action, "block: a halt is for an account, and this is about a symbol")
        return self

    @property
    def hold(self) -> timedelta:
        """Return how long it must be beyond the threshold."""
        return timedelta(seconds=self.hold_seconds)

    @property
    def clears_at(self) -> float:
        """Return where it is kept again."""
        return self.threshold if self.clear_at is None else self.clear_at


def default_rules() -> tuple[WatchRule, ...]:
    """Return the rules that a desk begins with."""
    return (
        *_two("volatility", Metric.VOLATILITY_5M_PCT, 2, 5),
        *_two("spread", Metric.SPREAD_PCT, 1, 3, hold_seconds=5),
        *_two("price-change", Metric.CHANGE_PCT, 3, 7, comparison=Comparison.BEYOND),
        _one("volume", Metric.VOLUME_RATIO, 0.5, comparison=Comparison.BELOW, hold_seconds=300),
        _one("liquidity", Metric.LIQUIDITY, 0.3, comparison=Comparison.BELOW, hold_seconds=30),
        *_two("unacknowledged", OwnMetric.ORDER_UNACKNOWLEDGED_SECONDS, 10, 30),
        *_two("slippage", OwnMetric.FILL_SLIPPAGE_PCT, 0.5, 2),
        _one("order-far", OwnMetric.ORDER_DISTANCE_PCT, 5, hold_seconds=60),
        _one("no-stop", OwnMetric.POSITION_WITHOUT_STOP, 0.5, Severity.CRITICAL, hold_seconds=60),
        *_two("day-loss", OwnMetric.DAY_LOSS_PCT, 2, 4),
        *_two("drawdown", OwnMetric.DRAWDOWN_PCT, 10, 15),
        *_two("exposure", OwnMetric.GROSS_EXPOSURE_PCT, 150, 200),
        *_two("silence", OwnMetric.FEED_SILENCE, 2, 10),
    )


def _one(
    name: str,
    metric: RuleMetric,
    threshold: float,
    severity: Severity = Severity.WARNING,
    *,
    comparison: Comparison = Comparison.ABOVE,
    hold_seconds: int = 0,
) -> WatchRule:
    """Return a rule that is kept again a fifth away from its threshold, so that it does not flap."""
    return WatchRule(
        rule_id=f"{name}-{severity}",
        metric=metric,
        comparison=comparison,
        threshold=threshold,
        clear_at=threshold * (1.2 if comparison is Comparison.BELOW else 0.8),
        hold_seconds=hold_seconds,
        severity=severity,
    )


def _two(
    name: str,
    metric: RuleMetric,
    warning: float,
    critical: float,
    *,
    comparison: Comparison = Comparison.ABOVE,
    hold_seconds: int = 0,
) -> tuple[WatchRule, WatchRule]:
    first, second = (
        _one(name, metric, threshold, severity, comparison=comparison, hold_seconds=hold_seconds)
        for threshold, severity in ((warning, Severity.WARNING), (critical, Severity.CRITICAL))
    )
    return first, second
