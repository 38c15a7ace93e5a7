"""The audit trail: what persons did, each entry chained to the one before by its hash."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from adapters.sql.approval_tables import ApprovalAnswerRow
from adapters.sql.breaker_tables import BreakerChangeRow, TrippedBreakerRow
from adapters.sql.engine import reading
from adapters.sql.rows import table_of
from adapters.sql.tables import AuditEntryRow, HaltRow

AUDIT, HALT, ANSWER = table_of(AuditEntryRow), table_of(HaltRow), table_of(ApprovalAnswerRow)
CHANGE, TRIPPED = table_of(BreakerChangeRow), table_of(TrippedBreakerRow)
_HALTS, _BREAKERS, _APPROVALS = ("halt ", "resume "), "breaker ", "approval of "
_Story = tuple[str, str, str, datetime]  # action, text, actor, when


def append_audit(connection: sa.Connection, *, actor: str, action: str, text: str, now: datetime) -> None:
    """Append one entry in the caller's transaction."""
    last = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(1)).first()
    entry = {
        "seq": last.seq + 1 if last else 1,
        "entered_at": now,
        "actor": actor,
        "action": action,
        "text": text,
        "previous_hash": last.entry_hash if last else "",
    }
    connection.execute(sa.insert(AUDIT).values(**entry, entry_hash=_hash(entry)))


def first_broken_entry(engine: sa.Engine) -> int | None:
    """Return the number of the first entry that was changed, removed or put in between, or None when all hold.

    The chain alone cannot tell that its last entries are gone: so every halt, every answer to a request for approval,
    every change of a breaker and every breaker that is tripped must have its entry too.
    """
    with reading(engine) as connection:
        entries = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq)).all()
        halts = connection.execute(sa.select(HALT).order_by(HALT.c.id)).all()
        answers = connection.execute(sa.select(ANSWER).order_by(ANSWER.c.id)).all()
        changes = connection.execute(sa.select(CHANGE).order_by(CHANGE.c.id)).all()
        tripped = {tuple(row) for row in connection.execute(sa.select(TRIPPED))}
    previous = ""
    for wanted_seq, row in enumerate(entries, start=1):
        entry = {k: v for k, v in row._mapping.items() if k != "entry_hash"}
        if row.seq != wanted_seq or row.previous_hash != previous or row.entry_hash != _hash(entry):
            return wanted_seq
        previous = row.entry_hash
    of_halts = [e for e in entries if e.action.startswith(_HALTS)]
    of_approvals = [e for e in entries if e.action.startswith(_APPROVALS)]
    of_breakers = [e for e in entries if e.action.startswith(_BREAKERS)]
    found = [
        _first_unlike(of_halts, map(_halt_story, halts), len(entries)),
        _first_unlike(of_approvals, map(_approval_story, answers), len(entries)),
        _first_unlike(of_breakers, map(_breaker_story, changes), len(entries)),
    ]
    if not any(found):
        found = [_first_untold(of_breakers, changes, tripped, len(entries))]
    return min((seq for seq in found if seq is not None), default=None)


def halt_action(scope: str, *, halted: bool) -> str:
    """Return the action by which a halt or a resumption stands in the audit trail."""
    return f"{'halt' if halted else 'resume'} {scope}"


def breaker_action(event: str, account: str, kind: str, subject: str) -> str:
    """Return the action by which a change of a breaker stands in the audit trail."""
    symbol = "" if subject == account else f" {subject}"
    return f"{_BREAKERS}{event} {kind}{symbol} of {account}"


def approval_action(decision_id: str) -> str:
    """Return the action by which an answer to a request for approval stands in the audit trail."""
    return f"{_APPROVALS}{decision_id}"


def approval_text(verdict: str, cl_ord_ids: Sequence[str], note: str) -> str:
    """Return what the audit trail says of an answer."""
    return f"{verdict} ({', '.join(cl_ord_ids)}): {note}"


def _halt_story(halt: sa.Row[Any]) -> _Story:
    return halt_action(halt.scope, halted=halt.halted), halt.cause, halt.actor, halt.changed_at


def _breaker_story(change: sa.Row[Any]) -> _Story:
    action = breaker_action(change.event, change.account, change.kind, change.subject)
    return action, change.reason or change.cause, change.actor, change.changed_at


def _approval_story(answer: sa.Row[Any]) -> _Story:
    text = approval_text(answer.verdict, answer.cl_ord_ids, answer.note)
    return approval_action(answer.decision_id), text, answer.actor, answer.answered_at


def _first_unlike(entries: Sequence[sa.Row[Any]], stories: Iterable[_Story], count: int) -> int | None:
    """Return the number of the first entry that tells another story; one past the `count` there are when one lacks."""
    for entry, story in zip_longest(entries, stories):
        if entry is None:
            return count + 1
        if story != (entry.action, entry.text, entry.actor, entry.entered_at):
            return int(entry.seq)
    return None


def _first_untold(
    entries: Sequence[sa.Row[Any]], changes: Sequence[sa.Row[Any]], tripped: set[tuple[Any, ...]], count: int
) -> int | None:
    """Return the number of the last entry on a breaker that is tripped, or is not, against its last change."""
    keys = [(c.account, c.kind, c.scope, c.subject) for c in changes]
    last = dict(zip(keys, zip(entries, changes, strict=True), strict=True))
    wanted = {(*key, change.id) for key, (_, change) in last.items() if change.event != "reset"}
    wrong = {row[:-1] for row in wanted ^ tripped}
    return min((int(last[key][0].seq) if key in last else count + 1 for key in wrong), default=None)


def _hash(entry: dict[str, Any]) -> str:
    told = entry | {"entered_at": entry["entered_at"].astimezone(UTC).isoformat()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
