"""What becomes of a breaker: it trips, a person asks for its reset, it is reset."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from trading.alerts import Alert, Severity
from trading.risk.breakers import UNITS, BreakerKind, ResetRule
from trading.risk.restrictions import Restriction, RestrictionKind, RiskScope

DESK = "desk"
ITSELF = "breaker"  # who trips it, and who resets it when no person does


class BreakerEvent(StrEnum):
    """What happened to a breaker."""

    TRIPPED = "tripped"
    RESET_REQUESTED = "reset_requested"  # by the first of two persons; it holds until the second has said so too
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChange:
    """One change of one breaker; the last one of an account, kind, scope and subject says whether it is tripped.

    A reset repeats what had tripped it, so that each row can be understood alone.

    Attributes:
        account: whose numbers tripped it.
        subject: the symbol of a breaker of an instrument, else the account.
        cause: one sentence: value and threshold.
        value: None when it could not be measured.
        reset_rule: what ends it.
        until: when it ends, if nobody resets it sooner; None when no time ends it.
        equity: what the account was worth when it tripped, where that was known.
        tripped_at: when it tripped, by the clock of the account: in a rehearsal, that of the session rehearsed.
        actor: who did it, `breaker` when nobody.
        reason: what a person gave, or why it ended by itself.
    """

    account: str
    kind: BreakerKind
    scope: RiskScope
    subject: str
    event: BreakerEvent
    cause: str
    threshold: Decimal
    value: Decimal | None
    action: RestrictionKind
    size_factor: Decimal | None
    cancel_working: bool
    flatten: bool
    two_persons: bool
    reset_rule: ResetRule
    until: datetime | None
    equity: Decimal | None
    tripped_at: datetime
    actor: str
    reason: str
    changed_at: datetime

    @property
    def name(self) -> str:
        """Return the breaker as a person names it: its kind, and its symbol where it is of one."""
        return f"{self.kind} {self.subject}" if self.scope is RiskScope.INSTRUMENT else self.kind.value

    @property
    def is_reset_by_person(self) -> bool:
        """Tell whether a person has ended it."""
        return self.event is BreakerEvent.RESET and self.actor != ITSELF

    def is_ended(self, now: datetime) -> bool:
        """Tell whether a person or its time has ended it; what it measures then starts anew."""
        if self.event is BreakerEvent.RESET:
            return self.is_reset_by_person or self.reset_rule is not ResetRule.BY_ITSELF
        return not self.is_tripped(now)

    def is_tripped(self, now: datetime) -> bool:
        """Tell whether it forbids something at that time."""
        return self.event is not BreakerEvent.RESET and (self.until is None or now < self.until)

    def restriction(self) -> Restriction:
        """Return what it forbids while it is tripped."""
        return Restriction(
            scope=self.scope,
            subject=DESK if self.scope is RiskScope.DESK else self.subject,
            kind=self.action,
            cause=f"breaker {self.name} of {self.account}: {self.cause}; {self.how_it_ends()}",
            size_factor=self.size_factor,
        )

    def how_it_ends(self) -> str:
        """Return what ends it, as a clause."""
        symbol = f" --subject {self.subject}" if self.scope is RiskScope.INSTRUMENT else ""
        command = f"`openbell reset {self.kind}{symbol} --account {self.account} --reason TEXT`"
        by_person = f"{command} ends it" + (", given by two persons" if self.two_persons else "")
        if self.kind is BreakerKind.WATCH_RULE:
            return f"it ends by itself when no watch rule with an action is broken there any more, or {by_person}"
        if self.reset_rule is ResetRule.BY_ITSELF:
            return f"it ends by itself when the value is back, or {by_person}"
        if self.until is not None:
            return f"it ends by itself at {self.until:%Y-%m-%d %H:%M} UTC, or {by_person}"
        return by_person


def reading_text(kind: BreakerKind, value: Decimal, threshold: Decimal) -> str:
    """Return value and threshold in one phrase, in the unit of the breaker."""
    return f"{value:,.2f} {UNITS[kind]}, {threshold} trips it"


_FORBIDDEN = {
    RestrictionKind.REDUCE_SIZE: "orders that add exposure are cut to {factor} of their size",
    RestrictionKind.CLOSE_ONLY: "nothing may be added; what is held may be closed",
    RestrictionKind.BLOCK: "it may be neither bought nor sold",
    RestrictionKind.HALT: "no order is made or sent",
}
_AFTER_RESET = {
    BreakerKind.DAILY_LOSS: "a loss is then measured from what the account was worth when it tripped",
    BreakerKind.DRAWDOWN: "the highest equity is then looked for from what the account was worth when it tripped on",
    BreakerKind.REJECTION_RATE: "only orders sent after it count then",
    BreakerKind.ORDER_RATE: "only orders sent after it count then",
    BreakerKind.SLIPPAGE: "only fills after it count then",
    BreakerKind.WATCH_RULE: "it trips again only when a watch rule is broken anew",
}
_UNTIL_TOMORROW = "as long as its cause lasts, it trips again after 12 hours"


def after_reset(kind: BreakerKind) -> str:
    """Return what a person's reset means for the next trip."""
    return _AFTER_RESET.get(kind, _UNTIL_TOMORROW)


def forbidden_text(change: BreakerChange) -> str:
    """Return what is forbidden, and where."""
    where = {
        RiskScope.INSTRUMENT: f"in {change.subject}",
        RiskScope.DESK: "in every account",
    }.get(change.scope, f"in account {change.account}")
    return f"{where}, {_FORBIDDEN[change.action].format(factor=change.size_factor)}"


def trip_alert(change: BreakerChange) -> Alert:
    """Return what a person is told of a trip: what tripped, what still runs, what a reset does and how."""
    halts = change.action is RestrictionKind.HALT
    done = [
        *(["Working orders are canceled."] if change.cancel_working or change.flatten else []),
        *(["All positions are closed."] if change.flatten else []),
    ]
    runs = "Bars are ingested, orders at the broker are followed and the books are reconciled as before"
    runs += "; orders that work at the broker go on working." if not done else "."
    lines = [
        f"What tripped: {change.cause}.",
        f"What is forbidden: {forbidden_text(change)}.",
        *done,
        f"What still runs: {runs}",
        f"What ends it: {change.how_it_ends()}. After a reset by a person {after_reset(change.kind)}.",
    ]
    return Alert(
        fingerprint=f"breaker {change.account} {change.kind} {change.subject} {change.changed_at.isoformat()}",
        severity=Severity.CRITICAL if halts else Severity.WARNING,
        title=f"Breaker {change.name} of account {change.account} tripped: {change.action}",
        text="\n".join(lines),
        raised_at=change.changed_at,
    )
