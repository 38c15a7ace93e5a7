"""The audit trail: what persons did, each entry chained to the one before by its hash."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from adapters.sql.approval_tables import ApprovalAnswerRow
from adapters.sql.engine import reading
from adapters.sql.rows import table_of
from adapters.sql.tables import AuditEntryRow, HaltRow

AUDIT, HALT, ANSWER = table_of(AuditEntryRow), table_of(HaltRow), table_of(ApprovalAnswerRow)
APPROVAL = "approval of "
Told = tuple[str, str, str, datetime]  # action, text, actor and time of an entry


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

    The chain alone cannot tell that its last entries are gone: so every halt, resumption and
    approval must have its entry too.
    """
    with reading(engine) as connection:
        entries = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq)).all()
        halts = [
            (halt_action(r.scope, halted=r.halted), r.cause, r.actor, r.changed_at)
            for r in connection.execute(sa.select(HALT).order_by(HALT.c.id))
        ]
        answers = [
            (approval_action(r.decision_id), approval_text(r.verdict, r.cl_ord_ids, r.note), r.actor, r.answered_at)
            for r in connection.execute(sa.select(ANSWER).order_by(ANSWER.c.id))
        ]
    previous = ""
    for wanted_seq, row in enumerate(entries, start=1):
        entry = {k: v for k, v in row._mapping.items() if k != "entry_hash"}
        if row.seq != wanted_seq or row.previous_hash != previous or row.entry_hash != _hash(entry):
            return wanted_seq
        previous = row.entry_hash
    unlike = (_first_unlike(entries, ("halt ", "resume "), halts), _first_unlike(entries, (APPROVAL,), answers))
    return min((seq for seq in unlike if seq is not None), default=None)


def halt_action(scope: str, *, halted: bool) -> str:
    """Return the action by which a halt or a resumption stands in the audit trail."""
    return f"{'halt' if halted else 'resume'} {scope}"


def approval_action(decision_id: str) -> str:
    """Return the action by which an answer to a request for approval stands in the audit trail."""
    return f"{APPROVAL}{decision_id}"


def approval_text(verdict: str, cl_ord_ids: Sequence[str], note: str) -> str:
    """Return what the audit trail says of an answer."""
    return f"{verdict} ({', '.join(cl_ord_ids)}): {note}"


def _first_unlike(entries: Sequence[sa.Row[Any]], actions: tuple[str, ...], facts: Sequence[Told]) -> int | None:
    """Return the number of the first entry of these actions that tells another story than the facts."""
    told = [e for e in entries if e.action.startswith(actions)]
    for entry, fact in zip_longest(told, facts):
        if entry is None:
            return len(entries) + 1
        if (entry.action, entry.text, entry.actor, entry.entered_at) != fact:
            return int(entry.seq)
    return None


def _hash(entry: dict[str, Any]) -> str:
    told = entry | {"entered_at": entry["entered_at"].astimezone(UTC).isoformat()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
