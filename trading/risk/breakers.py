"""Circuit breakers: what trips them, what they then forbid, and how that ends."""

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from trading.risk.form_fields import FormDecimal
from trading.risk.restrictions import RestrictionKind, RiskScope
from trading.validation import STRICT


class BreakerKind(StrEnum):
    """What a breaker measures; each word but the last is the name of its rule, too."""

    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    REJECTION_RATE = "rejection_rate"
    CONCENTRATION = "concentration"
    ORDER_RATE = "order_rate"
    STALE_DATA = "stale_data"
    BROKER_DISCONNECTED = "broker_disconnected"
    RECONCILIATION_BREAK = "reconciliation_break"
    SLIPPAGE = "slippage"
    VOLATILITY = "volatility"
    PROVIDER_DISAGREEMENT = "provider_disagreement"
    WATCH_RULE = "watch_rule"  # the one that has no rule here: watch rules with an action trip it


class ResetRule(StrEnum):
    """What ends a tripped breaker; a person may always end it sooner."""

    PERSON = "person"
    NEXT_SESSION = "next_session"  # the session under way, or else the next one, is the last that it forbids
    AFTER_TIME = "after_time"
    BY_ITSELF = "by_itself"  # when its value is below `out_below`


UNITS = MappingProxyType(
    {
        BreakerKind.DAILY_LOSS: "% of equity at the close before",
        BreakerKind.DRAWDOWN: "% of the highest equity",
        BreakerKind.REJECTION_RATE: "% of the last orders",
        BreakerKind.CONCENTRATION: "% of equity",
        BreakerKind.ORDER_RATE: "orders in a minute",
        BreakerKind.STALE_DATA: "sessions behind",
        BreakerKind.BROKER_DISCONNECTED: "asks unanswered",
        BreakerKind.RECONCILIATION_BREAK: "% of equity",
        BreakerKind.SLIPPAGE: "basis points",
        BreakerKind.VOLATILITY: "% a year",
        BreakerKind.PROVIDER_DISAGREEMENT: "% of the symbols",
        BreakerKind.WATCH_RULE: "in the unit of the watch rule",
    }
)
_AT_MOST_ALL = (
    BreakerKind.DAILY_LOSS,
    BreakerKind.DRAWDOWN,
    BreakerKind.REJECTION_RATE,
    BreakerKind.PROVIDER_DISAGREEMENT,
)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class BreakerRule:
    """One breaker of an account."""

    threshold: Annotated[FormDecimal, Field(gt=0, allow_inf_nan=False, description="Trips at this value or above it.")]
    out_below: Annotated[
        FormDecimal | None,
        Field(gt=0, description="With reset by_itself: it ends below this value; empty: below the threshold."),
    ] = None
    scope: Annotated[
        RiskScope, Field(description="account: what it forbids holds for the account; desk: for every account.")
    ] = RiskScope.ACCOUNT
    action: Annotated[RestrictionKind, Field(description="What is forbidden while it is tripped.")]
    size_factor: Annotated[
        FormDecimal, Field(gt=0, lt=1, description="With reduce_size: the share of each new order that is left.")
    ] = Decimal("0.5")
    cancel_working: Annotated[bool, Field(description="Cancel what works at the broker while it is tripped.")] = False
    flatten: Annotated[bool, Field(description="Close all positions, too; with action halt only.")] = False
    reset: Annotated[
        ResetRule, Field(description="What ends it; a person may always do so, with `openbell reset`.")
    ] = ResetRule.PERSON
    reset_minutes: Annotated[int, Field(gt=0, description="With reset after_time: for how long it holds.")] = 30
    two_persons: Annotated[bool, Field(description="A person's reset needs the word of a second one.")] = False
    enabled: Annotated[bool, Field(description="Whether it is watched; one that is tripped stays so.")] = True

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "BreakerRule":
        if self.out_below is not None and self.out_below > self.threshold:
            raise ValueError(
                f"out_below is {self.out_below}, above the threshold of {self.threshold}: it would be in and out at "
                "once; give one at or below it"
            )
        if self.flatten and self.action is not RestrictionKind.HALT:
            raise ValueError(
                f"flatten with action {self.action}: what was closed could be bought again; take action halt"
            )
        if self.scope is RiskScope.INSTRUMENT and (self.cancel_working or self.flatten):
            raise ValueError("cancel_working and flatten are for the whole account; leave them out for an instrument")
        if self.scope is RiskScope.INSTRUMENT and self.action is RestrictionKind.HALT:
            raise ValueError("action halt is for an account or the desk; take block for an instrument")
        return self

    @property
    def ends_below(self) -> Decimal:
        """Return the value below which it ends by itself."""
        return self.threshold if self.out_below is None else self.out_below


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class LossRule(BreakerRule):
    """A breaker that measures a loss."""

    amount: Annotated[
        FormDecimal | None, Field(gt=0, description="Trips at this loss too, in account currency; empty: only at that.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class SampleRule(BreakerRule):
    """A breaker that measures over the last few of something."""

    sample: Annotated[
        int, Field(gt=1, le=1000, description="How many of the last orders, fills or sessions count.")
    ] = 20


def _by_itself(
    threshold: int, out_below: int, action: RestrictionKind, scope: RiskScope = RiskScope.ACCOUNT
) -> BreakerRule:
    return BreakerRule(
        threshold=Decimal(threshold),
        out_below=Decimal(out_below),
        scope=scope,
        action=action,
        reset=ResetRule.BY_ITSELF,
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class BreakerRules:
    """The breakers of one account."""

    daily_loss: Annotated[
        LossRule, Field(description="Loss since the close before, open positions included, in per cent of equity.")
    ] = LossRule(threshold=Decimal(5), action=RestrictionKind.HALT, reset=ResetRule.NEXT_SESSION)
    drawdown: Annotated[LossRule, Field(description="Loss since the highest equity, in per cent of it.")] = LossRule(
        threshold=Decimal(20), action=RestrictionKind.HALT
    )
    rejection_rate: Annotated[
        SampleRule, Field(description="Share of the last orders of the session that the broker rejected, in per cent.")
    ] = SampleRule(threshold=Decimal(20), action=RestrictionKind.REDUCE_SIZE, reset=ResetRule.AFTER_TIME)
    concentration: Annotated[
        BreakerRule, Field(description="Value of the position in one symbol, in per cent of equity.")
    ] = _by_itself(30, 25, RestrictionKind.CLOSE_ONLY, RiskScope.INSTRUMENT)
    order_rate: Annotated[BreakerRule, Field(description="Orders sent within one minute.")] = BreakerRule(
        threshold=Decimal(1000), action=RestrictionKind.HALT
    )
    stale_data: Annotated[
        BreakerRule, Field(description="Sessions by which the newest bars that were checked are behind.")
    ] = _by_itself(2, 1, RestrictionKind.CLOSE_ONLY)
    broker_disconnected: Annotated[
        BreakerRule, Field(description="1 when the broker could not be reached, else 0.")
    ] = _by_itself(1, 1, RestrictionKind.HALT)
    reconciliation_break: Annotated[
        BreakerRule, Field(description="Value of the worst break that nobody has cleared, in per cent of equity.")
    ] = _by_itself(1, 1, RestrictionKind.CLOSE_ONLY)
    slippage: Annotated[
        SampleRule, Field(description="How much worse than the session's open the last fills were, in basis points.")
    ] = SampleRule(threshold=Decimal(50), action=RestrictionKind.REDUCE_SIZE, reset=ResetRule.NEXT_SESSION)
    volatility: Annotated[
        SampleRule,
        Field(description="Volatility of the source's symbols, equally weighted, over the last sessions, % a year."),
    ] = SampleRule(
        threshold=Decimal(60), out_below=Decimal(45), action=RestrictionKind.REDUCE_SIZE, reset=ResetRule.BY_ITSELF
    )
    provider_disagreement: Annotated[
        BreakerRule, Field(description="Share of the symbols on which a second provider says otherwise, in per cent.")
    ] = _by_itself(20, 20, RestrictionKind.CLOSE_ONLY)

    @model_validator(mode="after")
    def _refuse_what_cannot_be(self) -> "BreakerRules":
        for kind, rule in self.items():
            self._require_unit(kind, rule)
            of_instrument = kind is BreakerKind.CONCENTRATION
            if of_instrument is not (rule.scope is RiskScope.INSTRUMENT) or rule.scope is RiskScope.STRATEGY:
                wanted = "instrument" if of_instrument else "account or desk"
                raise ValueError(f"{kind}: scope is {rule.scope}, but this breaker is one of: {wanted}")
        return self

    @staticmethod
    def _require_unit(kind: BreakerKind, rule: BreakerRule) -> None:
        if "%" in UNITS[kind] and rule.threshold < 1:
            raise ValueError(
                f"{kind}: threshold is {rule.threshold} %, which looks like a fraction: 5 means 5 %; give 1 or more"
            )
        if kind in _AT_MOST_ALL and rule.threshold > 100:
            raise ValueError(f"{kind}: threshold is {rule.threshold} %, which cannot be reached; give 100 or less")

    def items(self) -> Iterator[tuple[BreakerKind, BreakerRule]]:
        """Yield every breaker with its rule."""
        return ((BreakerKind(f.name), getattr(self, f.name)) for f in fields(self))
