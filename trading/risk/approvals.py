"""Approval: which decisions wait for a person's word, and what the words given so far come to.

The first answer that settles a request is the last one. Where two persons are needed, both must say yes, and only what
both approved is sent; a single no ends it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass as plain_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from trading.errors import AnswerRefused, InvalidValue
from trading.orders.orders import NewOrderSingle
from trading.risk.form_fields import FormDecimal
from trading.validation import STRICT

NOBODY = "nobody (time-out)"  # gives the answer that no person gave in time


class ApprovalWhen(StrEnum):
    """Which decisions of an account a person must approve."""

    NEVER = "never"
    ALWAYS = "always"
    ABOVE_NOTIONAL = "above_notional"
    FIRST_SESSIONS = "first_sessions"


class ApprovalVerdict(StrEnum):
    """What a person says of the orders of a decision."""

    ALL = "all"
    SOME = "some"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ApprovalRules:
    """When the orders of an account wait for a person's word. Orders that protect or flatten never wait."""

    when: Annotated[
        ApprovalWhen,
        Field(
            description="never; always; above_notional: when the orders of a decision together are worth more; "
            "first_sessions: until the account has decided that many sessions in its mode."
        ),
    ] = ApprovalWhen.NEVER
    above_notional: Annotated[
        FormDecimal | None,
        Field(gt=0, description="For above_notional: value of all orders of the decision, in account currency."),
    ] = None
    first_sessions: Annotated[int | None, Field(gt=0, description="For first_sessions: how many.")] = None
    timeout_minutes: Annotated[
        float,
        Field(
            gt=0,
            le=1440,
            allow_inf_nan=False,
            description="How long to wait for an answer, and at most until orders must be placed; then it is no.",
        ),
    ] = 15.0
    two_persons_when_live: Annotated[
        bool, Field(description="Orders of real money need the yes of two different persons.")
    ] = False

    @model_validator(mode="after")
    def _require_its_value(self) -> "ApprovalRules":
        for rule, value in self._values().items():
            if self.when is rule and value is None:
                raise ValueError(f"{rule.value} has no value, but when is {rule.value}; give it")
            if self.when is not rule and value is not None:
                raise ValueError(f"{rule.value} is {value}, but when is {self.when.value}; leave one of them out")
        if self.two_persons_when_live and self.when is ApprovalWhen.NEVER:
            raise ValueError("two_persons_when_live is set, but when is never; say when they are asked")
        return self

    def _values(self) -> dict[ApprovalWhen, Decimal | int | None]:
        return {
            ApprovalWhen.ABOVE_NOTIONAL: self.above_notional,
            ApprovalWhen.FIRST_SESSIONS: self.first_sessions,
        }

    def why_needed(self, notional: Decimal | None, sessions_before: int) -> str | None:
        """Return why a person must be asked, or None.

        Args:
            notional: value of all orders of the decision; None when one of them has no price, which counts as above.
            sessions_before: how many other sessions the account has decided in its mode.
        """
        if self.when is ApprovalWhen.ALWAYS:
            return "the account's orders always need approval"
        if self.above_notional is not None and (notional is None or notional > self.above_notional):
            worth = "worth more than can be told" if notional is None else f"worth {notional:,.2f}"
            return f"its orders are {worth}, and {self.above_notional:,.2f} is the most without approval"
        if self.first_sessions is not None and sessions_before < self.first_sessions:
            return f"session {sessions_before + 1} of the first {self.first_sessions}, which need approval"
        return None


def asks_no_more(new: NewOrderSingle, approved: NewOrderSingle) -> bool:
    """Tell whether an amended order is no larger than what was approved, pays no more and sells for no less."""
    sign, nothing = approved.side.sign, Decimal(0)
    pairs = ((new.price, approved.price), (new.stop_px, approved.stop_px))
    worse = any(px is not None and (old is None or px * sign > old * sign) for px, old in pairs)
    trails_more = (new.peg_offset_value or nothing) > (approved.peg_offset_value or nothing)
    return new.order_qty <= approved.order_qty and not worse and not trails_more


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTerms:
    """The account's rules, and the times that they are applied at.

    Attributes:
        asked_at: wall clock, in a rehearsal too: persons do not stand still with its clock.
        latest: no answer is of use after it; None in a rehearsal.
    """

    rules: ApprovalRules
    asked_at: datetime
    latest: datetime | None = None

    @property
    def deadline(self) -> datetime:
        """Return the time until which an answer is waited for."""
        by_rule = self.asked_at + timedelta(minutes=self.rules.timeout_minutes)
        return min(by_rule, self.latest or by_rule)


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """What is asked of one decision.

    Attributes:
        reason: why a person must be asked.
        persons: how many different persons must say yes.
    """

    decision_id: str
    account: str
    asked_at: datetime
    deadline: datetime
    reason: str
    persons: int


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswer:
    """What one person said, never changed.

    Attributes:
        cl_ord_ids: the orders approved.
    """

    decision_id: str
    actor: str
    verdict: ApprovalVerdict
    cl_ord_ids: frozenset[str]
    note: str
    answered_at: datetime

    @property
    def text(self) -> str:
        """Return the answer as a phrase."""
        note = f": {self.note}" if self.note else ""
        return f"{self.verdict.value} by {self.actor} at {self.answered_at:%Y-%m-%d %H:%M:%S} UTC{note}"


