"""Tell a person, through the outbox: each thing once."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from blocks.broker_account import Mode
from blocks.desk import Desk
from trading.alerts import Alert, Severity
from trading.breaks import Break
from trading.errors import DeskHalted
from trading.orders.orders import Order, OrdStatus
from trading.risk.approvals import Approval
from trading.risk.risk_decisions import RiskOutcome


def tell_unknown(desk: Desk, order: Order, now: datetime) -> None:
    """Tell that an order may be at the broker, and that nobody knows."""
    new = order.new_order
    desk.ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"unknown {order.cl_ord_id}",
            severity=Severity.CRITICAL,
            title=f"Order {order.cl_ord_id} is UNKNOWN",
            text=f"{new.side} {new.order_qty} {new.symbol} may be at the broker. {new.symbol} is locked and its risk "
            "stays reserved until the broker answers; look for it there, and run the session again.",
            raised_at=now,
        )
    )


def tell_refused(desk: Desk, session: date, book: str, now: datetime) -> None:
    """Tell which orders the gate refused or cut, from what is recorded: a crash before the telling loses nothing."""
    decision = desk.ledger.journal.decision(desk.name, session, book)
    verdicts = desk.ledger.journal.risk_decisions(decision["decision_id"]) if decision else ()
    refused = [v for v in verdicts if v.outcome is RiskOutcome.REFUSED]
    reduced = [v for v in verdicts if v.outcome is RiskOutcome.REDUCED]
    if decision and (refused or reduced):
        what = " or ".join(name for found, name in ((refused, "refused"), (reduced, "reduced")) if found)
        desk.ledger.outbox.raise_alert(
            Alert(
                fingerprint=f"refused {decision['decision_id']}",
                severity=Severity.WARNING,
                title=f"{len(refused + reduced)} of {len(verdicts)} orders of {desk.name} {what} for {session}",
                text="\n".join(f"{v.symbol}: {v.told()}: {v.text}" for v in (*refused, *reduced)),
                raised_at=now,
            )
        )


def tell_unfilled(desk: Desk, session: date, orders: Sequence[Order], now: datetime) -> None:
    """Tell which orders ended without being filled in full."""
    ended = (OrdStatus.REJECTED, OrdStatus.CANCELED, OrdStatus.EXPIRED)
    short = [o for o in orders if o.ord_status in ended]
    if short:
        lines = [
            f"{o.new_order.symbol}: {o.ord_status}, {o.cum_qty} of {o.new_order.order_qty}: {o.text}" for o in short
        ]
        desk.ledger.outbox.raise_alert(
            Alert(
                fingerprint=f"unfilled {desk.name} {session} {_digest([o.cl_ord_id for o in short])}",
                severity=Severity.WARNING,
                title=f"{len(short)} orders of {desk.name} for {session} ended unfilled",
                text="\n".join(lines),
                raised_at=now,
            )
        )


def tell_protection(desk: Desk, session: date, texts: Sequence[str], now: datetime) -> None:
    """Tell what is not as protected as its rules ask for; the same of a session is told once."""
    if texts:
        desk.ledger.outbox.raise_alert(
            Alert(
                fingerprint=f"protection {desk.name} {session} {_digest(texts)}",
                severity=Severity.CRITICAL,
                title=f"Stops and profits of {desk.name} need a look at {session}",
                text="\n".join(texts),
                raised_at=now,
            )
        )


def tell_without_stop(
    desk: Desk, session: date, bare: Mapping[str, Decimal], halted: DeskHalted, now: datetime
) -> None:
    """Tell which positions stand without a stop that they were to have, because nothing may be sent."""
    texts = [f"{s}: {qty} held, and no stop of it rests at the broker, for {halted}" for s, qty in sorted(bare.items())]
    tell_protection(desk, session, texts, now)


def tell_breaks(desk: Desk, session: date, breaks: Sequence[Break], now: datetime) -> None:
    """Tell what differs from the broker; the same breaks of a session are told once."""
    if breaks:
        desk.ledger.outbox.raise_alert(
            Alert(
                fingerprint=f"breaks {desk.name} {session} {_digest([b.text for b in breaks])}",
                severity=Severity.WARNING if all(b.expected for b in breaks) else Severity.CRITICAL,
                title=f"{len(breaks)} breaks in account {desk.name} at {session}",
                text="\n".join(b.text for b in breaks),
                raised_at=now,
            )
        )


def tell_second_factor(desk: Desk, session: date, now: datetime) -> None:
    """Tell, after the last session before a Sunday, that IB ends the login of a live user in that night."""
    if desk.account.is_simulated or desk.account.mode is not Mode.LIVE:
        return
    sunday = session + timedelta(days=6 - session.weekday())
    following = desk.market.calendar.next_session(session)
    if following < sunday or now.date() > sunday:  # the week goes on, or it is told too late
        return
    desk.ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"second factor {desk.name} {sunday}",
            severity=Severity.WARNING,
            title=f"Account {desk.name}: confirm the second factor on Sunday {sunday}",
            text="Interactive Brokers ends every login on Sunday at 01:00 New York. Until a person has confirmed the "
            f"next one, no session starts; do it before {following}, then see that `openbell doctor --account "
            f"{desk.name}` finds no fault.",
            raised_at=now,
        )
    )


def tell_waiting(desk: Desk, approval: Approval, link: str, now: datetime) -> None:
    """Tell where orders wait for a person's word; another run that asks again tells its own place."""
    request = approval.request
    desk.ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"approval {request.decision_id} {link}",
            severity=Severity.WARNING,
            title=f"{len(approval.orders)} orders of {desk.name} wait for approval until "
            f"{request.deadline:%Y-%m-%d %H:%M} UTC",
            text=f"{request.decision_id}: {request.reason}. Without an answer nothing is sent.\n"
            f"Log in, and answer at {link} with Resume; or with `openbell approve {request.decision_id}`.",
            raised_at=now,
        )
    )


def tell_timed_out(desk: Desk, approval: Approval, now: datetime) -> None:
    """Tell that nobody answered for orders in time."""
    request = approval.request
    desk.ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"approval time-out {request.decision_id}",
            severity=Severity.CRITICAL,
            title=f"Nobody approved {len(approval.orders)} orders of {desk.name} in time, so none was sent",
            text=f"{request.decision_id} waited until {request.deadline:%Y-%m-%d %H:%M} UTC: {request.reason}. "
            "Its orders are given up; the positions stay as they are until the next session.",
            raised_at=now,
        )
    )


def tell_stopped(desk: Desk, reason: str, lines: Sequence[str], now: datetime) -> None:
    """Tell that the account was stopped, what that came to, and how it goes on."""
    desk.ledger.outbox.raise_alert(
        Alert(
            fingerprint=f"stopped {desk.name} {now.isoformat()}",
            severity=Severity.CRITICAL,
            title=f"Account {desk.name} was stopped: {reason}",
            text="\n".join([*lines, f"It trades again after `openbell resume --account {desk.name} --reason TEXT`."]),
            raised_at=now,
        )
    )


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\x1f".join(sorted(parts)).encode()).hexdigest()[:16]
