"""The audit trail: what persons did, each entry chained to the one before by its hash."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa

from adapters.sql.engine import reading
from adapters.sql.rows import table_of
from adapters.sql.tables import AuditEntryRow, HaltRow

AUDIT, HALT = table_of(AuditEntryRow), table_of(HaltRow)


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

    The chain alone cannot tell that its last entries are gone: so every halt and resumption must have its entry too.
    """
    with reading(engine) as connection:
        entries = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq)).all()
        halts = connection.execute(sa.select(HALT).order_by(HALT.c.id)).all()
    previous = ""
    for wanted_seq, row in enumerate(entries, start=1):
        entry = {k: v for k, v in row._mapping.items() if k != "entry_hash"}
        if row.seq != wanted_seq or row.previous_hash != previous or row.entry_hash != _hash(entry):
            return wanted_seq
        previous = row.entry_hash
    return _first_unlike(entries, halts)


def halt_action(scope: str, *, halted: bool) -> str:
    """Return the action by which a halt or a resumption stands in the audit trail."""
    return f"{'halt' if halted else 'resume'} {scope}"


def _first_unlike(entries: Sequence[sa.Row[Any]], halts: Sequence[sa.Row[Any]]) -> int | None:
    """Return the number of the first entry that tells another story than the halts."""
    told = [e for e in entries if e.action.startswith(("halt ", "resume "))]
    for entry, halt in zip_longest(told, halts):
        if entry is None:
            return len(entries) + 1
        if halt is None or (entry.action, entry.text, entry.actor, entry.entered_at) != (
            halt_action(halt.scope, halted=halt.halted),
            halt.cause,
            halt.actor,
            halt.changed_at,
        ):
            return int(entry.seq)
    return None


def _hash(entry: dict[str, Any]) -> str:
    told = entry | {"entered_at": entry["entered_at"].astimezone(UTC).isoformat()}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