@plain_dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A request with the answers given so far, in their order.

    Attributes:
        orders: symbol of every order that needs approval, by ClOrdID.
    """

    request: ApprovalRequest
    orders: Mapping[str, str]
    answers: tuple[ApprovalAnswer, ...] = ()

    @property
    def waits(self) -> bool:
        """Tell whether another answer is needed."""
        no = any(a.verdict is ApprovalVerdict.NONE for a in self.answers)
        return not no and len(self.answers) < self.request.persons

    @property
    def approved(self) -> frozenset[str]:
        """Return the orders that may be sent; none while it waits."""
        if self.waits:
            return frozenset()
        return frozenset(self.orders).intersection(*(a.cl_ord_ids for a in self.answers))

    @property
    def timed_out(self) -> bool:
        """Tell whether nobody answered in time."""
        return any(a.actor == NOBODY for a in self.answers)

    @property
    def text(self) -> str:
        """Return the answers as a phrase."""
        said = "; ".join(a.text for a in self.answers)
        if not self.waits:
            return said
        left = self.request.persons - len(self.answers)
        more = "one more person" if self.answers else "a person" if left == 1 else f"{left} persons"
        return f"{said}{'; ' if said else ''}waits for {more} until {self.request.deadline:%Y-%m-%d %H:%M:%S} UTC"

    def answered(
        self, actor: str, verdict: ApprovalVerdict, only: Iterable[str], note: str, now: datetime
    ) -> ApprovalAnswer:
        """Return the answer that a person may give now.

        Args:
            only: with SOME, the symbols or ClOrdIDs approved; else empty.

        Raises:
            AnswerRefused: it is settled, too late, or this person has answered.
            InvalidValue: no name was given, or what is approved is not of this decision.
        """
        actor, wanted = actor.strip(), [name.strip() for name in only if name.strip()]
        if not actor or actor == NOBODY:
            raise InvalidValue("name", actor, "that of the person who answers; it is kept")
        self._require_answerable(actor, now)
        return ApprovalAnswer(
            decision_id=self.request.decision_id,
            actor=actor,
            verdict=verdict,
            cl_ord_ids=self._chosen(verdict, wanted),
            note=note.strip(),
            answered_at=now,
        )

    def unanswered(self, now: datetime) -> ApprovalAnswer:
        """Return the no that nobody's answer is once the deadline has come."""
        return ApprovalAnswer(
            decision_id=self.request.decision_id,
            actor=NOBODY,
            verdict=ApprovalVerdict.NONE,
            cl_ord_ids=frozenset(),
            note="nobody answered" if not self.answers else "a second person did not answer",
            answered_at=now,
        )

    def _require_answerable(self, actor: str, now: datetime) -> None:
        decision_id, deadline = self.request.decision_id, self.request.deadline
        if not self.waits:
            raise AnswerRefused(decision_id, f"it is answered already: {self.text}")
        if now >= deadline:
            raise AnswerRefused(decision_id, f"its deadline was {deadline:%Y-%m-%d %H:%M:%S} UTC, so it counts as no")
        for given in self.answers:
            if given.actor.casefold() == actor.casefold():
                raise AnswerRefused(decision_id, f"{actor} has answered already; it needs another person too")

    def _chosen(self, verdict: ApprovalVerdict, wanted: list[str]) -> frozenset[str]:
        if verdict is not ApprovalVerdict.SOME:
            if wanted:
                raise InvalidValue("symbols", ", ".join(wanted), f"left out, as the answer is {verdict.value}")
            return frozenset(self.orders) if verdict is ApprovalVerdict.ALL else frozenset()
        if not wanted:
            raise InvalidValue("symbols", "", "given with `some`: those of the orders that are approved")
        ids: set[str] = set()
        for name in wanted:
            found = [i for i, symbol in self.orders.items() if name == i or name.upper() == symbol.upper()]
            if not found:
                known = ", ".join(sorted(set(self.orders.values())))
                raise InvalidValue("symbol", name, f"one of the orders of {self.request.decision_id}: {known}")
            ids.update(found)
        return frozenset(ids)
