"""Execution algorithms: how a broker is to work an order, instead of laying it on the exchange as it is.

Source: FIX 5.0 SP2, TargetStrategy (847) and what goes with it. Names and ranges: Interactive Brokers, "IB Algorithms".
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from trading.errors import InvalidValue
from trading.orders.order_types import require_aware

_LEAST_SHARE, _LARGEST_SHARE = Decimal("0.1"), Decimal("0.5")


class TargetStrategy(StrEnum):
    """TargetStrategy (FIX 847)."""

    ADAPTIVE = "adaptive"
    ARRIVAL_PRICE = "arrival_price"
    TWAP = "twap"
    VWAP = "vwap"


class AdaptivePriority(StrEnum):
    """How urgently the best price between bid and ask is given up for a fill."""

    URGENT = "urgent"
    NORMAL = "normal"
    PATIENT = "patient"


class RiskAversion(StrEnum):
    """How fast the order is worked, against how far it moves the price."""

    GET_DONE = "get_done"
    AGGRESSIVE = "aggressive"
    NEUTRAL = "neutral"
    PASSIVE = "passive"


class TwapStyle(StrEnum):
    """Where the slices of a TWAP are laid."""

    MARKETABLE = "marketable"
    MIDPOINT = "midpoint"
    SAME_SIDE = "same_side"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """A price between bid and ask, and a fill soon, both at once."""

    target_strategy: ClassVar = TargetStrategy.ADAPTIVE
    priority: AdaptivePriority


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scheduled:
    """Worked in a time.

    Attributes:
        starts_at: UTC; None is at once.
        ends_at: UTC; None is the close.
        may_run_over: go on after the end until all is filled.
    """

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    may_run_over: bool = False

    def __post_init__(self) -> None:
        for name in ("starts_at", "ends_at"):
            if (at := getattr(self, name)) is not None:
                require_aware(f"{name} of the algorithm", at)
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            raise InvalidValue("ends_at of the algorithm", self.ends_at, f"after its starts_at {self.starts_at}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twap(_Scheduled):
    """Equal slices over a time, for its time-weighted average price."""

    target_strategy: ClassVar = TargetStrategy.TWAP
    style: TwapStyle = TwapStyle.MARKETABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sharing(_Scheduled):
    """Worked within a share of what trades.

    Attributes:
        max_share: the most of the average daily volume, 0.1 to 0.5 (IB's `maxPctVol`, with the bounds of its API).
    """

    max_share: Decimal

    def __post_init__(self) -> None:
        _Scheduled.__post_init__(self)  # `super()` knows no class that is made anew for its slots
        if not (self.max_share.is_finite() and _LEAST_SHARE <= self.max_share <= _LARGEST_SHARE):
            raise InvalidValue("max_share of the algorithm", self.max_share, f"{_LEAST_SHARE} to {_LARGEST_SHARE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vwap(_Sharing):
    """Slices by the usual volume of the time of day, for the volume-weighted average price.

    Attributes:
        takes_liquidity: whether it may cross the spread.
    """

    target_strategy: ClassVar = TargetStrategy.VWAP
    takes_liquidity: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalPrice(_Sharing):
    """The price at which the order came, as nearly as the aversion allows.

    Attributes:
        forces_completion: fill the rest by the end of the day, whatever it costs.
    """

    target_strategy: ClassVar = TargetStrategy.ARRIVAL_PRICE
    risk_aversion: RiskAversion = RiskAversion.NEUTRAL
    forces_completion: bool = False


ExecutionAlgo = Adaptive | Twap | Vwap | ArrivalPrice
EXECUTION_ALGOS: dict[TargetStrategy, type[ExecutionAlgo]] = {
    algo.target_strategy: algo for algo in (Adaptive, Twap, Vwap, ArrivalPrice)
}
